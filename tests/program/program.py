"""Runs the program of the environment variable HALNORM_PROGRAM and checks what every call must hold."""

import os
import pathlib
import random
import shlex
import subprocess
import tempfile
import unittest

from tensors import EPSILON, Tensor, from_file, to_file

PROGRAM = shlex.split(os.environ.get("HALNORM_PROGRAM", "halnorm"))
OUTPUTS = ["y", "moving_mean", "moving_variance"]
SAVED = ["saved_mean", "saved_inv_std"]
COMMANDS = ["forward", "backward"]  # that run the layer


def run(*arguments, environment=None, **options):
    # What the caller of the tests has set must not choose the kernels.
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("HALNORM_")}
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        env={**inherited, **(environment or {})},
        **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
        timeout=120,
    )


def random_tensor(shape, dtype="F64", seed=1, center=0.5, deviation=2.0):
    generator = random.Random(seed)
    count = 1
    for extent in shape:
        count *= extent
    return Tensor(shape, (generator.gauss(center, deviation) for _ in range(count)), dtype)


class ProgramTest(unittest.TestCase):
    command = "forward"  # of calls that must fail

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="halnorm-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.in_path = self.folder / "in.safetensors"
        self.out_path = self.folder / "out.safetensors"

    def forward(self, tensors, *options, **run_options):
        """The tensors of OUT after a call that must succeed; `tensors` as a dictionary or as a file's bytes."""
        out = self.succeeded("forward", tensors, *options, **run_options)
        self.assertIn(list(out), [OUTPUTS, OUTPUTS + SAVED])
        return out

    def backward(self, tensors, *options, **run_options):
        out = self.succeeded("backward", tensors, *options, **run_options)
        gradients = ["dx"]
        gradients += ["dweight"] * ("--no-weight" not in options) + ["dbias"] * ("--no-bias" not in options)
        self.assertIn(list(out), [gradients + OUTPUTS, gradients + OUTPUTS + SAVED])
        return out

    def succeeded(self, command, tensors, *options, **run_options):
        content = tensors if isinstance(tensors, bytes) else to_file(tensors)
        self.in_path.write_bytes(content)
        result = run(command, self.in_path, self.out_path, *options, **run_options)
        self.assertEqual((result.returncode, result.stderr, result.stdout), (0, b"", b""))
        self.assertEqual(self.in_path.read_bytes(), content)
        self.assertEqual(self.listing(), {"in.safetensors", "out.safetensors"})
        return from_file(self.out_path.read_bytes())

    def refused(self, tensors, *options, status=1, says=(), arguments=None, **run_options):
        """The one line of a call that must fail and leave no OUT."""
        if tensors is not None:
            content = tensors if isinstance(tensors, bytes) else to_file(tensors)
            self.in_path.write_bytes(content)
        before = self.listing()
        if arguments is None:
            arguments = [self.command, self.in_path, self.out_path, *options]
        result = run(*arguments, **run_options)
        message = result.stderr.decode("utf-8")
        with self.subTest(message=message):
            self.assertEqual(result.returncode, status)
            self.assertEqual(result.stdout, b"")
            self.assertEqual(self.listing(), before)
            self.assertRegex(message, r"\A[^\n]+\n\Z")
            self.assertRegex(message, r"\Ahalnorm( forward| backward| variants)?: .+(: | )was .+should .+\n")
            self.assertLess(len(message), 800)
            for text in says:
                self.assertTrue(text in message, f"{text!r} is not in the message")
        return message

    def listing(self):
        return {path.name for path in self.folder.iterdir()}

    def assert_close(self, name, tensor, expected, scale=16.0, magnitude=1.0):
        """|error| <= scale * unit roundoff * (magnitude + |expected|), and NaN where NaN is expected.

        magnitude: one number, or one for each value.
        """
        tolerance = scale * EPSILON[tensor.dtype]
        self.assertEqual(len(tensor.values), len(expected))
        magnitudes = [magnitude] * len(expected) if isinstance(magnitude, float) else magnitude
        self.assertEqual(len(magnitudes), len(expected))
        for index, (value, wanted) in enumerate(zip(tensor.values, expected)):
            if wanted != wanted:
                self.assertNotEqual(value, value, f"{name}[{index}]")
            elif not abs(value - wanted) <= tolerance * (magnitudes[index] + abs(wanted)):
                self.fail(f"{name}[{index}] was {value!r}, should be {wanted!r}")

    def assert_same_bits(self, one, other):
        self.assertEqual(list(one), list(other))
        for name in one:
            self.assertEqual(one[name].tobytes(), other[name].tobytes(), name)
