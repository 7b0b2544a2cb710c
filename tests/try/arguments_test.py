"""./run try refuses what makes no sense before it sets up or builds anything, in one line that names the argument, what
it was and what it should have been."""

import pathlib
import re
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench/try"))
import arguments  # noqa: E402
import build  # noqa: E402


def run_try(*words):
    return subprocess.run([ROOT / "run", "try", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL)


class Refusals(unittest.TestCase):
    def refused(self, words, *telling):
        done = run_try(*words)
        self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertTrue(done.stderr.startswith("run: try: "), done.stderr)
        for text in telling:
            self.assertIn(text, done.stderr)

    def test_a_variant(self):
        self.refused([], "VARIANT", "missing", "x86_avx2")
        self.refused(["nope"], "VARIANT", "'nope'", "x86_avx2", "schedules/CMakeLists.txt")
        self.refused(["cuda"], "VARIANT", "'cuda'", "x86_avx2")
        self.refused(["generic", "--against", "nope"], "--against", "'nope'", "generic")
        self.refused(["generic", "x86_avx"], "unknown", "'x86_avx'")

    def test_choices(self):
        self.refused(["generic", "--pipeline", "statistics"], "--pipeline", "'statistics'", "inference")
        self.refused(["generic", "--pipeline", "training,nope"], "--pipeline", "'nope'")
        self.refused(["generic", "--layout", "NCWH"], "--layout", "'NCWH'", "nchw")
        self.refused(["generic", "--act", "rellu"], "--act", "'rellu'", "leaky_relu")
        self.refused(["generic", "--dtype", "f32"], "--dtype", "'f32'", "float32")
        self.refused(["generic", "--autoscheduler", "Adams"], "--autoscheduler", "'Adams'", "Adams2019")
        self.refused(["generic", "--autoscheduler", "Li2018", "--against", "x86_avx"], "--against", "--autoscheduler")

    def test_shapes(self):
        for shape in ("", "8", "8x0x4", "8x64x", "axb", "8x64x56x56x1x1", "-1x3", "8X64"):
            self.refused(["generic", f"--shapes={shape}"], "--shapes", f"'{shape}'", "8x64x56x56")
        self.refused(["generic", "--shapes", "8x64,100000x100000"], "--shapes", "'100000x100000'", "2^31")

    def test_numbers(self):
        self.refused(["generic", "--threads", "-1"], "--threads", "'-1'", "0 (all cores) or more")
        self.refused(["generic", "--threads", "two"], "--threads", "'two'")
        self.refused(["generic", "--seconds", "0"], "--seconds", "'0'", "0.1")
        self.refused(["generic", "--seconds", "nan"], "--seconds", "'nan'")

    def test_unknown_ones(self):
        self.refused(["generic", "--shape", "8x64"], "unknown", "'--shape'")
        self.refused(["generic", "--layout"], "--layout")


class Arguments(unittest.TestCase):
    def test_help(self):
        done = run_try("--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for option in re.findall(r'"(--\w+)"', (ROOT / "bench/try/arguments.py").read_text()):
            self.assertIn(option, done.stdout)
        self.assertLessEqual(max(map(len, done.stdout.splitlines())), 120)

    def test_defaults(self):
        options = arguments.parse(["x86_avx2"])
        self.assertEqual(options.pipeline, ["inference", "training", "backward"])
        self.assertEqual(options.layout, ["nchw", "nhwc"])
        self.assertEqual((options.act, options.dtype, options.threads), ("relu", "float32", 1))
        self.assertEqual(options.shapes, arguments.SHORT)

    def test_lists_keep_their_order(self):
        options = arguments.parse(["x86_avx2", "--pipeline", "backward,inference", "--shapes", "8x3,2x3x4"])
        self.assertEqual(options.pipeline, ["inference", "backward"])
        self.assertEqual(options.shapes, ["8x3", "2x3x4"])

    def test_the_activations_are_those_of_the_library(self):
        table = re.search(r"^constexpr char names.*?};", (ROOT / "runtime/activation.cpp").read_text(), re.M | re.S)[0]
        names = re.findall(r'"(\w+)"', table)
        self.assertEqual(list(arguments.ACTIVATIONS), names)

    def test_a_tensor_that_is_the_same_in_both_layouts_has_one_row(self):
        shapes = ["64x10", "8x1x4x4", "8x3x4x4", "1x10", "5x1", "1x1"]
        self.assertEqual(arguments.shapes_of_layout(shapes, "nchw"), ["8x1x4x4", "8x3x4x4", "5x1"])
        self.assertEqual(arguments.shapes_of_layout(shapes, "nhwc"), ["64x10", "8x3x4x4", "1x10", "1x1"])

    def test_a_side_has_what_its_layout_runs(self):
        kernels = ["sums_nchw", "sums_nhwc", "merge", "normalize_streaming_nchw", "normalize_streaming_nhwc"]
        runs = {layout: [name for name in kernels if build.runs_in(layout, f"halnorm_{name}_f32__x86_avx2")]
                for layout in ("nchw", "nhwc")}
        self.assertEqual(runs, {"nchw": ["sums_nchw", "merge", "normalize_streaming_nchw", "normalize_streaming_nhwc"],
                                "nhwc": ["sums_nhwc", "merge", "normalize_streaming_nhwc"]})

    def test_the_listed_shapes_are_shapes(self):
        for shape in arguments.SHORT + arguments.ALL:
            self.assertEqual(arguments.shapes(shape), [shape])


if __name__ == "__main__":
    unittest.main()
