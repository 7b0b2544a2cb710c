"""The command line: what is refused and in which words, and what is selected."""

import contextlib
import io
import pathlib
import tempfile
import unittest

import arguments
import cases
import install

HERE = pathlib.Path(__file__).parent


class Refused(unittest.TestCase):
    def refused(self, *argv):
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors), self.assertRaises(SystemExit) as caught:
            arguments.parse(["--peers", *argv])
        self.assertEqual(caught.exception.code, 2)
        return errors.getvalue()

    def test_each_names_the_argument_what_it_was_and_what_it_should_have_been(self):
        for argv, message in (
                (["nobody"], "--peers: 'nobody' should be one of onednn, torch, paddle, onnxruntime, tensorflow"),
                (["--shapes", "8x64x56"], "--shapes: '8x64x56' should be NxCxHxW or NxC"),
                (["--shapes", "8x64,0x10"], "--shapes: '0x10' should be"),
                (["--shapes", ""], "--shapes: '' should be"),
                (["--pipelines", "forward"], "--pipelines: 'forward' should be one of inference, training, backward"),
                (["--pipelines", "training/gelu"], "--pipelines: 'training/gelu' should be"),
                (["--layouts", "NCWH"], "--layouts: 'NCWH' should be one of NCHW, NHWC"),
                (["--dtypes", "bfloat16"], "--dtypes: 'bfloat16' should be one of float32, float64"),
                (["--threads", "0"], "--threads: 0 should be 1 to"),
                (["--threads", "9999"], "--threads: 9999 should be 1 to"),
                (["--rounds", "0"], "--rounds: 0 should be 1 or more"),
                (["--time-limit", "-1"], "--time-limit: -1 should be more than 0"),
                (["--resume"], "--resume: needs --out DIR"),
                (["--report"], "--report: needs --out DIR"),
                (["--report", "--out", "/nowhere"], "--report: /nowhere should be the folder of a run"),
                (["--onednn-library", "/nowhere"], "--onednn-library: /nowhere should be a file"),
                (["--peer-folder", "/nowhere"], "--peer-folder: /nowhere should hold files peer_NAME.py"),
                (["--accuracy=large"], "--accuracy: 'large' should be one of normal, 1e2, 1e4, 1e6, outlier, constant"),
                (["--accuracy", "--shapes", "64x10"], "--shapes: should not be with --accuracy"),
                (["--accuracy", "--quick"], "--quick: should not be with --accuracy"),
                (["--accuracy", "--pipelines", "training/relu"], "--pipelines: --accuracy is of those without"),
                (["--nonsense"], "--nonsense")):
            with self.subTest(argv):
                self.assertIn(message, self.refused(*argv))


class Selected(unittest.TestCase):
    def selected(self, *argv):
        return arguments.parse(["--peers", *argv])

    def test_everything(self):
        chosen = self.selected()
        self.assertEqual(chosen.peers, ("onednn", "torch", "paddle", "onnxruntime", "tensorflow"))
        # 31 shapes of rank 4 in two layouts and two of rank 2, in six jobs
        self.assertEqual(len(chosen.cases), 6 * (2 * 31 + 2))
        self.assertEqual(len(set(chosen.cases)), len(chosen.cases))
        for shape in ((32, 64, 112, 112), (1, 2048, 7, 7), (8, 1280, 7, 7), (4096, 256), (64, 10), (1, 16, 32, 32)):
            self.assertIn(shape, {case.shape for case in chosen.cases})

    def test_a_subset(self):
        chosen = self.selected("torch,ONEDNN", "--shapes", "64x10,2x3x4x5,64x10", "--layouts", "nhwc",
                               "--pipelines", "training/relu,backward", "--dtypes", "float64")
        self.assertEqual(chosen.peers, ("torch", "onednn"))
        self.assertEqual({case.name for case in chosen.cases}, {
            "training/relu/NHWC/float64/2x3x4x5", "training/relu/NC/float64/64x10",
            "backward/none/NHWC/float64/2x3x4x5", "backward/none/NC/float64/64x10",
            "backward/relu/NHWC/float64/2x3x4x5", "backward/relu/NC/float64/64x10"})

    def test_quick_has_every_size(self):
        chosen = self.selected("--quick")
        self.assertEqual({case.size for case in chosen.cases}, set(cases.SIZES))
        self.assertLess(len(chosen.cases), len(self.selected().cases) / 2)

    def test_data_sets(self):
        chosen = self.selected("--accuracy=wide,normal", "--pipelines", "training", "--layouts", "NHWC")
        self.assertEqual([case.name for case in chosen.cases], [
            "training/none/NHWC/float32/8x16x112x112/wide", "training/none/NHWC/float32/8x32x28x28/normal"])
        everything = self.selected("--accuracy", "--dtypes", "float32,float64").cases
        self.assertEqual(len(set(everything)), 9 * 3 * 2 * 2)

    def test_names_are_read_back(self):
        for case in (self.selected("--dtypes", "float32,float64").cases + self.selected("--accuracy").cases):
            self.assertEqual(cases.from_name(case.name), case)

    def test_memory_order(self):
        case = cases.Case("training", "none", "NHWC", "float32", (2, 3, 4, 5))
        self.assertEqual((case.memory_shape, case.bytes, case.channels), ((2, 4, 5, 3), 480, 3))

    def test_further_peers(self):
        self.assertEqual(self.selected("right", "--peer-folder", str(HERE / "made_up")).peers, ("right",))


class Requirements(unittest.TestCase):
    def test_each_peer_has_a_section_in_which_every_package_has_a_hash(self):
        text = (HERE.parents[1] / "cmake" / "requirements-peers.txt").read_text(encoding="utf-8")
        sections = install.sections(text)
        self.assertEqual(set(sections), {"onednn", "torch", "paddle", "onnxruntime", "tensorflow"})
        for peer, (lines, _) in sections.items():
            packages = [line for line in lines.splitlines() if "==" in line]
            self.assertTrue(packages, peer)
            for line in packages:
                self.assertRegex(line, r"^[\w-]+==[\w.]+( ; .*)? \\$")

    def test_a_peer_without_a_section_needs_nothing(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "requirements.txt")
            file.write_text("# peer: other\n\nother==1\n", encoding="utf-8")
            self.assertIsNone(install.install("mine", file, pathlib.Path(folder, "log")))


if __name__ == "__main__":
    unittest.main()
