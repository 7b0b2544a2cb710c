"""OUT: whole or not there, whatever goes wrong."""

import itertools
import os
import resource
import signal
import socket
import stat
import subprocess
import unittest

from program import PROGRAM, ProgramTest, random_tensor, run
from tensors import from_file, to_file


class Output(ProgramTest):
    def setUp(self):
        super().setUp()
        self.tensors = {"x": random_tensor([3, 5, 7, 2], "F32")}
        self.wanted = self.forward(self.tensors)
        self.out_path.unlink()

    def call(self, out, *options, **run_options):
        return run("forward", self.in_path, out, *options, **run_options)

    def test_replaces(self):
        self.out_path.write_bytes(b"old")
        self.assert_same_bits(self.forward(self.tensors), self.wanted)

    def test_in_may_be_out(self):
        for options in [[], ["--in-place"]]:
            self.in_path.write_bytes(to_file(self.tensors))
            self.assertEqual(self.call(self.in_path, *options).returncode, 0)
            self.assert_same_bits(from_file(self.in_path.read_bytes()), self.wanted)
            self.assertEqual(self.listing(), {"in.safetensors"})

    def test_an_old_out_survives_errors(self):
        self.out_path.write_bytes(b"old")
        self.refused({**self.tensors, "z": random_tensor([1])})
        self.refused(self.tensors, "--momentum", "nan")
        self.refused(self.tensors, "--act", "no", status=2)
        self.assertEqual(self.out_path.read_bytes(), b"old")

    def test_permissions(self):
        for mask in [0o022, 0o077]:
            result = self.call(self.out_path, preexec_fn=lambda: os.umask(mask))
            self.assertEqual(result.returncode, 0)
            self.assertEqual(stat.S_IMODE(self.out_path.stat().st_mode), 0o666 & ~mask)
            self.out_path.unlink()
        self.out_path.write_bytes(b"old")
        self.out_path.chmod(0o640)
        self.assertEqual(self.call(self.out_path).returncode, 0)
        self.assertEqual(stat.S_IMODE(self.out_path.stat().st_mode), 0o640)

    def test_a_link_stays_a_link(self):
        (self.folder / "elsewhere").mkdir()
        target = self.folder / "elsewhere" / "target"
        target.write_bytes(b"old")
        self.out_path.symlink_to("elsewhere/target")
        self.assertEqual(self.call(self.out_path).returncode, 0)
        self.assertTrue(self.out_path.is_symlink())
        self.assert_same_bits(from_file(target.read_bytes()), self.wanted)
        self.assertEqual(os.listdir(target.parent), ["target"])

    def test_places_that_cannot_be_written(self):
        # A pipe and a socket stand for /dev/null too, which a mistake here would replace.
        os.mkfifo(self.folder / "pipe")
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(self.folder / "socket"))
        for out in [self.folder, self.folder / "pipe", self.folder / "socket"]:
            arguments = ["forward", self.in_path, out]
            self.refused(None, arguments=arguments, says=["OUT ", str(out), "regular file"])
        for out in [self.folder / "none" / "out", self.in_path / "out", "", "/proc/out", "o" * 300]:
            self.refused(None, arguments=["forward", self.in_path, out], says=["OUT ", "writable"])

    def test_relative_names(self):
        for out in ["out.safetensors", "./out.safetensors", "-out"]:
            result = run("forward", "in.safetensors", "--", out, cwd=self.folder)
            self.assertEqual((result.returncode, result.stderr), (0, b""))
            self.assert_same_bits(from_file((self.folder / out).read_bytes()), self.wanted)
            (self.folder / out).unlink()

    def test_full_disk(self):
        size = 8 + len(to_file(self.wanted))
        for limit in [0, 1, 100, 512, size // 2, size - 100]:

            def limit_files():
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

            if run("--version", preexec_fn=limit_files).returncode != 0:
                continue  # TSan has a file of its own before the program begins
            says = ["OUT ", "File too large"]
            self.refused(None, says=says, preexec_fn=limit_files)

    def test_no_memory(self):
        def limit_memory():
            resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32))

        if run("--version", preexec_fn=limit_memory).returncode != 0:
            self.skipTest("emulators and sanitizers reserve more addresses for themselves")
        with open(self.in_path, "wb") as file:
            size = 2**36
            header = b'{"x":{"dtype":"F32","shape":[16,1073741824],"data_offsets":[0,%d]}}' % size
            file.write(len(header).to_bytes(8, "little") + header)
            file.truncate(8 + len(header) + size)  # a sparse file: no disk is used
        self.refused(None, says=["memory"], preexec_fn=limit_memory)

    def test_killed(self):
        """A process that ends at any moment leaves no OUT or a whole one, and no other file if it can help it."""
        self.forward({"x": random_tensor([8, 16, 32, 32], "F32")})
        whole = self.out_path.read_bytes()
        for how, step in itertools.product([signal.SIGTERM, signal.SIGINT, signal.SIGKILL], range(12)):
            self.out_path.unlink(missing_ok=True)
            child = subprocess.Popen([*PROGRAM, "forward", self.in_path, self.out_path])
            try:
                child.wait(0.0005 * step)
            except subprocess.TimeoutExpired:
                child.send_signal(how)
                self.assertIn(child.wait(), [0, -how])
            if self.out_path.exists():
                self.assertEqual(self.out_path.read_bytes(), whole)
            if how != signal.SIGKILL:
                self.assertLessEqual(self.listing(), {"in.safetensors", "out.safetensors"})


if __name__ == "__main__":
    unittest.main()
