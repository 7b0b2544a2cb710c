"""What `halnorm backward` computes, against the reference, and what it refuses."""

import itertools
import json
import unittest

import reference
from program import OUTPUTS, SAVED, ProgramTest, random_tensor, run
from tensors import Raw, Tensor, from_file, to_file, vector

GRADIENTS = ["dx", "dweight", "dbias"]
LAYOUTS = ["NCHW", "NHWC"]


def parameters(channels, dtype):
    return {
        "weight": random_tensor([channels], dtype, seed=2, center=1, deviation=0.3),
        "bias": random_tensor([channels], dtype, seed=3, center=0, deviation=0.3),
        "moving_mean": random_tensor([channels], dtype, seed=4, center=0, deviation=0.3),
        "moving_variance": vector((0.5 + 0.25 * c for c in range(channels)), dtype),
    }


class GradientsTest(ProgramTest):
    def compare(self, x, dy, given, *options, **settings):
        """Gradients as the reference has them; all else as `halnorm forward` has it, bit for bit."""
        out = self.backward({"x": x, "dy": dy, **given}, *options)
        expected, magnitudes = reference.backward(x, dy, **given, **settings)
        roundings = 16 + len(x.values) / max(1, len(expected["dbias"]))  # of a sum in any order
        for name in GRADIENTS:
            if name in out:
                self.assertEqual(out[name].dtype, x.dtype)
                self.assert_close(name, out[name], expected[name], roundings, magnitudes[name])
        self.assertEqual(out["dx"].shape, x.shape)
        passed = self.forward({"x": x, **given}, *options)
        self.assert_same_bits({name: out[name] for name in out if name not in GRADIENTS}, passed)
        return out


class WorkedCases(GradientsTest):
    def setUp(self):
        super().setUp()
        self.tensors = {
            "x": Tensor([4, 1], [1, 2, 3, 4]),
            "dy": Tensor([4, 1], [1, 0, 0, 0]),
            "weight": vector([2]),
        }

    def test_case_2_batch(self):
        out = self.backward(self.tensors)
        for value, wanted in zip(out["dx"].values, [0.536660608, -0.715536744, -0.178886869, 0.357763006]):
            self.assertAlmostEqual(value, wanted, places=9)
        self.assertAlmostEqual(out["dweight"].values[0], -1.34163542, places=8)
        self.assertEqual(list(out["dbias"].values), [1])
        self.assertEqual(list(out["saved_mean"].values), [2.5])

    def test_case_2_moving(self):
        moving = {"moving_mean": vector([0.5]), "moving_variance": vector([2])}
        for option in ["--is-test", "--use-global-stats"]:
            out = self.backward({**self.tensors, **moving}, option)
            self.assertAlmostEqual(out["dx"].values[0], 1.41421003, places=8)
            self.assertEqual(list(out["dx"].values[1:]), [0, 0, 0])
            self.assertAlmostEqual(out["dweight"].values[0], 0.353552507, places=9)
            self.assertEqual(list(out["dbias"].values), [1])
            for name, given in moving.items():
                self.assertEqual(out[name].values, given.values)

    def test_constant_channel(self):
        """y does not depend on weight, so dweight is 0, and dx is weight * inverse deviation * (g - its mean)."""
        dy = Tensor([1, 1, 2, 2], [1, 2, 3, 6])
        out = self.backward({"x": Tensor([1, 1, 2, 2], [100] * 4), "dy": dy}, "--epsilon", 0.25)
        self.assertEqual(list(out["dweight"].values), [0])
        self.assertEqual(list(out["dbias"].values), [12])
        self.assertEqual(list(out["dx"].values), [-4, -2, 0, 6])

    def test_one_element_per_channel(self):
        x, dy = Tensor([1, 3], [-1, 2, 3]), Tensor([1, 3], [5, 6, 7])
        out = self.backward({"x": x, "dy": dy, **parameters(3, "F64")}, "--act", "relu")
        self.assertEqual(list(out["dx"].values), [0, 6, 7])
        self.assertEqual([list(out[name].values) for name in ["dweight", "dbias"]], [[0, 0, 0]] * 2)

    def test_empty(self):
        for shape, options in itertools.product([(0, 3, 2), (4, 3, 0)], [[], ["--is-test"]]):
            tensors = {"x": Tensor(shape, []), "dy": Tensor(shape, []), **parameters(3, "F64")}
            out = self.backward(tensors, *options)
            self.assertEqual(out["dx"].shape, shape)
            self.assertEqual([list(out[name].values) for name in ["dweight", "dbias"]], [[0, 0, 0]] * 2)

    def test_nan_stays_in_its_channel(self):
        for where in ["x", "dy"]:
            tensors = {"x": random_tensor([4, 3, 2, 2], "F32"), "dy": random_tensor([4, 3, 2, 2], "F32", seed=5)}
            tensors[where].values[5] = float("nan")  # channel 1
            out = self.backward(tensors)
            for index, value in enumerate(out["dx"].values):
                self.assertEqual(value != value, index // 4 % 3 == 1)
            for c, value in enumerate(out["dweight"].values):
                self.assertEqual(value != value, c == 1)


class Shapes(GradientsTest):
    def test_ranks_layouts_dtypes(self):
        shapes = [(40, 5), (6, 5, 9), (4, 3, 5, 17), (2, 7, 3, 4, 5), (3, 1, 49), (2, 3, 1), (2, 33, 8)]
        for shape, layout, dtype in itertools.product(shapes, LAYOUTS, ["F32", "F64"]):
            with self.subTest(shape=shape, layout=layout, dtype=dtype):
                x, dy = random_tensor(shape, dtype), random_tensor(shape, dtype, seed=5)
                given = parameters(shape[1 if layout == "NCHW" else -1], dtype)
                for is_test in [False, True]:
                    options = ["--data-layout", layout] + ["--is-test"] * is_test
                    self.compare(x, dy, given, *options, layout=layout, is_test=is_test)


class Options(GradientsTest):
    def setUp(self):
        super().setUp()
        self.x = random_tensor([5, 4, 3, 3])
        self.dy = random_tensor([5, 4, 3, 3], seed=5)
        self.given = parameters(4, "F64")

    def expect(self, *options, given=None, **settings):
        given = self.given if given is None else given
        return self.compare(self.x, self.dy, given, *options, **settings)

    def test_which_statistics(self):
        for is_test, use_global, trainable in itertools.product([False, True], repeat=3):
            settings = {"is_test": is_test, "use_global_stats": use_global, "trainable_statistics": trainable}
            options = ["--" + name.replace("_", "-") for name, on in settings.items() if on]
            with self.subTest(options=options):
                out = self.expect(*options, **settings)
                self.assertEqual("saved_mean" not in out, (is_test and not trainable) or use_global)

    def test_options_that_forward_has(self):
        for epsilon in [0, 0.1, 100]:
            self.expect("--epsilon", epsilon, epsilon=epsilon)
        self.expect("--momentum", 0.25, momentum=0.25)
        self.expect("--moving-variance", "sample", sample=True)
        self.expect("--num-channels", 4)

    def test_affine(self):
        for absent in [["weight"], ["bias"], ["weight", "bias"], list(self.given)]:
            given = {name: self.given[name] for name in self.given if name not in absent}
            by_default = self.expect(given=given)
            self.assertEqual(list(by_default), GRADIENTS + OUTPUTS + SAVED)
            flags = ["--no-" + name for name in absent if name in ("weight", "bias")]
            without = self.expect(*flags, given=given)
            self.assert_same_bits(without, {name: by_default[name] for name in without})

    def test_activations(self):
        shape = [5, 4, 3, 30]
        for dtype, layout in itertools.product(["F32", "F64"], LAYOUTS):
            x, dy = random_tensor(shape, dtype, deviation=3), random_tensor(shape, dtype, seed=5)
            channels = shape[1 if layout == "NCHW" else -1]
            # v up to about 40, both sides of every knee.
            given = {"weight": vector(([1, -4, 12][c % 3] for c in range(channels)), dtype)}
            for act in reference.ACTIVATIONS:
                with self.subTest(act=act, dtype=dtype, layout=layout):
                    self.compare(x, dy, given, "--data-layout", layout, "--act", act, layout=layout, act=act)

    def test_act_alpha(self):
        for act, alpha in itertools.product(["leaky_relu", "elu", "hardsigmoid"], [0, 0.3, -0.1, 2]):
            with self.subTest(act=act, alpha=alpha):
                self.expect("--act", act, "--act-alpha", alpha, act=act, alpha=alpha)


class Execution(GradientsTest):
    def cases(self):
        for dtype, layout, mode in itertools.product(["F32", "F64"], LAYOUTS, [[], ["--is-test"]]):
            # Large enough for several threads, and no multiple of any vector or block.
            shape = [7, 19, 31, 37]
            options = ["--data-layout", layout, "--act", "hardswish", *mode]
            with self.subTest(dtype=dtype, options=options):
                yield {"x": random_tensor(shape, dtype), "dy": random_tensor(shape, dtype, seed=5)}, options

    def test_threads(self):
        for tensors, options in self.cases():
            serial = self.backward(tensors, *options, "--threads", 1)
            for threads in [0, 3]:
                self.assert_same_bits(serial, self.backward(tensors, *options, "--threads", threads))

    def test_in_place(self):
        """dx over dy; x and y keep memory of their own, so every activation can do it."""
        tensors = {"x": random_tensor([3, 5, 7, 3], "F32"), "dy": random_tensor([3, 5, 7, 3], "F32", seed=5)}
        for act, mode in itertools.product(reference.ACTIVATIONS, [[], ["--is-test"]]):
            apart = self.backward(tensors, "--act", act, *mode)
            self.assert_same_bits(apart, self.backward(tensors, "--act", act, *mode, "--in-place"))

    def test_variants(self):
        listed = json.loads(run("variants", "--json").stdout)
        x, dy = random_tensor([4, 19, 5, 7], "F32"), random_tensor([4, 19, 5, 7], "F32", seed=5)
        supported = [variant["name"] for variant in listed if variant["supported"]]
        for name, layout, is_test in itertools.product(supported, LAYOUTS, [False, True]):
            with self.subTest(variant=name, layout=layout, is_test=is_test):
                options = ["--variant", name, "--data-layout", layout] + ["--is-test"] * is_test
                self.compare(x, dy, {}, *options, layout=layout, is_test=is_test)

    def test_in_may_be_out(self):
        tensors = {"x": random_tensor([3, 5, 2]), "dy": random_tensor([3, 5, 2], seed=5)}
        wanted = self.backward(tensors)
        for options in [[], ["--in-place"]]:
            self.out_path.write_bytes(to_file(tensors))
            self.out_path.replace(self.in_path)
            result = run("backward", self.in_path, self.in_path, *options)
            self.assertEqual((result.returncode, result.stderr), (0, b""))
            self.assert_same_bits(from_file(self.in_path.read_bytes()), wanted)


class Refused(ProgramTest):
    command = "backward"

    def setUp(self):
        super().setUp()
        self.x, self.dy = random_tensor([2, 3, 4], "F32"), random_tensor([2, 3, 4], "F32", seed=5)
        self.tensors = {"x": self.x, "dy": self.dy}

    def test_missing(self):
        self.refused({"x": self.x}, says=['tensor "dy"', "missing"])
        self.refused({"dy": self.dy}, says=['tensor "x"', "missing"])
        self.refused({}, says=["missing"])

    def test_names(self):
        for name in ["y", "dx", "dweight", "gamma"]:
            legal = "x, dy, weight, bias, moving_mean, moving_variance"
            self.refused({**self.tensors, name: self.dy}, says=[f'tensor "{name}"', legal])

    def test_dy_is_not_for_forward(self):
        self.command = "forward"
        self.refused(self.tensors, says=['tensor "dy"', "should be one of x, weight, "])

    def test_shape_of_dy(self):
        for shape in [[2, 3], [2, 3, 5], [2, 4, 3], [2, 3, 4, 1], [24], [3], [], [0, 3, 4]]:
            count = 1
            for extent in shape:
                count *= extent
            dy = Tensor(shape, [1] * count, "F32")
            self.refused({"x": self.x, "dy": dy}, says=["dy: shape", "(2, 3, 4) like x"])

    def test_dtype_of_dy(self):
        for dtype, size in {"F64": 8, "F16": 2, "I32": 4}.items():
            dy = Raw([2, 3, 4], bytes(24 * size), dtype)
            self.refused({"x": self.x, "dy": dy}, says=["dy: dtype", dtype, "F32 like x"])

    def test_x_and_vectors(self):
        self.refused({"x": Tensor([3], [1] * 3), "dy": Tensor([3], [1] * 3)}, says=["x:", "rank 2 to 5"])
        self.refused({**self.tensors, "weight": vector([1, 2], "F32")}, says=["weight:", "(3,)"])
        self.refused({**self.tensors, "bias": vector([1, 2, 3])}, says=["bias:", "F64", "F32"])
        given = vector([1, 2, 3], "F32")
        for name in ["weight", "bias"]:
            self.refused({**self.tensors, name: given}, "--no-" + name, says=[name, "absent", "--no-" + name])

    def test_variant(self):
        self.refused(self.tensors, "--variant", "x87", status=2, says=["--variant", '"x87"', "generic"])
        forced = {"HALNORM_VARIANT": "x87"}
        self.refused(self.tensors, says=["HALNORM_VARIANT", '"x87"'], environment=forced)

    def test_an_old_out_survives(self):
        self.out_path.write_bytes(b"old")
        self.refused({"x": self.x})
        self.refused(self.tensors, "--momentum", "nan")
        self.refused(self.tensors, "--act", "no", status=2)
        self.assertEqual(self.out_path.read_bytes(), b"old")


if __name__ == "__main__":
    unittest.main()
