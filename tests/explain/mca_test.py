import copy
import unittest

import explain
import mca

# llvm-mca 22.1.8 on `vmovups (%rdi), %ymm0; vaddps %ymm0, %ymm1, %ymm1`, 150 times.
SAMPLE = (explain.HERE / "mca_znver3.json").read_text()


class Parse(unittest.TestCase):
    def setUp(self):
        (self.name, self.region), = mca.parse(SAMPLE).items()

    def test_region(self):
        self.assertEqual(self.name, "BB0_2")
        self.assertEqual((self.region["iterations"], self.region["cycles"]), (150, 461))
        self.assertEqual((self.region["throughput"], self.region["uops"], self.region["dispatch_width"]), (0.5, 2, 6))
        self.assertEqual(self.region["flags"], [(True, False), (False, False)])

    def test_pressure_is_that_of_the_whole_iteration_by_units_with_plain_names(self):
        self.assertIn("Zn3FP45", self.region["pressure"])
        self.assertTrue(all(name.isprintable() for name in self.region["pressure"]))
        self.assertAlmostEqual(max(self.region["pressure"].values()), 0.5, places=2)

    def test_the_start_is_left_out_and_waiting_is_called_latency(self):
        short = copy.deepcopy(self.region)
        short["iterations"], short["cycles"] = 50, 161
        result = mca.combine(short, self.region)
        self.assertEqual(result.cycles, 3)  # an addition's latency
        self.assertEqual(result.limit, "latency")

    def test_limits(self):
        result = mca.Result(cycles=4, throughput=4, uops=8, busiest="P5", busiest_cycles=4, dispatch_width=4)
        self.assertEqual(result.limit, "P5")
        result.uops = 16
        self.assertEqual(result.limit, "dispatch")


class Words(unittest.TestCase):
    def test_what_llvm_mca_complains_of_is_one_line(self):
        stderr = ("<stdin>:3:1: error: found an unsupported instruction in the input assembly sequence\n"
                  "note: instruction: \tvclt.f32\tq0, q1, #0\n")
        self.assertEqual(
            mca.telling(stderr),
            "found an unsupported instruction in the input assembly sequence; instruction: vclt.f32 q0, q1, #0")

    def test_vldmia_is_put_in_words_that_the_models_know(self):
        self.assertEqual(mca.known("vldmia r4, {d20, d21}"), "vld1.64 {d20, d21}, [r4]")
        self.assertEqual(mca.known("vldmia r4!, {d20}"), "vldmia r4!, {d20}")


if __name__ == "__main__":
    unittest.main()
