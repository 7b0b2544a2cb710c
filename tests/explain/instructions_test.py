import unittest

import explain  # noqa: F401
import instructions
from assembly import Instruction

R, W, N = (True, False), (False, True), (False, False)  # mayLoad, mayStore


def kinds(arch, *cases, vector_bytes=16):
    return [instructions.classify(Instruction(text, *spill), *memory, arch, vector_bytes)
            for text, memory, *spill in cases]


class Classify(unittest.TestCase):
    def test_x86(self):
        result = kinds(
            "x86-64",
            ("vmovups (%rdi,%rax,4), %ymm0", R), ("vmovups %ymm0, (%rsi)", W), ("vsubps %ymm0, %ymm1, %ymm2", N),
            ("vaddps (%rdi), %ymm1, %ymm2", R), ("vmovaps %ymm1, %ymm2", N), ("vbroadcastss .LCPI0_1(%rip), %ymm3", R),
            ("vmovaps %ymm3, 32(%rsp)", W, "Spill"), ("vaddps 64(%rsp), %ymm0, %ymm1", R, "Reload"),
            ("vmovups 8(%rsp), %ymm1", R), ("addq $32, %rax", N), ("movslq 8(%rsp), %rax", R), ("jne .LBB0_2", N),
            ("vblendvps %ymm1, %ymm2, %ymm3, %ymm4", N),
            ("vmaskmovps (%rdi), %ymm0, %ymm2", R), vector_bytes=32)
        self.assertEqual([one.kind for one in result], [
            "load", "store", "arithmetic", "arithmetic", "move", "load", "spill", "arithmetic", "spill", "scalar",
            "spill", "branch", "arithmetic", "load"])
        self.assertEqual([one.loads for one in result], [1, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1])
        self.assertEqual([i for i, one in enumerate(result) if one.on_stack], [6, 7, 8, 10])
        self.assertEqual([i for i, one in enumerate(result) if one.constant], [5])

    def test_half_a_vector_of_x86_counts_half_and_an_element_whole(self):
        result = kinds("x86-64", ("vinsertf128 $1, 16(%rdi), %ymm0, %ymm0", R), ("vmovups (%rdi), %xmm0", R),
                       ("vmovss (%rdi), %xmm0", R), vector_bytes=32)
        self.assertEqual([one.loads for one in result], [1, 0.5, 1])

    def test_arm_64(self):
        result = kinds(
            "arm-64",
            ("ldp q0, q1, [x0], #32", R), ("ld1r { v2.4s }, [x3]", R), ("str q0, [x1, x2]", W),
            ("fmla v3.4s, v0.4s, v2.s[0]", N),
            ("mov v1.16b, v0.16b", N), ("ldr q5, [sp, #16]", R, "Reload"), ("add x0, x0, #16", N), ("ldr w3, [x5]", R),
            ("b.ne .LBB0_2", N), ("ld1 { v0.4s-v3.4s }, [x0]", R), ("bsl v0.16b, v1.16b, v2.16b", N))
        self.assertEqual([one.kind for one in result], [
            "load", "load", "store", "arithmetic", "move", "spill", "scalar", "scalar", "branch", "load", "arithmetic"])
        self.assertEqual([one.loads for one in result], [2, 1, 0, 0, 0, 0, 0, 0, 0, 4, 0])

    def test_arm_32(self):
        result = kinds(
            "arm-32",
            ("vld1.32 {d16, d17}, [r0]!", R),
            ("vld1.32 {d0, d1, d2, d3}, [r0]", R),
            ("vst1.32 {d0, d1}, [r1]!", W),
            ("vmla.f32 q0, q1, q2", N),
            ("bne .LBB0_2", N),
            ("bl expf", N))
        self.assertEqual([one.kind for one in result], ["load", "load", "store", "arithmetic", "branch", "branch"])
        self.assertEqual([one.loads for one in result], [1, 2, 0, 0, 0, 0])

    def test_without_memory(self):
        self.assertEqual(
            instructions.without_memory("vaddps -64(%rsp,%rax,4), %ymm0, %ymm1"),
            "vaddps %ymm15, %ymm0, %ymm1")
        self.assertEqual(
            instructions.without_memory("vmulps .LCPI0_2(%rip){1to16}, %zmm0, %zmm1"),
            "vmulps %zmm15, %zmm0, %zmm1")
        self.assertEqual(instructions.without_memory("vmaxps %ymm1, %ymm2, %ymm3"), "vmaxps %ymm1, %ymm2, %ymm3")


if __name__ == "__main__":
    unittest.main()
