"""What the layer computes: the worked cases and tables of docs/semantics.md, against the reference."""

import itertools
import unittest

import reference
from program import SAVED, ProgramTest, random_tensor
from tensors import Tensor, vector


def parameters(channels, dtype):
    return {
        "weight": random_tensor([channels], dtype, seed=2, center=1, deviation=0.3),
        "bias": random_tensor([channels], dtype, seed=3, center=0, deviation=0.3),
        "moving_mean": random_tensor([channels], dtype, seed=4, center=0, deviation=0.3),
        "moving_variance": vector((0.5 + 0.25 * c for c in range(channels)), dtype),
    }


class WorkedCases(ProgramTest):
    def test_case_1(self):
        tensors = {
            "x": Tensor([2, 1, 2, 3], range(12)),
            "weight": vector([2]),
            "bias": vector([1]),
        }
        out = self.forward(tensors)
        y = [-2.18650869, -1.60714347, -1.02777826, -0.44841304, 0.13095218, 0.71031739,
             1.28968261, 1.86904782, 2.44841304, 3.02777826, 3.60714347, 4.18650869]  # fmt: skip
        for value, wanted in zip(out["y"].values, y):
            self.assertAlmostEqual(value, wanted, places=8)
        self.assertEqual(list(out["saved_mean"].values), [5.5])
        self.assertAlmostEqual(out["saved_inv_std"].values[0], 0.289682608, places=9)
        self.assertAlmostEqual(out["moving_mean"].values[0], 0.55, places=14)
        self.assertAlmostEqual(out["moving_variance"].values[0], 2.09166667, places=8)

    def test_case_3_constant(self):
        out = self.forward({"x": Tensor([1, 1, 3, 3], [100] * 9)})
        self.assertEqual(list(out["y"].values), [0] * 9)
        self.assertAlmostEqual(out["saved_inv_std"].values[0], 316.227766, places=6)
        self.assertAlmostEqual(out["moving_mean"].values[0], 10, places=13)
        self.assertAlmostEqual(out["moving_variance"].values[0], 0.9, places=14)

    def test_example_of_the_framework(self):
        for dtype in ["F32", "F64"]:
            x = random_tensor([3, 10, 3, 7], dtype)
            out = self.forward({"x": x}, "--num-channels", 10)
            self.assertEqual(out["y"].shape, (3, 10, 3, 7))
            self.assertEqual(out["saved_mean"].shape, (10,))
            for name, expected in reference.forward(x).items():
                self.assert_close(name, out[name], expected)

    def test_fully_connected(self):
        x = random_tensor([64, 30], "F32")
        for layout in ["NCHW", "NHWC"]:
            out = self.forward({"x": x}, "--num-channels", 30, "--act", "relu", "--data-layout", layout)
            self.assert_close("y", out["y"], reference.forward(x, act="relu")["y"])

    def test_one_element_per_channel(self):
        x = Tensor([1, 3], [-1, 2, 3])
        out = self.forward({"x": x, **parameters(3, "F64")}, "--act", "relu")
        self.assertEqual(list(out["y"].values), [0, 2, 3])
        self.assertEqual([list(out[name].values) for name in SAVED], [[0, 0, 0]] * 2)
        self.assertEqual(out["moving_mean"].values, parameters(3, "F64")["moving_mean"].values)

    def test_empty(self):
        for shape, options in itertools.product([(0, 3, 2), (4, 3, 0)], [[], ["--is-test"]]):
            tensors = {"x": Tensor(shape, []), **parameters(3, "F64")}
            out = self.forward(tensors, *options)
            self.assertEqual(out["y"].shape, shape)
            for name in ["moving_mean", "moving_variance"]:
                self.assertEqual(out[name].values, tensors[name].values)
            for name in SAVED if not options else []:
                self.assertEqual(list(out[name].values), [0, 0, 0])

    def test_nan_stays_in_its_channel(self):
        x = random_tensor([4, 3, 2, 2], "F32")
        x.values[5] = float("nan")  # channel 1
        out = self.forward({"x": x}, "--act", "relu")
        for index, value in enumerate(out["y"].values):
            self.assertEqual(value != value, index // 4 % 3 == 1)

    def test_no_variance_and_no_epsilon(self):
        x = random_tensor([4, 1], "F32")
        tensors = {"x": x, "bias": vector([0.25], "F32"), "moving_variance": vector([0], "F32")}
        out = self.forward(tensors, "--is-test", "--epsilon", 0)
        self.assertEqual(list(out["y"].values), [0.25] * 4)


class Shapes(ProgramTest):
    def test_ranks_layouts_dtypes(self):
        shapes = [(40, 5), (6, 5, 9), (4, 3, 5, 17), (2, 7, 3, 4, 5), (3, 1, 49), (2, 3, 1), (2, 33, 8)]
        for shape, layout, dtype in itertools.product(shapes, ["NCHW", "NHWC"], ["F32", "F64"]):
            with self.subTest(shape=shape, layout=layout, dtype=dtype):
                x = random_tensor(shape, dtype)
                given = parameters(shape[1 if layout == "NCHW" else -1], dtype)
                for is_test in [False, True]:
                    options = ["--data-layout", layout] + ["--is-test"] * is_test
                    out = self.forward({"x": x, **given}, *options)
                    expected = reference.forward(x, **given, layout=layout, is_test=is_test)
                    self.assertEqual(list(out), ["y"] + [name for name in expected if name != "y"])
                    for name, values in expected.items():
                        self.assertEqual(out[name].dtype, dtype)
                        self.assert_close(name, out[name], values)


class Options(ProgramTest):
    def setUp(self):
        super().setUp()
        self.x = random_tensor([5, 4, 3, 3], "F64")
        self.given = parameters(4, "F64")

    def compare(self, *options, given=None, scale=16.0, **settings):
        given = self.given if given is None else given
        out = self.forward({"x": self.x, **given}, *options)
        expected = reference.forward(self.x, **given, **settings)
        self.assertEqual(set(out), set(expected))
        for name, values in expected.items():
            self.assert_close(name, out[name], values, scale)
        return out

    def test_which_statistics(self):
        for is_test, use_global, trainable in itertools.product([False, True], repeat=3):
            settings = {
                "is_test": is_test,
                "use_global_stats": use_global,
                "trainable_statistics": trainable,
            }
            options = ["--" + name.replace("_", "-") for name, on in settings.items() if on]
            with self.subTest(options=options):
                out = self.compare(*options, **settings)
                uses_moving = (is_test and not trainable) or use_global
                self.assertEqual("saved_mean" not in out, uses_moving)
                for name in ["moving_mean", "moving_variance"]:
                    same = out[name].values == self.given[name].values
                    self.assertEqual(same, uses_moving)

    def test_momentum(self):
        for momentum in [0, 1, 0.99, -0.5, 1.5]:
            self.compare("--momentum", momentum, momentum=momentum)

    def test_epsilon(self):
        for epsilon in [0, 1e-12, 0.1, 100]:
            self.compare("--epsilon", epsilon, epsilon=epsilon)

    def test_numbers_in_other_spellings(self):
        for text in ["5e-1", "+0.5", ".5", "0.50", "0.5e0"]:
            self.compare(f"--momentum={text}", momentum=0.5)
        self.compare("--epsilon", "1e-999", epsilon=0.0)

    def test_moving_variance(self):
        self.compare("--moving-variance", "population")
        self.compare("--moving-variance", "sample", sample=True)

    def test_affine(self):
        for absent in [["weight"], ["bias"], ["weight", "bias"], list(self.given)]:
            given = {name: self.given[name] for name in self.given if name not in absent}
            self.compare(given=given)
            flags = ["--no-" + name for name in absent if name in ("weight", "bias")]
            self.compare(*flags, given=given)

    def test_activations(self):
        self.x = random_tensor([5, 4, 3, 30], "F64", deviation=3)
        self.given["weight"] = vector([1, -4, 12, 30])  # v up to about 90, both sides of every knee
        for act in reference.ACTIVATIONS:
            with self.subTest(act=act):
                self.compare("--act", act, act=act, scale=200.0)

    def test_activations_in_float32(self):
        x = random_tensor([5, 4, 3, 30], "F32", deviation=3)
        weight = vector([1, -4, 12, 30], "F32")
        for act in reference.ACTIVATIONS:
            with self.subTest(act=act):
                out = self.forward({"x": x, "weight": weight}, "--act", act)
                expected = reference.forward(x, weight, act=act)["y"]
                self.assert_close("y", out["y"], expected, scale=100.0)

    def test_act_alpha(self):
        for act, alpha in itertools.product(["leaky_relu", "elu", "hardsigmoid"], [0, 0.3, -0.1, 2]):
            with self.subTest(act=act, alpha=alpha):
                self.compare("--act", act, "--act-alpha", alpha, act=act, alpha=alpha, scale=200.0)


if __name__ == "__main__":
    unittest.main()
