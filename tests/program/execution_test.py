"""How the layer runs: in place, on threads, on each variant. Every way gives the same result."""

import itertools
import json
import unittest

import reference
from program import ProgramTest, random_tensor, run

LAYOUTS = ["NCHW", "NHWC"]


class Execution(ProgramTest):
    def setUp(self):
        super().setUp()
        # Large enough for several threads, and no multiple of any vector or block.
        self.large = {dtype: {"x": random_tensor([7, 19, 31, 37], dtype)} for dtype in ["F32", "F64"]}

    def cases(self):
        for dtype, layout, mode in itertools.product(["F32", "F64"], LAYOUTS, [[], ["--is-test"]]):
            options = ["--data-layout", layout, "--act", "hardswish", *mode]
            with self.subTest(dtype=dtype, options=options):
                yield self.large[dtype], options

    def test_in_place(self):
        for tensors, options in self.cases():
            apart = self.forward(tensors, *options)
            self.assert_same_bits(apart, self.forward(tensors, *options, "--in-place"))

    def test_in_place_with_every_activation(self):
        tensors = {"x": random_tensor([3, 5, 7, 3], "F32")}
        for act in reference.ACTIVATIONS:
            apart = self.forward(tensors, "--act", act)
            self.assert_same_bits(apart, self.forward(tensors, "--act", act, "--in-place"))

    def test_threads(self):
        for tensors, options in self.cases():
            serial = self.forward(tensors, *options, "--threads", 1)
            for threads in [0, 2, 3, 8]:
                other = self.forward(tensors, *options, "--threads", threads)
                self.assert_same_bits(serial, other)

    def test_out_of_one_run_is_like_in_of_the_next(self):
        x = random_tensor([6, 4, 5], "F64")
        first = self.forward({"x": x})
        moving = {name: first[name] for name in ["moving_mean", "moving_variance"]}
        second = self.forward({"x": x, **moving})
        expected = reference.forward(x, **moving)
        for name in moving:
            self.assert_close(name, second[name], expected[name])


class Variants(ProgramTest):
    def setUp(self):
        super().setUp()
        listed = json.loads(run("variants", "--json").stdout)
        self.supported = [variant["name"] for variant in listed if variant["supported"]]
        self.unsupported = [variant["name"] for variant in listed if not variant["supported"]]
        self.chosen = next(variant["name"] for variant in listed if variant["chosen"])
        self.tensors = {"x": random_tensor([4, 19, 5, 7], "F32")}

    def test_each(self):
        for name, layout, mode in itertools.product(self.supported, LAYOUTS, [[], ["--is-test"]]):
            with self.subTest(variant=name, layout=layout, mode=mode):
                options = ["--data-layout", layout, *mode]
                out = self.forward(self.tensors, "--variant", name, *options)
                x = self.tensors["x"]
                expected = reference.forward(x, layout=layout, is_test=bool(mode))
                for tensor, values in expected.items():
                    self.assert_close(tensor, out[tensor], values)
                forced = {"HALNORM_VARIANT": name}
                self.assert_same_bits(out, self.forward(self.tensors, *options, environment=forced))

    def test_which_ran(self):
        self.in_path.write_bytes(b"")
        for name in self.supported:
            environment = {"HALNORM_VARIANT": name, "HALNORM_VERBOSE": "1"}
            self.assertIn(name.encode(), run("variants", environment=environment).stderr)

    def test_default_is_the_chosen_one(self):
        chosen = self.forward(self.tensors, "--variant", self.chosen)
        self.assert_same_bits(chosen, self.forward(self.tensors))

    def test_option_is_stronger_than_the_environment(self):
        forced = {"HALNORM_VARIANT": "no such variant"}
        out = self.forward(self.tensors, "--variant", "generic", environment=forced)
        self.assert_same_bits(out, self.forward(self.tensors, "--variant", "generic"))

    def test_unknown(self):
        says = ["--variant", '"x87"', *self.supported]
        self.refused(self.tensors, "--variant", "x87", status=2, says=says)
        self.refused(self.tensors, "--variant", "", status=2, says=["--variant", *self.supported])

    def test_unknown_in_the_environment(self):
        says = ["HALNORM_VARIANT", '"x87"', *self.supported]
        self.refused(self.tensors, says=says, environment={"HALNORM_VARIANT": "x87"})

    def test_unsupported(self):
        for name in self.unsupported:
            self.refused(self.tensors, "--variant", name, says=["--variant", name])
            forced = {"HALNORM_VARIANT": name}
            self.refused(self.tensors, says=["HALNORM_VARIANT", name], environment=forced)


if __name__ == "__main__":
    unittest.main()
