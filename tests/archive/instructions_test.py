"""A name in the list of variants is a promise in both directions: the instructions are there, and none that a machine
which dispatch lets through might lack. The runtime itself runs everywhere."""

import collections
import re
import subprocess
import unittest

import archive
import instructions

# What an inner loop over activations holds on a machine with the feature, by dtype.
VECTORS = {
    "avx": {"f32": r"v(mul|add|sub|fn?m(add|sub)\d+)ps .*%[yz]mm", "f64": r"v(mul|add|sub|fn?m(add|sub)\d+)pd .*%[yz]mm"},
    "fma": {"f32": r"vfn?m(add|sub)\d+p[sd] .*%[yz]mm", "f64": r"vfn?m(add|sub)\d+pd .*%[yz]mm"},
    "avx512": {"f32": r"v(mul|add|sub|fn?m(add|sub)\d+)p[sd] .*%zmm", "f64": r"v(mul|add|sub|fn?m(add|sub)\d+)pd .*%zmm"},
    # ARMv7's NEON has no vectors of double.
    "neon": {"arm-64": {"f32": r"fml[as] v\d+\.(4s|2d)", "f64": r"fml[as] v\d+\.2d"},
             "arm-32": {"f32": r"v(mul|mla|add|sub)\.f32 q\d+"}},
}
# Somewhere in the variant: tails by masks are what AVX-512 is for.
MASKS = {"avx512": r"v\w+ .*\{%k[1-7]\}"}


def extensions(member):
    """extension -> one instruction of it in the member."""
    classify = instructions.CLASSIFY[archive.arch()]
    return {classify(text): text for text in archive.instructions()[member]}


def normal(mnemonics):
    """Without the order of operands and their signs: vfmadd132ps and vfnmsub213ps round alike."""
    return {re.sub(r"fn?m(add|sub)(132|213|231)", "fma", mnemonic) for mnemonic in mnemonics}


def holds(member, pattern):
    return any(re.match(pattern, text) for text in archive.instructions()[member])


class Instructions(unittest.TestCase):
    def test_the_archive_was_read(self):
        for member in archive.members():
            if not member.endswith("_table.cpp.o"):
                self.assertTrue(archive.instructions()[member], member)

    def test_the_classes_know_their_instructions(self):
        for arch, text, extension in (
                ("x86-64", "mulpd %xmm0,%xmm1", "baseline"), ("x86-64", "rep tzcnt %eax,%eax", "baseline"),
                ("x86-64", "movddup %xmm0,%xmm1", "sse3"), ("x86-64", "pshufb %xmm0,%xmm1", "ssse3"),
                ("x86-64", "roundps $0x1,%xmm0,%xmm0", "sse41"), ("x86-64", "pcmpgtq %xmm0,%xmm1", "sse42"),
                ("x86-64", "shlx %eax,%ebx,%ecx", "bmi"), ("x86-64", "vmulps %xmm0,%xmm1,%xmm2", "avx"),
                ("x86-64", "vbroadcastss (%rax),%ymm2", "avx"), ("x86-64", "vbroadcastss %xmm0,%ymm2", "avx2"),
                ("x86-64", "vpaddd %xmm0,%xmm1,%xmm2", "avx"), ("x86-64", "vpaddd %ymm0,%ymm1,%ymm2", "avx2"),
                ("x86-64", "vextracti128 $0x1,%ymm0,%xmm0", "avx2"), ("x86-64", "vcvtps2ph $0x0,%ymm0,%xmm0", "f16c"),
                ("x86-64", "vfnmadd231ps %ymm0,%ymm1,%ymm2", "fma"), ("x86-64", "vfmadd231ps %zmm0,%zmm1,%zmm2", "avx512"),
                ("x86-64", "vmovaps %xmm16,%xmm0", "avx512"), ("x86-64", "kmovd %eax,%k1", "avx512"),
                ("x86-64", "vmovups (%rax),%ymm1{%k1}{z}", "avx512"), ("x86-64", "vpdpbusd %zmm0,%zmm1,%zmm2", "other"),
                ("arm-64", "fmla v0.4s, v1.4s, v2.4s", "baseline"), ("arm-64", "ld1w {z0.s}, p0/z, [x0]", "sve"),
                ("arm-64", "ldaddal w0, w1, [x2]", "lse"), ("arm-64", "fadd v0.8h, v1.8h, v2.8h", "fp16"),
                ("arm-64", "sdot v0.4s, v1.16b, v2.16b", "other"),
                ("arm-32", "vmul.f64 d7, d14, d15", "baseline"), ("arm-32", "vmul.f32 s0, s1, s31", "baseline"),
                ("arm-32", "vmul.f64 d0, d1, d16", "vfpd32"), ("arm-32", "vcvt.f64.f32 d20, s0", "vfpd32"),
                ("arm-32", "vmov.32 r0, d31[0]", "vfpd32"), ("arm-32", "vldmia r0!, {d8-d23}", "vfpd32"),
                ("arm-32", "b.n d16", "baseline"), ("arm-32", "vpush {d8-d15}", "baseline"),
                ("arm-32", "vmul.f32 d16, d17, d18", "neon"), ("arm-32", "vmul.f32 q8, q9, q10", "neon"),
                ("arm-32", "vld1.32 {d16-d17}, [r0]", "neon"), ("arm-32", "vadd.i32 d16, d17, d18", "neon"),
                ("arm-32", "vmov.i32 d16, #0", "neon"), ("arm-32", "vfma.f32 q8, q9, q10", "vfpv4"),
                ("arm-32", "sdiv r0, r1, r2", "idiv")):
            self.assertEqual(instructions.CLASSIFY[arch](text), extension, text)

    def test_the_runtime_runs_everywhere(self):
        for member in archive.runtime_members():
            found = extensions(member)
            if member == "cpu_features.cpp.o":
                self.assertRegex(found.pop("other", "xgetbv"), "^xgetbv")  # after asking whether it is there
            self.assertEqual({name: text for name, text in found.items() if name != "baseline"}, {}, member)

    def test_a_kernel_holds_nothing_that_its_variant_does_not_ask_for(self):
        for kernel in archive.kernels():
            good = instructions.allowed(archive.variants()[kernel.variant].features)
            bad = {name: text for name, text in extensions(kernel.member).items() if name not in good}
            self.assertEqual(bad, {}, kernel.member)

    def refused(self, features, texts):
        """Instructions of these that the assembler does not know of a machine with these features."""
        texts = sorted(texts)
        file = archive.scratch() / "disassembled.s"
        file.write_text(instructions.source(archive.arch(), features, texts))
        first = len(file.read_text().splitlines()) - len(texts)
        done = subprocess.run([archive.PREFIX + "as", "-o", "/dev/null", file], stderr=subprocess.PIPE, text=True)
        return {texts[int(line) - first - 1]: message
                for line, message in re.findall(r"\.s:(\d+): Error: (.*)", done.stderr)
                if re.search(instructions.REFUSAL, message)}

    def test_the_assembler_refuses_what_is_beyond_a_machine(self):
        samples = {
            "x86-64": {"": ["haddps %xmm0,%xmm1", "roundps $0x1,%xmm0,%xmm0", "vmulps %xmm0,%xmm1,%xmm2", "popcnt %eax,%ebx"],
                       "sse41 avx": ["vpaddd %ymm0,%ymm1,%ymm2", "vfmadd231ps %ymm0,%ymm1,%ymm2", "shlx %eax,%ebx,%ecx",
                                     "vbroadcastss %xmm0,%ymm2", "vcvtps2ph $0x0,%ymm0,%xmm0"],
                       "sse41 avx f16c fma avx2": ["vmovaps %xmm16,%xmm0", "vmulps %zmm0,%zmm1,%zmm2"],
                       "sse41 avx f16c fma avx2 avx512 avx512_skylake": ["vpdpbusd %zmm0,%zmm1,%zmm2"]},
            "arm-64": {"neon": ["ldaddal w0, w1, [x2]", "fadd v0.8h, v1.8h, v2.8h", "sdot v0.4s, v1.16b, v2.16b",
                                "ld1w {z0.s}, p0/z, [x0]"]},
            "arm-32": {"": ["vmul.f64 d0, d1, d16", "vmul.f32 q8, q9, q10", "sdiv r0, r1, r2"],
                       "neon": ["vfma.f32 q8, q9, q10", "sdiv r0, r1, r2", "vmaxnm.f32 s0, s1, s2"]},
        }
        for features, texts in samples[archive.arch()].items():
            self.assertEqual(set(self.refused(features.split(), texts)), set(texts), features)

    def test_the_assembler_agrees(self):
        """All instructions again, by the tables of binutils: nothing depends on the lists of this folder alone."""
        texts = collections.defaultdict(set)
        for member in archive.runtime_members():
            special = {"xgetbv"} if member == "cpu_features.cpp.o" else set()
            texts[frozenset()] |= archive.instructions()[member] - special
        for kernel in archive.kernels():
            texts[archive.variants()[kernel.variant].features] |= archive.instructions()[kernel.member]
        if archive.STATE_LIBRARY.exists():
            for member in archive.members(archive.STATE_LIBRARY):
                texts[frozenset()] |= archive.instructions(archive.STATE_LIBRARY)[member]
        for features, found in texts.items():
            self.assertEqual(self.refused(features, found), {}, features)

    def test_streaming_kernels_store_past_the_cache_and_end_with_a_fence_and_no_others_do(self):
        streaming = [kernel for kernel in archive.kernels() if kernel.stage.endswith("_streaming")]
        for kernel in archive.kernels():
            stores = [text for text in archive.instructions()[kernel.member] if re.match(r"v?movnt", text)]
            fences = [text for text in archive.instructions()[kernel.member] if text.endswith("fence")]
            if kernel not in streaming:
                self.assertEqual(stores + fences, [], kernel.member)
                continue
            self.assertEqual(fences, ["sfence"], kernel.member)
            # Vectors that are aligned as a whole, as those of NCHW are and in NHWC may be, if they have 64 bytes; all others 16
            # bytes at a time.
            widest = "zmm" if "avx512" in archive.variants()[kernel.variant].features else "ymm"
            registers = {widest} if "_nchw_" in kernel.member else {"xmm"} | {widest} - {"ymm"}
            stored = [re.match(r"vmovntp[sd] %([xyz]mm)\d+,", text) for text in stores]
            self.assertNotIn(None, stored, kernel.member)
            self.assertEqual({match[1] for match in stored}, registers, kernel.member)

    def test_prefetches_are_into_all_caches_and_only_where_a_variant_may(self):
        """What is prefetched for one use, the next stage would not find."""
        prefetching = set()
        for kernel in archive.kernels():
            hints = {text.split()[0] for text in archive.instructions()[kernel.member] if text.startswith("prefetch")}
            if hints:
                self.assertEqual(hints, {"prefetcht0"}, kernel.member)
                prefetching.add(kernel.stage)
        streaming = {kernel.stage for kernel in archive.kernels() if kernel.stage.endswith("_streaming")}
        ordinary = {stage.replace("_streaming", "") for stage in streaming}
        self.assertEqual(prefetching, streaming | ordinary | {"sums", "gradient_sums"} if streaming else set())

    def test_streaming_kernels_calculate_as_the_ordinary_ones(self):
        """Which operations are fused decides about bits: each streaming kernel has no arithmetic that its counterpart lacks."""
        arithmetic = r"v(add|sub|mul|div|max|min|fn?m(add|sub)\d+|round|rndscale|sqrt)p[sd]"
        used = {kernel.member: {text.split()[0] for text in archive.instructions()[kernel.member]
                                if re.match(arithmetic, text)} for kernel in archive.kernels()}
        for kernel in archive.kernels():
            if kernel.stage.endswith("_streaming"):
                ordinary = used[kernel.member.replace("_streaming", "")]
                self.assertEqual(normal(used[kernel.member]) - normal(ordinary), set(), kernel.member)

    def test_a_kernel_over_activations_holds_what_its_variant_asks_for(self):
        checked = 0
        for kernel in archive.kernels():
            variant = archive.variants()[kernel.variant]
            if kernel.stage not in archive.WIDE_STAGES or variant.device != "cpu":
                continue
            for feature in variant.features:
                patterns = VECTORS.get(feature, {})
                patterns = patterns.get(archive.arch(), patterns)
                if kernel.dtype in patterns:
                    self.assertTrue(holds(kernel.member, patterns[kernel.dtype]),
                                    f"{kernel.member}: nothing like {patterns[kernel.dtype]}")
                    checked += 1
        self.assertGreater(checked, 0)

    def test_tails_are_masked_where_masks_are_asked_for(self):
        for variant in archive.variants().values():
            for feature in variant.features & MASKS.keys():
                for stage in archive.WIDE_STAGES:
                    self.assertTrue(any(holds(kernel.member, MASKS[feature]) for kernel in archive.kernels()
                                        if kernel.variant == variant.name and kernel.stage == stage),
                                    f"{stage} of {variant.name}: nothing like {MASKS[feature]}")


if __name__ == "__main__":
    unittest.main()
