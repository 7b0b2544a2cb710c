"""The command as ./run explain calls it. Environment: HALNORM_BUILD (a build for this machine with the generators),
HALNORM_SCRATCH (a folder that may be deleted)."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

import explain

BUILD = os.environ["HALNORM_BUILD"]
SCRATCH = pathlib.Path(os.environ["HALNORM_SCRATCH"])


def run(*arguments):
    command = [sys.executable, "-B", explain.FOLDER, "--build", BUILD, "--out", SCRATCH, *arguments]
    return subprocess.run([str(word) for word in command], capture_output=True, text=True)


class Command(unittest.TestCase):
    def refused(self, *arguments):
        done = run(*arguments)
        self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
        self.assertRegex(done.stderr, r"\Aexplain: [^\n]+\n\Z")
        return done.stderr

    def test_refusals_name_the_argument_what_it_was_and_what_it_should_be(self):
        for arguments, words in [
                ((), ["VARIANT"]),
                (("x87",), ["VARIANT", "x87", "x86_avx2", "arm_neon"]),
                (("cuda",), ["VARIANT", "cuda", "CPU"]),
                (("generic", "--platform", "armv7-linux"), ["generic", "armv7-linux", "C++"]),
                (("x86_avx2", "--platform", "armv7-linux"), ["--platform", "armv7-linux", "x86-64-linux"]),
                (("x86_avx2", "--stage", "merge"), ["--stage", "merge", "gradient_sums"]),
                (("x86_avx2", "--stage", "activate"), ["--stage", "activate", "x86_avx2", "normalize"]),
                (("x86_avx2", "--stage", "activate_backward"), ["--stage", "activate_backward", "normalize"]),
                (("x86_avx2", "--form", "square"), ["--form", "square", "clamp"]),
                (("x86_avx2", "--cpu", "cortex-a55"), ["--cpu", "cortex-a55", "x86-64-linux"]),
                (("arm_neon", "--cpu", "z80"), ["--cpu", "z80", "aarch64-linux"]),
                (("x86_avx2", "--loud"), ["--loud"])]:
            with self.subTest(arguments=arguments):
                message = self.refused(*arguments)
                for word in words:
                    self.assertIn(word, message)

    def test_schedule(self):
        self.assertEqual(run("x86_avx2", "--print-schedule").stdout, "x86_avx\n")

    def test_what_a_loop_needs_is_found_in_its_code(self):
        shutil.rmtree(SCRATCH, ignore_errors=True)
        done = run("x86_avx2", "--stage", "gradient_sums", "--cpu", "znver3")
        self.assertEqual(done.returncode, 0, done.stderr)
        report = json.loads((SCRATCH / "x86_avx2/hot_loops.json").read_text())
        for kernel in report["kernels"]:
            self.assertTrue(kernel["loops"])
            for loop in kernel["loops"]:
                with self.subTest(kernel=kernel["name"], loop=loop["label"]):
                    self.assertEqual(loop["elements"]["x"], loop["elements"]["dy"])
                    self.assertGreaterEqual(loop["vector_loads"], loop["needed_vector_loads"])

    def explained(self, *arguments, folder):
        shutil.rmtree(SCRATCH, ignore_errors=True)
        done = run(*arguments, "--stage", "normalize", "--layout", "nhwc")
        self.assertEqual(done.returncode, 0, done.stderr)
        for suffix in (".html", ".stmt.html", ".stmt", ".s", ".nest.txt"):
            self.assertGreater((SCRATCH / folder / f"normalize_nhwc_f32{suffix}").stat().st_size, 0, suffix)
        self.assertIn("produce y:", (SCRATCH / folder / "normalize_nhwc_f32.nest.txt").read_text())
        report = json.loads((SCRATCH / folder / "hot_loops.json").read_text())
        index = (SCRATCH / folder / "index.html").read_text()
        (kernel,) = report["kernels"]
        loops = [loop for loop in kernel["loops"] if not loop["tail"]]
        self.assertTrue(loops)
        for loop in loops:
            self.assertEqual(loop["form"], "clamp")
            self.assertIn(f"normalize_nhwc_f32.html#{loop['label']}", index)
            # As many whole vectors written as read of x; NHWC has coefficients beside them.
            self.assertEqual(loop["elements"]["x"], loop["elements"]["y"])
            self.assertGreaterEqual(loop["vector_loads"], loop["needed_vector_loads"])
            for timing in loop["timings"]:
                self.assertGreater(timing["load_store_bound"], 0)
                self.assertGreaterEqual(timing["cycles_per_vector"], 0.98 * timing["load_store_bound"])
        return done.stdout, report, loops

    def test_x86(self):
        table, report, loops = self.explained("x86_avx2", "--cpu", "znver3", folder="x86_avx2")
        self.assertIn("znver3", table)
        self.assertEqual(report["cpus"], [{"name": "znver3", "model": "Zn3"}])
        stores = [one["text"] for one in loops[0]["listing"] if one["kind"] == "store"]
        self.assertEqual(len(stores), loops[0]["vectors_per_iteration"])
        self.assertTrue(all("%ymm" in text for text in stores))

    def test_arm_needs_no_cross_compiler(self):
        _, report, loops = self.explained("arm_neon", "--cpu", "neoverse-n1", "--cpu", "cortex-a55", folder="arm_neon")
        self.assertEqual((report["platform"], report["vector_bytes"]), ("aarch64-linux", 16))
        self.assertEqual([timing["cpu"] for timing in loops[0]["timings"]], ["neoverse-n1", "cortex-a55"])


if __name__ == "__main__":
    unittest.main()
