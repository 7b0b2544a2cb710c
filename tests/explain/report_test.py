import unittest

import explain
import forms
import hot_loops
import table
import variants

HEADER = (explain.FOLDER.parents[1] / "generators/activation_forms.h").read_text()


class Forms(unittest.TestCase):
    def test_names_are_those_of_the_generators_in_their_order(self):
        self.assertEqual(forms.names(HEADER, "normalize")[:3], ["clamp", "leaky_relu", "hardswish"])
        self.assertEqual(forms.names(HEADER, "input_gradient")[-1], "scaled")
        self.assertEqual(forms.names(HEADER, "sums"), [])

    def test_the_default_forms_exist(self):
        known = forms.names(HEADER, "normalize") + forms.names(HEADER, "input_gradient")
        self.assertLessEqual(set(forms.DEFAULT), set(known))

    def test_numbers(self):
        self.assertEqual(forms.numbers(["b", "x"], ["a", "b", "c"]), {1})
        self.assertIsNone(forms.numbers(["b", "all"], ["a", "b", "c"]))

    def test_form_of_a_loop(self):
        self.assertEqual(forms.form_of(["(y.extent.1 % 16) == 0", "form == 10"]), 10)
        self.assertIsNone(forms.form_of(["otherwise"]))


class Timing(unittest.TestCase):
    def test_ratios(self):
        timing = hot_loops.Timing("cpu", cycles=3, bound=1, arithmetic=2)
        self.assertEqual((timing.ratio, timing.overhead), (3, 1.5))
        self.assertEqual(hot_loops.Timing("cpu", problem="no model").ratio, 0)


class Table(unittest.TestCase):
    def test_a_row(self):
        loop = {
            "tail": False, "nest": ["n", "s.s"], "form": "clamp", "conditions": ["otherwise"],
            "vectors_per_iteration": 4.0, "on_stack": 3,
            "instructions": {"load": 4, "store": 4, "arithmetic": 16, "move": 0, "scalar": 2, "spill": 1, "branch": 1},
            "timings": [
                {"cycles_per_vector": 2.5, "load_store_bound": 1, "arithmetic_bound": 1.5}, {"problem": "unknown"}],
        }
        report = {"cpus": [{"name": "a"}, {"name": "b"}], "kernels": [
            {"name": "normalize_nchw_f32", "loops": [loop, {**loop, "tail": True}]}]}
        lines = list(table.lines(report))
        self.assertEqual(lines[-2], "normalize_nchw_f32")
        self.assertEqual(lines[-1].split(), ["s.s,", "clamp,", "otherwise", "4", "4",
                         "4", "16", "0", "2", "3", "2.50/1.00/1.50", "no", "model"])


class Choose(unittest.TestCase):
    ENTRIES = [
        {"name": name, "arch": arch, "schedule": name, "features": "neon", "device": device, "target": f"{arch}-linux",
         "emit": emit, "in_normalize": 7, "in_activate": 8, "prefetch": "sums_nchw"}
        for name, arch, device, emit in [
            ("arm_neon", "arm-32", "", "object"), ("arm_neon", "arm-64", "", "object"),
            ("cuda", "x86-64", "cuda", "object"),
            ("generic", "x86-64", "", "object"), ("generic", "arm-32", "", "c_source")]]

    def test_platform(self):
        self.assertEqual(variants.choose(self.ENTRIES, "arm_neon").platform, "aarch64-linux")
        self.assertEqual(variants.choose(self.ENTRIES, "arm_neon", "armv7-linux").target, "arm-32-linux")
        self.assertEqual(variants.choose(self.ENTRIES, "generic").platform, "x86-64-linux")

    def test_kernels(self):
        variant = variants.choose(self.ENTRIES, "arm_neon")
        kernels = variants.kernels(
            ["normalize", "activate", "activation_gradient", "activate_backward", "sums"], ["nchw", "nhwc"], ["f32"])
        self.assertEqual([(kernel.name, kernel.parameters(variant)) for kernel in kernels], [
            ("normalize_nchw_f32", ["layout=nchw", "activations=7"]),
            ("normalize_nhwc_f32", ["layout=nhwc", "activations=7"]), ("activate_f32", ["activations=8"]),
            ("activation_gradient_nchw_f32", ["layout=nchw", "activations=7"]),
            ("activation_gradient_nhwc_f32", ["layout=nhwc", "activations=7"]),
            ("activate_backward_f32", ["activations=8"]),
            ("sums_nchw_f32", ["layout=nchw", "prefetch=true"]), ("sums_nhwc_f32", ["layout=nhwc"])])


if __name__ == "__main__":
    unittest.main()
