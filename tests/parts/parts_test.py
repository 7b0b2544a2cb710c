"""Libraries with parts left out (HALNORM_ACTIVATIONS, _DTYPES, _LAYOUTS, _PIPELINES): what is left is right, and
nothing else is there.

Environment: HALNORM_GENERATORS (generators/ of a build for this machine), HALNORM_SCRATCH (a folder that may be deleted),
CMAKE_COMMAND, CMAKE_MAKE_PROGRAM, CC, CXX and, where its programs do not run here, HALNORM_TOOLCHAIN and HALNORM_EMULATOR.
"""

import os
import pathlib
import re
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
os.environ.setdefault("HALNORM_BUILD", "")  # consumer_test's, which reads nothing of it here
sys.path.append(str(HERE.parent / "consumer"))
from consumer_test import CMAKE, EMULATOR, SCRATCH, configure, run

ROOT = HERE.parents[1]
INCLUDE = ROOT / "runtime/include"
PIPELINES = {"INFERENCE": ("inference",), "GRADIENTS": ("training", "backward")}


def build(name, variant, streaming=False, **parts):
    folder = SCRATCH / name
    configure(ROOT, folder, "-DCMAKE_BUILD_TYPE=MinSizeRel", "-DHALNORM_THREADS=OFF", "-DHALNORM_STATE=OFF", "-DHALNORM_GPU=OFF",
              f"-DHALNORM_STREAMING={streaming}", f"-DHALNORM_GENERATORS_DIR={os.environ['HALNORM_GENERATORS']}",
              f"-DHALNORM_VARIANTS={variant}", *(f"-DHALNORM_{part}={';'.join(values)}" for part, values in parts.items()))
    run(CMAKE, "--build", folder, "--target", "halnorm", "--parallel",
        os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", str(len(os.sched_getaffinity(0)))))
    return folder


class Parts(unittest.TestCase):
    def check(self, name, activations, dtypes, layouts, pipelines):
        folder = build(name, "generic", ACTIVATIONS=activations, DTYPES=dtypes, LAYOUTS=layouts, PIPELINES=pipelines)
        has = {f"WITH_{part.upper()}": int(part in (*dtypes, *layouts)) for part in ("float32", "float64", "NCHW", "NHWC")}
        has.update({f"WITH_{part}": int(set(needed) <= set(pipelines)) for part, needed in PIPELINES.items()})
        has["ACTIVATIONS"] = ",".join(f"HALNORM_ACT_{name.upper()}" for name in activations)
        run(os.environ["CC"], "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", *(f"-D{key}={value}" for key, value in has.items()),
            f"-I{INCLUDE}", HERE / "parts.c", folder / "libhalnorm.a", "-lm", "-o", folder / "program")
        self.assertEqual("generic\n", run(*EMULATOR, folder / "program"))
        # All members, as Xcode's -force_load takes them: none asks for what has been left out.
        run(os.environ["CC"], "-shared", "-Wl,-z,defs", "-Wl,--whole-archive", folder / "libhalnorm.a", "-Wl,--no-whole-archive", "-lm",
            "-o", folder / "libwhole.so")
        names = run("nm", folder / "libhalnorm.a")
        kernels = set(re.findall(r" T halnorm_(\w+?)(?:_(nchw|nhwc))?_f(32|64)__generic$", names, re.M))
        self.assertEqual({dtype[-2:] for dtype in dtypes}, {kernel[2] for kernel in kernels})
        self.assertEqual({layout.lower() for layout in layouts}, {kernel[1] for kernel in kernels} - {""})
        stages = {kernel[0] for kernel in kernels}
        self.assertEqual("inference" in pipelines, "moving_coefficients" in stages, stages)
        self.assertEqual("training" in pipelines, "sums" in stages, stages)
        self.assertEqual("backward" in pipelines, "gradient_sums" in stages, stages)
        for pipeline, function in {"inference": "forward_inference", "training": "forward_training", "backward": "backward"}.items():
            self.assertEqual(pipeline in pipelines, f" T halnorm_{function}\n" in names, function)

    def test_inference_of_one_kind(self):
        self.check("inference", ["relu"], ["float32"], ["NHWC"], ["inference"])

    def test_training_of_one_kind(self):
        self.check("training", ["relu6", "leaky_relu"], ["float32"], ["NCHW"], ["training", "backward"])

    def test_curved_activations(self):
        self.check("curved", ["elu", "tanh"], ["float64"], ["NHWC"], ["inference", "training", "backward"])

    def test_names_that_are_not_there(self):
        for option, said in {
                "HALNORM_ACTIVATIONS=relu;selu": "HALNORM_ACTIVATIONS: was 'selu', should be of: none relu relu6",
                "HALNORM_LAYOUTS=": "HALNORM_LAYOUTS: was empty, should be some of: NCHW NHWC",
                "HALNORM_DTYPES=float16": "HALNORM_DTYPES: was 'float16', should be of: float32 float64",
                "HALNORM_PIPELINES=forward": "HALNORM_PIPELINES: was 'forward', should be of: inference training"}.items():
            with self.subTest(option):
                with self.assertRaisesRegex(AssertionError, said.replace(' ', r'\s+')):
                    configure(ROOT, SCRATCH / option.split("=")[0], f"-D{option}", f"-DHALNORM_GENERATORS_DIR={os.environ['HALNORM_GENERATORS']}")

    def test_the_program_wants_all_pipelines(self):
        with self.assertRaisesRegex(AssertionError, r"HALNORM_TOOLS\s+was\s+ON\s+with\s+HALNORM_PIPELINES=inference"):
            configure(ROOT, SCRATCH / "tools", "-DHALNORM_TOOLS=ON", "-DHALNORM_PIPELINES=inference",
                      f"-DHALNORM_GENERATORS_DIR={os.environ['HALNORM_GENERATORS']}")


class Streaming(unittest.TestCase):
    def setUp(self):
        if not (pathlib.Path(os.environ["HALNORM_GENERATORS"]) / "memory_hints").exists():
            self.skipTest("no variant of this platform has streaming stores")

    def test_streaming_stores_in_either_layout(self):
        variant = "x86_avx2"
        for layout in ("NCHW", "NHWC"):
            with self.subTest(layout):
                folder = build(f"streaming-{layout}", variant, streaming=True, ACTIVATIONS=["relu"], DTYPES=["float32"],
                               LAYOUTS=[layout], PIPELINES=["training"])
                kernel = f"halnorm_normalize_streaming_{layout.lower()}_f32__{variant}"
                there = set(re.findall(r" T (halnorm_normalize_streaming_\w+__\w+?)$", run("nm", folder / "libhalnorm.a"), re.M))
                self.assertEqual({kernel}, {name for name in there if not name.endswith(("_argv", "_metadata"))})
                program = folder / "streams"
                run(os.environ["CC"], "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", f"-DWITH_NCHW={int(layout == 'NCHW')}",
                    f'-DVARIANT="{variant}"', f"-DREAL=__real_{kernel}", f"-DWRAP=__wrap_{kernel}", f"-I{INCLUDE}",
                    HERE / "streams.c", folder / "libhalnorm.a", "-lm", f"-Wl,--wrap={kernel}", "-o", program)
                done = subprocess.run([*EMULATOR, program], stdout=subprocess.PIPE, text=True)
                if done.returncode == 77:
                    self.skipTest(f"this machine does not run {variant}")
                self.assertEqual((0, "1\n"), (done.returncode, done.stdout))

    def test_small_kernels_in_a_folder_that_had_others(self):
        folder = SCRATCH / "switched"
        for small in (False, True, False):
            configure(ROOT, folder, f"-DHALNORM_SMALL={small}", f"-DHALNORM_GENERATORS_DIR={os.environ['HALNORM_GENERATORS']}",
                      "-DHALNORM_VARIANTS=x86_avx2", "-DHALNORM_GPU=OFF", "-DHALNORM_STATE=OFF")
            self.assertEqual(not small, "halnorm_normalize_streaming_nchw_f32__x86_avx2" in (folder / "build.ninja").read_text())


if __name__ == "__main__":
    unittest.main()
