import unittest

import explain  # noqa: F401
import bound
from hot_loops import Target
from statement import Access


class Listings(unittest.TestCase):
    def test_x86_takes_one_instruction_per_vector_and_one_for_a_rest(self):
        accesses = [Access("x", 16, False), Access("x", 1, False), Access("y", 16, True), Access("y", 1, True)]
        self.assertEqual(bound.listings(accesses, Target("x86-64", (), 4, 32)), [[
            "vmovups 0(%rdi), %ymm0", "vmovups 32(%rdi), %ymm2", "movss 64(%rdi), %xmm4",
            "vmovups %ymm14, 0(%rsi)", "vmovups %ymm8, 32(%rsi)", "movss %xmm10, 64(%rsi)"]])

    def test_arm_has_pairs_too(self):
        single, pairs = bound.listings([Access("x", 4, False)] * 3 +
                                       [Access("y", 4, True)] * 2, Target("arm-64", (), 4, 16))
        self.assertEqual([line.split()[0] for line in single], ["ldr", "ldr", "ldr", "str", "str"])
        self.assertEqual([line.split()[0] for line in pairs], ["ldp", "ldr", "stp"])
        self.assertEqual(pairs[0], "ldp q0, q1, [x0, #0]")

    def test_arm_32(self):
        single, pairs = bound.listings([Access("x", 4, False)] * 2, Target("arm-32", (), 4, 16))
        self.assertEqual(single, ["vld1.32 {d0, d1}, [r0]", "vld1.32 {d4, d5}, [r0]"])
        self.assertEqual(pairs, ["vld1.32 {d0, d1, d2, d3}, [r0]"])

    def test_a_masked_vector_is_an_instruction_like_a_whole_one(self):
        self.assertEqual(len(bound.listings([Access("x", 3, False)], Target("x86-64", (), 4, 32))[0]), 1)


if __name__ == "__main__":
    unittest.main()
