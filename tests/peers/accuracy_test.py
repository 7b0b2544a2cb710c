"""./run bench --peers --accuracy beside peers whose errors are known."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import analysis
import tables

HERE = pathlib.Path(__file__).parent
BENCH = HERE.parents[1] / "bench" / "peers"
RESULTS = {"y", "mean", "v", "dx", "dgamma", "dbeta"}


class Run(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if subprocess.run([sys.executable, "-c", "import numpy"], stderr=subprocess.DEVNULL).returncode:
            print("skipped: no numpy (Debian's python3-numpy) for the reference", flush=True)
            os._exit(77)

    def errors(self, peers, *arguments, wrong=""):
        """The rows of results.json and the report."""
        with tempfile.TemporaryDirectory() as out:
            done = subprocess.run(
                [sys.executable, "-B", str(BENCH), "--peers", peers, "--peer-folder", str(HERE / "made_up"),
                 "--library", os.environ["HALNORM_PEERS_LIBRARY"], "--out", out, *arguments],
                env=dict(os.environ, HALNORM_ERRORS=wrong), capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            text = pathlib.Path(out, "results.json").read_text(encoding="utf-8")
            return json.loads(text)["errors"], done.stdout

    def test_one_rounding_is_within_a_unit(self):
        rows, _ = self.errors("exact", "--accuracy=normal,1e4", "--dtypes", "float32,float64")
        self.assertEqual({row["what"] for row in rows}, RESULTS)
        self.assertEqual(len(rows), 2 * 2 * 2 * 7)
        for row in rows:
            # What the peer itself has lost: longdouble has 11 bits more than float64.
            self.assertLessEqual(row["by_label"]["Exact"], 1.25 if row["dtype"] == "float64" else 1.001, row)

    def test_errors_are_measured_in_their_units(self):
        wrong = {"y": 20, "mean": -1000, "v": 300, "dx": -50, "dgamma": 7, "dbeta": -4000}
        rows, _ = self.errors("exact", "--accuracy=normal", wrong=",".join(f"{k}={v}" for k, v in wrong.items()))
        self.assertEqual({row["what"] for row in rows}, RESULTS)
        for row in rows:
            self.assertAlmostEqual(row["by_label"]["Exact"], abs(wrong[row["what"]]), delta=1.001, msg=str(row))

    def test_halnorm_is_measured_beside_it(self):
        rows, text = self.errors("exact", "--accuracy=1e6,constant")
        # docs/numerics.md: a few u; v by the addends of an accumulator, 16 of d * d; dx where its terms are next to
        # nothing by sum(g) / m, and not bounded in its own unit.
        bounds = {"y": 4, "mean": 4, "v": 32, "dgamma": 4, "dbeta": 4, "dx": float("inf")}
        for row in rows:
            self.assertLess(row["by_label"]["halnorm"], bounds[row["what"]], row)
            if row["data"] == "constant" and row["what"] == "y":
                self.assertEqual(row["by_label"]["halnorm"], 0, "y is not beta")
        self.assertIn("1e6 + N(0, 1)", text)

    def test_a_nan_is_no_number(self):
        rows, text = self.errors("exact", "--accuracy=normal", "--pipelines", "inference", wrong="y=nan")
        self.assertEqual({row["by_label"]["Exact"] for row in rows}, {None})
        self.assertIn("NaN", text)

    def test_what_is_left_as_it_was_counts_as_nan_and_absent_results_are_no_errors(self):
        rows, text = self.errors("wrong,right", "--accuracy=tiny")
        by_pipeline = {}
        for row in rows:
            by_pipeline.setdefault((row["pipeline"], row["what"]), set()).update(
                (label, error) for label, error in row["by_label"].items() if label != "halnorm")
        self.assertEqual(by_pipeline[("training", "y")], {("Wrong", None)})
        self.assertEqual(by_pipeline[("training", "mean")], set())
        self.assertEqual(by_pipeline[("backward", "dgamma")], set())
        self.assertEqual({label for label, _ in by_pipeline[("inference", "y")]}, {"Wrong", "Right"})
        self.assertIn("it only knows inference", text)


class Rows(unittest.TestCase):
    def rows(self, *errors):
        return analysis.errors([
            {"peer": "a", "case": f"training/none/{layout}/float32/8x32x28x28/1e2", "errors": found}
            for layout, found in errors])

    def test_better_is_clearly_smaller(self):
        for ours, theirs, better in ((1, 0.5, True), (1, 0.95, False), (1, 2, False), (None, 9, True), (9, None, False),
                                     (None, None, False), (0.009, 0, False), (0.02, 0, True)):
            row, = self.rows(("NCHW", {"halnorm": {"y": ours}, "A": {"y": theirs}}))
            self.assertEqual(row.better, ["A"] if better else [], (ours, theirs))

    def test_the_largest_of_all_processes_counts(self):
        row, = self.rows(("NCHW", {"halnorm": {"y": 1}}), ("NCHW", {"halnorm": {"y": 3}, "A": {"y": 2}}),
                         ("NCHW", {"halnorm": {"y": 2}}))
        self.assertEqual(row.by_label, {"halnorm": 3, "A": 2})

    def test_a_cell_has_all_layouts(self):
        text = tables.errors(self.rows(("NCHW", {"halnorm": {"y": 2}, "A": {"y": 1}, "B": {"y": 123456}}),
                                       ("NHWC", {"halnorm": {"y": 0.004}, "A": {"y": None}})))
        cells = [cell.strip() for cell in text.splitlines()[-1].strip("|").split("|")]
        self.assertEqual(cells, ["1e2 + N(0, 1)", "2* / < 0.01", "1 / NaN", "1e5 / -"])


if __name__ == "__main__":
    unittest.main()
