"""Files cut short and files with flipped bytes: an error like any other, or a result, never a crash."""

import json
import random
import unittest

from program import ProgramTest, random_tensor, run
from tensors import from_file, to_file, vector


class Damaged(ProgramTest):
    def setUp(self):
        super().setUp()
        tensors = {
            "x": random_tensor([2, 3, 4, 2], "F32"),
            "weight": vector([1, 2, 3], "F32"),
            "bias": vector([1, 2, 3], "F32"),
            "moving_mean": vector([0, 0, 0], "F32"),
            "moving_variance": vector([1, 1, 1], "F32"),
        }
        self.file = to_file(tensors, metadata={"format": "pt"})
        self.data_begin = 8 + int.from_bytes(self.file[:8], "little")
        self.refusals = 0

    def check(self, content, what):
        """Either exit status 0 and a whole OUT, or 1, one line and no OUT."""
        self.in_path.write_bytes(content)
        result = run("forward", self.in_path, self.out_path)
        with self.subTest(what=what, stderr=result.stderr):
            self.assertIn(result.returncode, [0, 1])
            if result.returncode == 0:
                self.assertEqual(result.stderr, b"")
                from_file(self.out_path.read_bytes())
                self.out_path.unlink()
            else:
                self.refusals += 1
                self.assertRegex(result.stderr.decode(), r"\Ahalnorm forward: [^\n]+\n\Z")
                self.assertEqual(self.listing(), {"in.safetensors"})
        return result.returncode

    def test_cut_short(self):
        for length in sorted({*range(0, len(self.file), 8), *range(17), len(self.file) - 1}):
            self.assertEqual(self.check(self.file[:length], length), 1)

    def test_longer(self):
        for extra in [1, 7, 8, 4096]:
            self.assertEqual(self.check(self.file + bytes(extra), extra), 1)

    def test_flipped_bytes(self):
        generator = random.Random(20240131)
        for case in range(500):
            content = bytearray(self.file)
            end = len(content) if case % 5 == 0 else self.data_begin  # mostly where it hurts
            flips = [(generator.randrange(end), generator.randrange(1, 256)) for _ in range(1 + case % 3)]
            for at, bits in flips:
                content[at] ^= bits
            self.check(bytes(content), flips)
        self.assertGreater(self.refusals, 250)

    def test_flipped_single_bits_of_the_header_length(self):
        for bit in range(64):
            content = bytearray(self.file)
            content[bit // 8] ^= 1 << bit % 8
            self.assertEqual(self.check(bytes(content), bit), 1)

    def test_shuffled_numbers(self):
        """Headers that are well-formed, with numbers from the edges of every type."""
        generator = random.Random(7)
        edges = [0, 1, 2, 3, 7, 2**31 - 1, 2**31, 2**32, 2**53 + 1, 2**62, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -1]
        header = json.loads(self.file[8 : self.data_begin])
        for _ in range(200):
            changed = json.loads(json.dumps(header))
            for _ in range(generator.randrange(1, 4)):
                entry = changed[generator.choice([name for name in changed if name != "__metadata__"])]
                numbers = entry[generator.choice(["shape", "data_offsets"])]
                numbers[generator.randrange(len(numbers))] = generator.choice(edges)
            text = json.dumps(changed).encode()
            self.check(len(text).to_bytes(8, "little") + text + self.file[self.data_begin :], changed)


if __name__ == "__main__":
    unittest.main()
