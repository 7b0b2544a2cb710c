"""What generators/memory_hints makes of a kernel, and what it refuses: a schedule that breaks the marking is noticed.

Environment: HALNORM_GENERATORS (the folder with the generator programs), HALNORM_SCRATCH (a folder for what the tests make).
"""

import os
import pathlib
import re
import subprocess
import unittest

GENERATORS = pathlib.Path(os.environ["HALNORM_GENERATORS"])
SCRATCH = pathlib.Path(os.environ["HALNORM_SCRATCH"])
AVX2 = "sse41-avx-f16c-fma-avx2-"
AVX512 = f"{AVX2}avx512-avx512_skylake-"


def bitcode(schedule, *parameters, stage="normalize_f32", features=AVX2):
    SCRATCH.mkdir(parents=True, exist_ok=True)
    subprocess.run([GENERATORS / schedule, "-g", stage, "-f", schedule, "-o", SCRATCH, "-e", "bitcode",
                    f"target=x86-64-linux-{features}no_asserts-no_bounds_query-no_runtime", *parameters], check=True)
    return SCRATCH / f"{schedule}.bc"


def hint(kernel, *buffer):
    output = kernel.with_suffix(".o")
    output.unlink(missing_ok=True)
    done = subprocess.run([GENERATORS / "memory_hints", kernel, output, *buffer], capture_output=True, text=True)
    return done, output


def disassembly(kernel):
    return subprocess.run(["objdump", "--disassemble", "--no-show-raw-insn", kernel], check=True, capture_output=True,
                          text=True).stdout


class MemoryHints(unittest.TestCase):
    def test_a_kernel_without_tails_becomes_an_object(self):
        for layout in ("nchw", "nhwc"):
            done, output = hint(bitcode("x86_avx", f"layout={layout}", "streaming=true"), "y")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(output.read_bytes()[:4], b"\x7fELF")
            self.check_fences(output)

    def check_fences(self, kernel):
        """Non-temporal stores are ordered with nothing else: without a fence at the end, a thread that learns that the task
        is done could read what was there before."""
        functions = [re.findall(r"^ +[0-9a-f]+:\t(vmovnt|sfence|ret)", function, re.M) for function in
                     disassembly(kernel).split("\n\n")]
        streaming = [function for function in functions if "vmovnt" in function]
        self.assertTrue(streaming)
        for function in streaming:
            # Blocks that jump back may stand behind the return.
            self.assertRegex(" ".join(function), "^((vmovnt )*sfence ret ?)+(vmovnt ?)*$")

    def test_prefetches_are_into_all_caches(self):
        for stage, layout in (("sums_f32", "nchw"), ("gradient_sums_f64", "nchw"), ("sums_f64", "nhwc"), ("gradient_sums_f32", "nhwc")):
            done, output = hint(bitcode("x86_avx", "prefetch=true", f"layout={layout}", stage=stage))
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(set(re.findall(r"\tprefetch(\w+)", disassembly(output))), {"t0"})

    def test_what_is_prefetched_is_loaded_in_halves_where_that_is_asked_for(self):
        """Lines of x, into registers that are put together; those of the shift or of accumulators stay whole."""
        for stage in ("sums_f32", "sums_f64"):
            kernel = bitcode("x86_avx512", "prefetch=true", "layout=nhwc", stage=stage, features=AVX512)
            counts = []
            for more in ([], ["--halves"]):
                done, output = hint(kernel, *more)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                counts.append(len(re.findall(r"\tvinsertf(?:64x4|32x8) .*%zmm", disassembly(output))))
                self.assertRegex(disassembly(output), r"\tv(?:sub|add)p[sd] +[^%]*\(.*\),%zmm")
            self.assertEqual(counts[0], 0)
            self.assertGreaterEqual(counts[1], 2, stage)

    def refused(self, done, output, message):
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, message)
        self.assertEqual(len(done.stderr.splitlines()), 1)
        self.assertFalse(output.exists())

    def test_a_schedule_that_leaves_tails_is_refused(self):
        """One that knows nothing of Pointwise::streaming, with vectors of 16 bytes, of which nothing whole is left."""
        message = r"^memory_hints: generic: a store to y was .+, should be a whole vector: the schedule has a tail$"
        self.refused(*hint(bitcode("generic", "streaming=true", features=""), "y"), message)

    def test_a_kernel_that_does_not_store_to_the_buffer_is_refused(self):
        self.refused(*hint(bitcode("x86_avx", "streaming=true"), "x"), r"^memory_hints: .+: no store to x was found$")

    def test_a_kernel_that_does_not_prefetch_is_refused(self):
        """The schedule of x86_avx does so where it is wanted; generic never."""
        message = r"^memory_hints: .+: no prefetch was found$"
        self.refused(*hint(bitcode("x86_avx", stage="sums_f32")), message)
        self.refused(*hint(bitcode("generic", "prefetch=true", stage="sums_f32")), message)

    def test_what_is_no_bitcode_is_refused(self):
        text = SCRATCH / "text.bc"
        SCRATCH.mkdir(parents=True, exist_ok=True)
        text.write_text("text")
        self.refused(*hint(text, "y"), "^memory_hints: ")
        self.refused(*hint(SCRATCH / "absent.bc", "y"), "^memory_hints: ")


if __name__ == "__main__":
    unittest.main()
