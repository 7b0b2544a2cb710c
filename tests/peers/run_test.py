"""A run beside peers that are made up (made_up/): what is measured, what is absent and why, stopping and going on."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).parent
BENCH = HERE.parents[1] / "bench" / "peers"
SELECTION = ("--shapes", "2x3x4x4,16x5", "--pipelines", "inference,training/none", "--rounds", "3")


class Run(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.out = pathlib.Path(folder.name)

    def bench(self, peers, *arguments, status=0):
        done = subprocess.run(
            [sys.executable, "-B", str(BENCH), "--peers", peers, "--peer-folder", str(HERE / "made_up"), "--library",
             os.environ["HALNORM_PEERS_LIBRARY"], "--out", str(self.out), *arguments], capture_output=True, text=True)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def results(self):
        return json.loads((self.out / "results.json").read_text(encoding="utf-8"))

    def test_a_right_peer_is_a_rival_and_others_are_absent_with_a_reason(self):
        text = self.bench("right,wrong,missing,crashing", *SELECTION)
        results = self.results()
        rivals = {row["name"]: [rival["label"] for rival in row["rivals"]] for row in results["rows"]}
        self.assertEqual(rivals, {
            "inference/none/NC/float32/16x5": ["Right"], "inference/none/NCHW/float32/2x3x4x4": ["Right"],
            "inference/none/NHWC/float32/2x3x4x4": ["Right"], "inference/relu/NC/float32/16x5": ["Right"],
            "inference/relu/NCHW/float32/2x3x4x4": ["Right"], "inference/relu/NHWC/float32/2x3x4x4": ["Right"],
            "training/none/NC/float32/16x5": [], "training/none/NCHW/float32/2x3x4x4": [],
            "training/none/NHWC/float32/2x3x4x4": []})
        # Python's loop over elements is behind anything.
        self.assertEqual({row["verdict"] for row in results["rows"] if row["rivals"]}, {"ahead"})
        absent = {(entry["peer"], entry["reason"]): len(entry["cases"]) for entry in results["absent"]}
        self.assertEqual(absent, {
            ("right", "it only knows inference"): 3,
            ("Wrong", "its result is not halnorm's, so it does not count"): 9,
            ("Crashing", "its result is not halnorm's, so it does not count"): 6,
            ("crashing", "its process ended with status -9"): 3})
        self.assertEqual(list(results["unavailable"]), ["missing"])
        self.assertIn("no_such_library_anywhere", results["unavailable"]["missing"])
        for reason in ("no_such_library_anywhere", "it only knows inference", "status -9"):
            self.assertIn(reason, text)
        self.assertIn("Right 1.0", text)

    def test_float64_in_all_layouts(self):
        self.bench("right", *SELECTION, "--dtypes", "float64")
        self.assertEqual(len([row for row in self.results()["rows"] if row["rivals"]]), 6)

    def test_halnorm_is_called_otherwise_too(self):
        self.bench("wrong", "--shapes", "8x16x32x32,16x5", "--pipelines", "inference/none,backward/none", "--layouts",
                   "NHWC", "--rounds", "3")
        otherwise = {row["name"]: row["otherwise"] for row in self.results()["rows"]}
        streaming, prepared = "halnorm, streaming stores", "halnorm, prepared"
        self.assertEqual({"inference/none/NHWC/float32/8x16x32x32": {streaming, prepared},
                          "backward/none/NHWC/float32/8x16x32x32": {streaming},
                          "inference/none/NC/float32/16x5": {prepared}, "backward/none/NC/float32/16x5": set()},
                         {name: set(ways) for name, ways in otherwise.items()})
        for way in (way for ways in otherwise.values() for way in ways.values()):
            self.assertGreater(way["share"], 0)
            self.assertIsNone(way["ratio"])  # a wrong result is no rival's

    def test_stops_at_the_time_limit_and_goes_on(self):
        # The limit is checked once there is something: one case each time.
        text = self.bench("right", *SELECTION, "--time-limit", "0.001")
        self.assertIn("8 measurements are left", text)
        self.assertIn("--resume goes on with it", self.bench("right", *SELECTION, status=1))
        with open(self.out / "records.jsonl", "a", encoding="utf-8") as file:
            file.write('{"peer": "right", "case": "infer')  # as if it was killed
        self.assertIn("9 cases, 8 measurements", self.bench("right", *SELECTION, "--resume"))
        lines = (self.out / "records.jsonl").read_text(encoding="utf-8").splitlines()
        names = [record["case"] for record in map(json.loads, lines) if "case" in record]
        self.assertEqual((len(names), len(set(names))), (9, 9))
        before = (self.out / "report.md").read_text(encoding="utf-8")
        self.bench("right", "--report")
        self.assertEqual((self.out / "report.md").read_text(encoding="utf-8"), before)

    def test_without_any_peer_nothing_is_measured(self):
        self.assertIn("nothing was measured", self.bench("missing", *SELECTION, status=1))


if __name__ == "__main__":
    unittest.main()
