"""digits_train and digits_infer from start to end, as ./run demo runs them, with fewer epochs."""

import csv
import os
import pathlib
import subprocess
import tempfile
import unittest

PROGRAMS = pathlib.Path(os.environ["DIGITS_PROGRAMS"])
TRAIN, INFER = PROGRAMS / "digits_train", PROGRAMS / "digits_infer"
EPOCHS = 5


def run(program, *arguments):
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=240)


class Training(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.out = pathlib.Path(folder.name) / "made" / "by it"
        # Five epochs reach 95 to 98 % with seeds 1 and 2.
        cls.train = run(TRAIN, "--epochs", EPOCHS, "--require", 90, "--out", cls.out)
        cls.model = cls.out / "model.safetensors"

    def test_learns_with_the_layer(self):
        self.assertEqual(self.train.returncode, 0, self.train.stderr)
        self.assertEqual(self.train.stderr, "")
        self.assertEqual(sorted(path.name for path in self.out.iterdir()), ["curves.csv", "model.safetensors"])

    def test_curves_are_a_line_per_network_and_epoch(self):
        with open(self.out / "curves.csv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual(
            [(row["network"], row["epoch"]) for row in rows],
            [(network, str(epoch + 1)) for network in ("with the layer", "without") for epoch in range(EPOCHS)],
        )
        last = {row["network"]: row for row in rows}
        self.assertGreaterEqual(float(last["with the layer"]["test_accuracy"]), 0.9)
        self.assertLess(float(last["with the layer"]["training_loss"]), float(last["without"]["training_loss"]))

    def test_inference_agrees_with_training_and_with_the_folded_form(self):
        infer = run(INFER, "--model", self.model)
        self.assertEqual(infer.returncode, 0, infer.stderr)
        self.assertIn("All 360 predictions agree.", infer.stdout)
        with open(self.out / "curves.csv", newline="", encoding="utf-8") as file:
            reached = [row["test_accuracy"] for row in csv.DictReader(file) if row["network"] == "with the layer"][-1]
        self.assertEqual(infer.stdout.count(f"{100 * float(reached):.1f} %"), 2, infer.stdout)

    def test_same_seed_same_bits(self):
        again = self.out / "again"
        self.addCleanup(lambda: [path.unlink() for path in again.iterdir()] and again.rmdir())
        self.assertEqual(run(TRAIN, "--epochs", EPOCHS, "--require", 90, "--out", again).returncode, 0)
        for name in ("curves.csv", "model.safetensors"):
            self.assertEqual((again / name).read_bytes(), (self.out / name).read_bytes(), name)

    def test_damaged_model_is_refused(self):
        damaged = self.out.parent / "damaged.safetensors"
        damaged.write_bytes(self.model.read_bytes()[:-4])
        infer = run(INFER, "--model", damaged)
        self.assertEqual(infer.returncode, 1)
        self.assertRegex(infer.stderr, r"^digits_infer: .*damaged\.safetensors")


class Failures(unittest.TestCase):
    def test_too_low_an_accuracy_is_a_failure_that_says_so(self):
        with tempfile.TemporaryDirectory() as folder:
            train = run(TRAIN, "--epochs", 1, "--learning-rate", 0, "--out", folder)
        self.assertEqual(train.returncode, 1)
        self.assertRegex(train.stderr, r"^digits_train: test accuracy with the layer: was [\d.]+ %, should be 97 %")

    def test_folder_that_cannot_be_is_named_before_the_training(self):
        with tempfile.NamedTemporaryFile() as file:
            train = run(TRAIN, "--out", file.name)
        self.assertEqual((train.returncode, train.stdout), (1, ""))
        self.assertIn(file.name, train.stderr)

    def test_unknown_variant_is_named_before_the_training(self):
        with tempfile.TemporaryDirectory() as folder:
            train = run(TRAIN, "--variant", "abacus", "--out", folder)
        self.assertEqual((train.returncode, train.stdout), (1, ""))
        self.assertIn("abacus", train.stderr)

    def test_missing_model_is_named(self):
        infer = run(INFER, "--model", "nowhere/model.safetensors")
        self.assertEqual(infer.returncode, 1)
        self.assertIn("nowhere/model.safetensors", infer.stderr)

    def test_missing_data_is_named(self):
        for program in (TRAIN, INFER):
            result = run(program, "--data", "nowhere.csv")
            self.assertEqual(result.returncode, 1)
            self.assertIn("nowhere.csv", result.stderr)


class Symbols(unittest.TestCase):
    def symbols(self, program):
        return subprocess.run([os.environ["NM"], "-C", program], capture_output=True, text=True, check=True).stdout

    def test_inference_carries_nothing_of_training(self):
        self.assertRegex(self.symbols(TRAIN), r"(?i)backward")
        self.assertRegex(self.symbols(TRAIN), r"halnorm_forward_training")
        infer = self.symbols(INFER)
        self.assertRegex(infer, r"halnorm_forward_inference")
        # The library's functions, the kernels of batch statistics, and the demo's own gradients.
        self.assertNotRegex(infer, r"(?i)halnorm_(forward_training|batch_coefficients|merge|shift|sums)|backward")


if __name__ == "__main__":
    unittest.main()
