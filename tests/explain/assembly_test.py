import unittest

import explain  # noqa: F401
import assembly

X86 = """\
	.text
	.globl	k
k:                                      # @k
# %bb.0:                                # %entry
	pushq	%rbx
	testl	%eax, %eax
	jle	.LBB0_4
.LBB0_1:                                # %"1_for_y.s0.c.rebased"
                                        # =>This Loop Header: Depth=1
                                        #     Child Loop BB0_2 Depth 2
	movq	%rax, %rcx
	.p2align	4
.LBB0_2:                                # %"2_for_y.s0.s.s.us"
                                        #   Parent Loop BB0_1 Depth=1
                                        # =>  This Inner Loop Header: Depth=2
	vmovups	(%rdi,%rcx,4), %ymm0
	vmovaps	%ymm3, 32(%rsp)                 # 32-byte Spill
	vaddps	64(%rsp), %ymm0, %ymm1          # 32-byte Folded Reload
	testb	$1, %cl
	je	.LBB0_3
# %bb.5:                                #   in Loop: Header=BB0_2 Depth=2
	vmovups	%ymm1, (%rsi,%rcx,4)
.LBB0_3:                                #   in Loop: Header=BB0_2 Depth=2
	incq	%rcx
	jne	.LBB0_2
# %bb.6:                                # %"2_for_y.s0.s.s.end"
                                        #   in Loop: Header=BB0_1 Depth=1
	decl	%edx
	jne	.LBB0_1
.LBB0_4:                                # %destructor_block
	popq	%rbx
	retq
.Lfunc_end0:
	.section	.note.GNU-stack
"""

ARM_64 = """\
k:                                      // @k
// %bb.0:                               // %entry
	cbz	w0, .LBB0_3
// %bb.1:                               // %"7_for_sums.s1.in_rest$x.preheader"
.LBB0_2:                                // =>This Inner Loop Header: Depth=1
	ldp	q0, q1, [x0], #32
	str	q3, [sp, #16]                   // 16-byte Spill
	fadd	v2.4s, v0.4s, v1.4s
	subs	x2, x2, #1
	b.ne	.LBB0_2
.LBB0_3:                                // %destructor_block
	ret
"""

ARM_32 = """\
k:
@ %bb.0:                                @ %entry
.LBB0_1:                                @ %"3_for_y.s0.s.s"
                                        @ =>This Inner Loop Header: Depth=1
	vld1.32	{d0, d1}, [r0]!
	subs	r2, r2, #1
	bne	.LBB0_1
"""


class LoopsOf(unittest.TestCase):
    def test_x86(self):
        outer, inner = assembly.loops_of(X86, "x86-64")
        self.assertEqual((outer.label, outer.depth, outer.innermost, outer.number), ("BB0_1", 1, False, 1))
        self.assertEqual([one.text for one in outer.instructions], ["movq %rax, %rcx", "decl %edx", "jne .LBB0_1"])
        self.assertEqual((inner.label, inner.depth, inner.innermost, inner.number), ("BB0_2", 2, True, 2))
        self.assertEqual(len(inner.blocks), 3)
        self.assertEqual([one.text for one in inner.instructions], [
            "vmovups (%rdi,%rcx,4), %ymm0", "vmovaps %ymm3, 32(%rsp)", "vaddps 64(%rsp), %ymm0, %ymm1", "testb $1, %cl",
            "je .LBB0_3", "vmovups %ymm1, (%rsi,%rcx,4)", "incq %rcx", "jne .LBB0_2"])
        self.assertEqual([one.spill for one in inner.instructions][:4], ["", "Spill", "Reload", ""])

    def test_a_header_without_a_name_takes_that_of_the_block_before(self):
        (loop,) = assembly.loops_of(ARM_64, "arm-64")
        self.assertEqual((loop.innermost, loop.number), (True, 7))
        self.assertEqual([one.text.split()[0] for one in loop.instructions], ["ldp", "str", "fadd", "subs", "b.ne"])
        self.assertEqual(loop.instructions[0].text, "ldp q0, q1, [x0], #32")
        self.assertEqual(loop.instructions[1].spill, "Spill")

    def test_arm_32(self):
        (loop,) = assembly.loops_of(ARM_32, "arm-32")
        self.assertEqual((loop.number, len(loop.instructions)), (3, 3))

    def test_code_without_loops(self):
        self.assertEqual(assembly.loops_of("k:\n# %bb.0:\n\tretq\n", "x86-64"), [])


if __name__ == "__main__":
    unittest.main()
