"""./run try in a copy of the tree with a history of its own: no edit, edits that break something, a new variant, and no
history. No time is judged, only what is said beside them. Builds the copy from nothing: a minute of two cores."""

import os
import pathlib
import re
import shutil
import subprocess
import unittest

import guide

ROOT = guide.ROOT
SCRATCH = pathlib.Path(os.environ["HALNORM_SCRATCH"])
VENV = ROOT / "build/venv"
ROW = re.compile(r"^(\S+) +[\d.]+ [um]s +[\d.]+ [um]s +[\d.]+ +[\d.]+ - [\d.]+ +\d+ %  (faster|same|slower)$", re.M)
ONE = ["--pipeline", "inference", "--layout", "nchw", "--shapes", "1x16x32x32", "--seconds", "0.1"]
# File, what is there, what the edit makes of it.
COMMENT = ("schedules/generic.cpp", "const auto tail", "// edited\nconst auto tail")
WRONG = ("generators/formulas.h", "* of_channel(of.scale, g) +\n", "* of_channel(of.scale, g) -\n")
BROKEN = ("schedules/generic.cpp", "vectorize(g.merged, g.c,", "vectorize(g.merged, g.nothing,")


def git(*words):
    subprocess.run(["git", "-c", "user.name=test", "-c", "user.email=test@localhost", *words], cwd=SCRATCH, check=True,
                   stdout=subprocess.DEVNULL)


def commit():
    git("add", "CMakeLists.txt", "cmake", "generators", "runtime", "schedules")
    git("commit", "--quiet", "-m", "test")


def run_try(*words):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run([VENV / "bin/python", "-B", SCRATCH / "bench/try", *words], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, env=environment, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout


def edit(name, old, new):
    path = SCRATCH / name
    path.write_text(path.read_text().replace(old, new))


class Texts(unittest.TestCase):
    def test_there_is_what_is_edited(self):
        for name, old, _ in (COMMENT, WRONG, BROKEN):
            self.assertIn(old, (ROOT / name).read_text(), name)


@unittest.skipUnless((VENV / "stamp").exists(), "./run has not set up build/venv")
@unittest.skipUnless(shutil.which("git"), "there is no git")
class Edits(unittest.TestCase):
    """In this order: each test goes on from what the one before has built."""

    @classmethod
    def setUpClass(cls):
        shutil.rmtree(SCRATCH, ignore_errors=True)
        SCRATCH.mkdir(parents=True)
        for name in ("bench", "cmake", "generators", "runtime", "schedules", "tests"):
            shutil.copytree(ROOT / name, SCRATCH / name)
        shutil.copy(ROOT / "CMakeLists.txt", SCRATCH)
        (SCRATCH / "build").mkdir()
        (SCRATCH / "build/venv").symlink_to(VENV)
        git("init", "--quiet")
        commit()

    def passes(self, *words):
        status, said = run_try(*words)
        self.assertEqual(status, 0, said)
        return said

    def fails(self, *words):
        status, said = run_try(*words)
        self.assertEqual(status, 1, said)
        self.assertEqual(ROW.findall(said), [], said)
        return said

    def test_1_nothing_is_edited(self):
        said = self.passes("generic", *ONE)
        self.assertIn("both sides are the same code", said)
        self.assertIn("checking against the reference", said)
        self.assertEqual([shape for shape, _ in ROW.findall(said)], ["1x16x32x32"], said)

    def test_2_what_has_been_checked_is_not_checked_again(self):
        said = self.passes("generic", *ONE)
        self.assertNotIn("checking", said)

    def test_3_an_edit_is_compared_with_what_was_committed(self):
        edit(*COMMENT)
        said = self.passes("generic", *ONE)
        self.assertIn("changed: schedules/generic.cpp\n", said)
        self.assertIn("checking against the reference", said)
        self.assertEqual(len(ROW.findall(said)), 1, said)
        self.assertFalse((SCRATCH / "build/try/head").exists(), "HEAD was built again, though its kernels were kept")

    def test_4_wrong_results_are_not_timed(self):
        edit(*WRONG)
        said = self.fails("generic", *ONE)
        self.assertIn("wrong results", said)
        self.assertRegex(said, r"inference generic nchw f32 rank \d .*\n +y\[\d+\] is .*, should be .*, off by ")
        git("checkout", "--quiet", "generators")

    def test_5_what_does_not_compile_is_shown(self):
        edit(*BROKEN)
        said = self.fails("generic", *ONE)
        self.assertIn("has no member named 'nothing'", said.replace("\u2018", "'").replace("\u2019", "'"))
        self.assertNotIn("-isystem", said)  # the compiler's command
        git("checkout", "--quiet", "schedules")

    def test_6_the_guide(self):
        outputs = []
        for kind, step in guide.steps():
            if kind == "diff":
                if outputs:
                    commit()
                guide.apply(step, SCRATCH)
            elif step[0] == "cp":
                subprocess.run(step, cwd=SCRATCH, check=True)
            else:
                outputs.append(run_try(*step[2:], "--shapes", "8x2048x7x7", "--seconds", "0.1"))
        (first, new), (second, edited), (third, wrong) = outputs
        self.assertEqual((first, second, third), (0, 0, 1), outputs)
        self.assertIn("has no variant my_idea: compared with", new)
        self.assertIn("changed: schedules/my_idea.cpp", edited)
        self.assertEqual(len(ROW.findall(edited)), 1, edited)
        self.assertIn("wrong results", wrong)
        self.assertIn("read or wrote memory beside a buffer", wrong)

    def test_7_an_autoscheduler(self):
        git("checkout", "--quiet", "schedules")
        said = self.passes("generic", *ONE, "--act", "silu", "--autoscheduler", "Mullapudi2016")
        self.assertEqual(len(ROW.findall(said)), 1, said)
        made = SCRATCH / "build/try/autoscheduled/Mullapudi2016/halnorm_normalize_nchw_f32__generic.schedule.h"
        self.assertIn("vectorize", made.read_text())

    def test_8_without_a_history(self):
        shutil.rmtree(SCRATCH / ".git")
        (SCRATCH / ".git").write_text("gitdir: /nowhere\n")  # or an outer one would be found
        said = self.passes("generic", *ONE)
        self.assertIn("this folder is no git checkout: compared with", said)


if __name__ == "__main__":
    unittest.main()
