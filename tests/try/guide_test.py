"""docs/writing-a-schedule.md names files that exist, commands that ./run takes, and edits that fit the tree."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

import guide

SCRATCH = pathlib.Path(os.environ["HALNORM_SCRATCH"])


class Guide(unittest.TestCase):
    def test_what_it_names_is_there(self):
        self.assertGreaterEqual(len(guide.paths()), 1)
        for path in guide.paths():
            self.assertTrue((guide.ROOT / path).exists(), path)

    def test_commands_are_those_of_run(self):
        known = re.search(r"\((demo, [^;]+);", (guide.ROOT / "run").read_text())[1].split(", ")
        self.assertGreaterEqual(len(guide.commands()), 5)
        for command in guide.commands():
            self.assertIn(command[1], known, command)

    def test_the_edits_fit_and_the_arguments_are_good(self):
        shutil.rmtree(SCRATCH, ignore_errors=True)
        for name in ("schedules", "bench/try"):
            shutil.copytree(guide.ROOT / name, SCRATCH / name)
        kinds = []
        for kind, step in guide.steps():
            kinds.append(kind)
            if kind == "diff":
                guide.apply(step, SCRATCH)
            elif step[0] == "cp":
                subprocess.run(step, cwd=SCRATCH, check=True)
            else:
                self.arguments_are_good(step)
        self.assertEqual(kinds.count("diff"), 3)
        for command in guide.commands():
            self.arguments_are_good(command)

    def arguments_are_good(self, command):
        if command[:2] == ["./run", "try"]:
            done = subprocess.run([sys.executable, "-B", SCRATCH / "bench/try/arguments.py", *command[2:]],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            self.assertEqual((done.returncode, done.stdout), (0, ""), command)


if __name__ == "__main__":
    unittest.main()
