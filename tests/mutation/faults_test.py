"""Every fault of ./run mutate still applies to the tree, and what does not is named."""

import pathlib
import re
import subprocess
import unittest

import faults
from ctest import first_failed
from patch import NotApplicable, patched

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Faults(unittest.TestCase):
    def test_each_applies_exactly_once(self):
        for fault in faults.FAULTS:
            with self.subTest(fault.name):
                self.assertNotEqual(patched(ROOT, fault), (ROOT / fault.file).read_text())

    def test_each_has_a_name_of_its_own_and_tests(self):
        self.assertEqual(len({fault.name for fault in faults.FAULTS}), len(faults.FAULTS))
        for fault in faults.FAULTS:
            re.compile(fault.tests)

    def test_one_that_does_not_apply_is_named(self):
        fault = faults.FAULTS[0]._replace(old="no such text")
        with self.assertRaisesRegex(NotApplicable, f"^fault {fault.name}: {re.escape(fault.file)} has its text 0 times"):
            patched(ROOT, fault)

    def test_an_unknown_name_is_refused(self):
        done = subprocess.run([ROOT / "run", "mutate", "nonsense"], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertRegex(done.stderr, r"^run: mutate: NAME: was 'nonsense', should be one of .+\n$")

    def test_a_test_that_a_signal_ended_has_failed(self):
        lines = ["1/4 Test #1: edges.generic ....   Passed    0.2 sec", "2/4 Test #8: edges.cuda ....***Skipped   0.0 sec",
                 "3/4 Test #3: backward.generic ....Bus error***Exception:   1.5 sec", "4/4 Test #4: errors ....***Failed    0.1 sec"]
        self.assertIsNone(first_failed("\n".join(lines[:2])))
        self.assertEqual(first_failed("\n".join(lines)), "backward.generic")
        self.assertEqual(first_failed("\n".join(lines[:2] + lines[3:])), "errors")


if __name__ == "__main__":
    unittest.main()
