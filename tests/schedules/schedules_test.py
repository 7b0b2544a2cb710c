"""Work on a schedule, as docs and CONTRIBUTING.md promise it: a copy of the source in which a variant is added and a
schedule edited. Prints how long the builds took.

Environment: HALNORM_SCRATCH (a folder that may be deleted), Halide_DIR, CMAKE_COMMAND, CMAKE_MAKE_PROGRAM, CC, CXX.
"""

import os
import pathlib
import re
import shutil
import subprocess
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SCRATCH = pathlib.Path(os.environ["HALNORM_SCRATCH"])
SOURCE = SCRATCH / "source"
BUILD = SCRATCH / "build"
CMAKE = os.environ["CMAKE_COMMAND"]
JOBS = os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", str(len(os.sched_getaffinity(0))))


def run(*command):
    command = [str(word) for word in command]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}\nexit status {done.returncode}\n{done.stdout}")
    return done.stdout


def build(what):
    """The steps that ninja took, in its words."""
    began = time.monotonic()
    output = run(CMAKE, "--build", BUILD, "--target", "halnorm", "--parallel", JOBS)
    steps = [match[1] for match in re.finditer(r"^\[\d+/\d+\] (.+)$", output, re.M)]
    print(f"\n  {what}: {time.monotonic() - began:.1f} s, {len(steps)} steps", end=" ", flush=True)
    return steps


def kernels_of(steps):
    return {step.split("__")[1] for step in steps if step.startswith("Kernel ")}


def others_of(steps):
    return sorted(step for step in steps if not step.startswith(("Kernel ", "Re-checking", "Re-running")))


class Schedules(unittest.TestCase):
    """In this order: each test goes on from what the one before has built."""

    @classmethod
    def setUpClass(cls):
        shutil.rmtree(SCRATCH, ignore_errors=True)
        SOURCE.mkdir(parents=True)
        for name in ("cmake", "generators", "runtime", "schedules"):
            shutil.copytree(ROOT / name, SOURCE / name)
        for name in ("CMakeLists.txt", "LICENSE"):
            shutil.copy(ROOT / name, SOURCE / name)
        run(CMAKE, "-S", SOURCE, "-B", BUILD, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DHALNORM_STATE=OFF",
            f"-DCMAKE_MAKE_PROGRAM={os.environ['CMAKE_MAKE_PROGRAM']}", f"-DCMAKE_C_COMPILER={os.environ['CC']}",
            f"-DCMAKE_CXX_COMPILER={os.environ['CXX']}", f"-DHalide_DIR={os.environ['Halide_DIR']}")
        build("everything from nothing")

    def test_1_an_edited_schedule_rebuilds_its_variants_alone(self):
        schedule = SOURCE / "schedules/x86_avx.cpp"
        schedule.write_text(schedule.read_text() + "\n// edited\n")
        steps = build("x86_avx.cpp edited")
        self.assertEqual(kernels_of(steps), {"x86_avx", "x86_avx2"})
        self.assertEqual(others_of(steps), [
            "Building CXX object schedules/CMakeFiles/halnorm_generator_x86_avx.dir/x86_avx.cpp.o",
            "Linking C static library libhalnorm.a",
            "Linking CXX executable generators/x86_avx"])
        self.assertEqual(build("nothing edited"), [])

    def test_2_a_variant_is_a_file_and_a_line(self):
        shutil.copy(SOURCE / "schedules/generic.cpp", SOURCE / "schedules/my_idea.cpp")
        variants = SOURCE / "schedules/CMakeLists.txt"
        line = "halnorm_variant(my_idea SCHEDULE my_idea.cpp EXPERIMENTAL)\n"
        # Before all others: only EXPERIMENTAL keeps it from being chosen.
        variants.write_text(re.sub(r"^(?=halnorm_variant\()", line, variants.read_text(), count=1, flags=re.M))
        steps = build("my_idea.cpp added")
        self.assertEqual(kernels_of(steps), {"my_idea"})
        self.assertEqual([step for step in others_of(steps) if "generator" in step], [
            "Building CXX object schedules/CMakeFiles/halnorm_generator_my_idea.dir/my_idea.cpp.o",
            "Linking CXX executable generators/my_idea"])

    def test_3_it_runs_when_it_is_named_and_only_then(self):
        program = SCRATCH / "try_variant"
        run(os.environ["CC"], "-std=c11", f"-I{SOURCE}/runtime/include", HERE / "try_variant.c", "-o", program,
            BUILD / "libhalnorm.a", "-pthread", "-lm", "-ldl")
        *listed, ran = run(program).splitlines()
        self.assertEqual(listed[0], "my_idea experimental supported")
        chosen = [line.split()[0] for line in listed if line.endswith("chosen")]
        self.assertEqual(len(chosen), 1)
        self.assertEqual(ran, f"ran {chosen[0]}")
        self.assertEqual(run(program, "my_idea").splitlines()[-1], "ran my_idea")
        self.assertEqual(run("env", "HALNORM_VARIANT=my_idea", program).splitlines()[-1], "ran my_idea")


if __name__ == "__main__":
    unittest.main()
