"""The command line: help, version, and every way to get it wrong."""

import os
import re
import unittest

import reference
from program import COMMANDS, ProgramTest, random_tensor, run

OPTIONS = [
    "--num-channels", "--act", "--act-alpha", "--is-test", "--momentum", "--epsilon", "--data-layout",
    "--no-weight", "--no-bias", "--in-place", "--use-global-stats", "--trainable-statistics",
    "--moving-variance", "--variant", "--threads",
]  # fmt: skip
FLAGS = ["--is-test", "--no-weight", "--no-bias", "--in-place", "--use-global-stats", "--trainable-statistics"]


class Help(unittest.TestCase):
    def help(self, *arguments):
        texts = []
        for flag in ["--help", "-h"]:
            result = run(*arguments, flag)
            self.assertEqual((result.returncode, result.stderr), (0, b""))
            texts.append(result.stdout.decode())
        self.assertEqual(texts[0], texts[1])
        text = texts[0]
        for line in text.splitlines():
            self.assertLessEqual(len(line), 100, line)
            self.assertEqual(line, line.rstrip())
        for part in ["Usage: " + " ".join(["halnorm", *arguments]), "Exit status", "Example"]:
            self.assertIn(part, text)
        return text

    def test_program(self):
        text = self.help()
        for word in ["variants", *COMMANDS, "HALNORM_VARIANT", "--version"]:
            self.assertIn(word, text)

    def test_variants(self):
        self.assertIn("--json", self.help("variants"))

    def test_layer(self):
        for command in COMMANDS:
            text = self.help(command)
            names = ["IN", "OUT", "x", "y", "NCHW", "NHWC", "population", "sample", "saved_mean"]
            for name in [*OPTIONS, *reference.ACTIVATIONS, *names]:
                self.assertRegex(text, r"(?<!\w)" + re.escape(name) + r"(?!\w)")
            for default in ["0.9", "1e-05", "0.02", "0.2"]:
                self.assertIn(f"[default: {default}]", text)
            for name in ["dy", "dx", "dweight", "dbias"]:
                self.assertEqual(re.search(rf"\b{name}\b", text) is not None, command == "backward", name)

    def test_help_is_stronger_than_errors_of_values(self):
        for command in COMMANDS:
            self.assertEqual(run(command, "--act", "nonsense", "--help").returncode, 0)

    def test_version(self):
        result = run("--version")
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        self.assertRegex(result.stdout.decode(), r"\Ahalnorm \d+\.\d+\.\d+\n\Z")

    def test_nothing_asked(self):
        result = run()
        self.assertEqual((result.returncode, result.stdout), (2, b""))
        self.assertEqual(result.stderr, run("--help").stdout)


class Commands(ProgramTest):
    def usage(self, arguments, *says):
        self.refused(None, arguments=arguments, status=2, says=says)

    def test_commands(self):
        self.usage(["train"], '"train"', "variants", *COMMANDS)
        self.usage(["--bogus"], "--bogus", "--help", "--version")
        self.usage(["variants", "generic"], '"generic"')
        self.usage(["variants", "--yaml"], "--yaml", "--json")
        self.usage(["variants", "--json=no"], "--json")

    def test_files(self):
        for command in COMMANDS:
            speaker = f"halnorm {command}: "
            self.usage([command], speaker + "IN", "missing")
            self.usage([command, self.in_path], speaker + "OUT", "missing")
            self.usage([command, self.in_path, self.out_path, "third"], speaker, '"third"')
            self.usage([command, self.in_path, self.out_path, "--", "third"], speaker, '"third"')

    def test_names_of_commands_are_names_of_files_too(self):
        for command in COMMANDS:
            self.refused(None, arguments=[command, "variants", self.out_path], says=['IN "variants"'])
            self.refused(None, arguments=[command, *COMMANDS], says=['IN "forward"', "No such file"])


class Forward(ProgramTest):
    def setUp(self):
        super().setUp()
        self.tensors = {"x": random_tensor([2, 3, 4]), "dy": random_tensor([2, 3, 4])}
        if self.command == "forward":
            del self.tensors["dy"]

    def option(self, *arguments, status=2, says=()):
        name = arguments[0].split("=")[0]
        self.refused(self.tensors, *arguments, status=status, says=[name, *says])

    def test_unknown_options(self):
        for name in ["--mommentum", "--no-is-test", "-m", "--ac"]:
            self.option(name, says=OPTIONS)
        self.option("--mommentum=0.9", says=OPTIONS)

    def test_values_missing_or_too_many(self):
        for name in OPTIONS:
            if name in FLAGS:
                self.option(name + "=1")
            else:
                self.option(name)
                self.option(name, "1", name, "1", says=["once"])

    def test_names(self):
        for text in ["Relu", "relu ", "", "relu7", "-"]:
            self.option("--act", text, says=[f'"{text}"', *reference.ACTIVATIONS])
        for text in ["nchw", "NC", "NCL", "NDHWC", "AnyLayout"]:
            self.option("--data-layout", text, says=[f'"{text}"', "NCHW, NHWC"])
        for text in ["unbiased", "Sample", "0"]:
            self.option("--moving-variance", text, says=[f'"{text}"', "population, sample"])

    def test_numbers(self):
        for name in ["--momentum", "--epsilon", "--act-alpha"]:
            for text in ["", "abc", "0.9x", " 0.9", "0.9 ", "0,9", "0x1p-1", "--1", "+-1", "1e", "."]:
                self.option(name, text, says=[f'"{text}"', "a finite number"])
            for text in ["nan", "inf", "-inf", "NaN", "infinity", "1e999", "-1e400"]:
                self.option(name, text, status=1, says=[f'"{text}"', "a finite number"])

    def test_whole_numbers(self):
        for name in ["--num-channels", "--threads"]:
            for text in ["", "three", "3.0", "3e0", " 3", "3 ", "0x3", "3_0"]:
                self.option(name, text, says=[f'"{text}"', "a whole number"])
            for text in ["-1", "99999999999999999999"]:
                self.option(name, text, status=1, says=[f'"{text}"', "a whole number"])

    def test_values_that_make_no_layer(self):
        self.option("--num-channels", "0", status=1, says=["at least 1"])
        self.option("--num-channels", "4", status=1, says=["was 4", "should be 3"])
        self.option("--num-channels", "3", "--data-layout", "NHWC", status=1, says=["was 3", "be 4"])
        self.option("--epsilon", "-1e-9", status=1, says=['"-1e-9"', "at least 0"])
        self.option("--threads", "2147483648", status=1, says=["2147483647"])

    def test_nothing_breaks_the_line(self):
        self.option("--act", "a\nb\tc\x1b[1m", says=[r'"a\nb\x09c\x1b[1m"'])
        self.option("--act", os.fsdecode(b"\xff\xfe"), says=[r'"\xff\xfe"'])
        self.option("--act", "x" * 10000, says=['xxx..."'])
        self.refused(self.tensors, "--\n" + "y" * 10000, status=2, says=[r"--\ny", "yyy...: "])


class Backward(Forward):
    command = "backward"


if __name__ == "__main__":
    unittest.main()
