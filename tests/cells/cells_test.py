"""What cells.py counts, and what it calls an error, of a program in place of halnorm_tests that says what it is told to."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import cells

FAKE = """#!{python}
import json, re, sys
points = json.loads({points!r})
if "--gtest_list_tests" in sys.argv:
    print("Cells.")
    for name in points:
        print("  match_reference/" + name + "  # GetParam() = ...")
    sys.exit()
name = re.search("match_reference/(.*)", sys.argv[1])[1]
result, reason = points[name]
if result == "CRASH":
    sys.exit(139)
test = {{"result": "SKIPPED" if result == "SKIPPED" else "COMPLETED", "time": "1.5s", "cells": "32",
        "why_unsupported": reason, "calls": "3000"}}
path = sys.argv[2].split(":", 1)[1]
json.dump({{"testsuites": [{{"testsuite": [test]}}]}}, open(path, "w"))
sys.exit({{"SKIPPED": 77, "FAILED": 1, "OK": 0}}[result])
"""

RAN = {"training_nchw_f32__generic": ("OK", ""), "backward_moving_nhwc_f64__generic": ("OK", "")}


class Counting(unittest.TestCase):
    def run_on(self, points, *arguments):
        """(exit status, summary)"""
        with tempfile.TemporaryDirectory() as folder:
            program, summary = pathlib.Path(folder, "program"), pathlib.Path(folder, "summary.txt")
            program.write_text(FAKE.format(python=sys.executable, points=json.dumps(points)))
            program.chmod(0o755)
            words = ["cells.py", str(program), "--summary", str(summary), *arguments]
            with mock.patch.object(sys, "argv", words), mock.patch("builtins.print"):
                status = cells.main()
            return status, summary.read_text()

    def test_cells_and_calls_are_added(self):
        status, summary = self.run_on(RAN, "--least", "64")
        self.assertEqual(status, 0, summary)
        self.assertRegex(summary, r"generic +training +32 +0 +3000")
        self.assertRegex(summary, r"generic +backward_moving +32 +0 +3000")
        self.assertIn("cells: 64 ran, 0 skipped, 0 mistakes", summary)

    def test_too_few_cells(self):
        status, summary = self.run_on(RAN, "--least", "65")
        self.assertEqual(status, 1)
        self.assertIn("there are 64 cells, should be at least 65", summary)

    def test_a_failure_and_a_crash(self):
        for result in ("FAILED", "CRASH"):
            status, summary = self.run_on({**RAN, "training_nchw_f32__x86_avx": (result, "")})
            self.assertEqual(status, 1)
            self.assertIn("training_nchw_f32__x86_avx failed", summary)

    def test_nothing_ran(self):
        self.assertEqual(self.run_on({})[0], 1)

    def skipped(self, variant, reason):
        return self.run_on({**RAN, f"training_nchw_f32__{variant}": ("SKIPPED", reason)})

    def test_expected_skips(self):
        with mock.patch.object(cells, "processor_lacks", return_value=True), \
                mock.patch.object(cells, "loads", return_value=False):
            for variant, reason in (("x86_avx512", "this machine or its operating system lacks AVX-512F/CD"),
                                    ("cuda", "libcuda.so.1 not found: no CUDA driver"), ("cuda", "no CUDA device"),
                                    ("opencl", "libOpenCL.so.1 not found: no OpenCL loader"),
                                    ("opencl", "no OpenCL platform")):
                status, summary = self.skipped(variant, reason)
                self.assertEqual(status, 0, summary)
                self.assertIn(f"skipped: 32 cells of {variant}: {reason}", summary)

    def test_unexpected_skips(self):
        # The machine has what the reason says it lacks.
        with mock.patch.object(cells, "processor_lacks", return_value=False), \
                mock.patch.object(cells, "loads", return_value=True):
            for variant, reason in (("x86_avx512", "this machine or its operating system lacks AVX-512F/CD"),
                                    ("cuda", "libcuda.so.1 not found: no CUDA driver"),
                                    ("opencl", "libOpenCL.so.1 not found: no OpenCL loader"),
                                    ("generic", "no CUDA device"), ("x86_avx", ""),
                                    ("cuda", "this program did not call halnorm_enable_gpu()")):
                status, summary = self.skipped(variant, reason)
                self.assertEqual(status, 1, summary)
                self.assertIn(f"{variant}: an unexpected skip", summary)

    def test_what_this_processor_has(self):
        flags = subprocess.run(["grep", "-m1", "^flags", "/proc/cpuinfo"], stdout=subprocess.PIPE,
                               text=True).stdout.split()
        for variant, needed in cells.X86_FLAGS.items():
            self.assertEqual(cells.processor_lacks(variant), any(flag not in flags for flag in needed.split()))


if __name__ == "__main__":
    unittest.main()
