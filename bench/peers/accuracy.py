"""Errors beside a reference in wider numbers, float64 for float32 and longdouble for float64, by two passes.

Every error is in units of what rounding may cost there, with u = 2^-24 (float64: 2^-53), and the largest one counts:

    y       u (1 + |y|)
    mean    u (|mean| + sqrt(v))                                    v = variance + epsilon
    v       u v
    dx      u (|a g| + |a xhat dgamma / m| + |a dbeta / m|)         a = gamma / sqrt(v)
    dgamma  u sum(|g| (1 + |xhat|))
    dbeta   u sum(|g|)
"""

import numpy

import datasets
import native
from peer import EPSILON

SEED = 2026
UNITS = {"float32": 2.0**-24, "float64": 2.0**-53}
WIDE = {"float32": numpy.float64, "float64": numpy.longdouble}


class Buffers(native.Buffers):
    """With a data set as x. Moving statistics are those of the batch, as the dtype has them."""

    def __init__(self, library, case):
        super().__init__(library, case)
        z = numpy.random.default_rng(SEED).standard_normal(case.shape)
        self.images(self.x)[...] = datasets.SETS[case.data].make(z)
        self._moving = statistics(self.images(self.x).astype(WIDE[case.dtype]))

    def moving_statistics(self):
        blocks = super().moving_statistics()
        for block, values in zip(blocks, self._moving):
            self.array(block)[...] = values.ravel()
        return blocks

    def array(self, block):
        return numpy.frombuffer(block.view(), dtype=self.case.dtype)

    def images(self, block):
        """A tensor in the order N, C, H, W."""
        tensor = self.array(block).reshape(self.case.memory_shape)
        return tensor.transpose(0, 3, 1, 2) if self.case.layout == "NHWC" else tensor

    def channels(self, block):
        """One value per channel, to go with images."""
        return self.array(block).reshape(1, -1, 1, 1)


def mean(x):
    return x.mean(axis=(0, 2, 3), keepdims=True)


def statistics(x):
    center = mean(x)
    center = center + mean(x - center)  # what the sum of many large numbers has lost
    return center, mean((x - center) ** 2)


def reference(buffers):
    """{what: (value, unit of its error without u)}"""
    case = buffers.case
    wide = WIDE[case.dtype]
    x, g = buffers.images(buffers.x).astype(wide), buffers.images(buffers.dy).astype(wide)
    gamma, beta = (buffers.channels(block).astype(wide) for block in (buffers.gamma, buffers.beta))
    if case.pipeline == "inference":
        center, variance = (buffers.channels(block).astype(wide) for block in buffers.moving_statistics())
    else:
        center, variance = statistics(x)
    v = variance + wide(EPSILON)
    xhat = (x - center) / numpy.sqrt(v)
    if case.pipeline != "backward":
        y = gamma * xhat + beta
        found = {"y": (y, 1 + abs(y))}
        if case.pipeline == "training":
            found.update(mean=(center, abs(center) + numpy.sqrt(v)), v=(v, v))
        return found
    a, m = gamma / numpy.sqrt(v), x[:, 0].size
    dbeta, dgamma = m * mean(g), m * mean(g * xhat)
    return {
        "dx": (a * (g - dbeta / m - xhat * dgamma / m),
               abs(a) * (abs(g) + abs(dbeta / m) + abs(xhat * dgamma / m))),
        "dgamma": (dgamma, m * mean(abs(g) * (1 + abs(xhat)))),
        "dbeta": (dbeta, m * mean(abs(g))),
    }


def error(value, expected, unit, u):
    """The largest, in units; None where there is a NaN or an infinity."""
    largest = float((abs(value - expected) / (u * unit)).max())
    return largest if numpy.isfinite(largest) else None


def errors(contender, buffers, expected):
    case = buffers.case
    wide, u = WIDE[case.dtype], UNITS[case.dtype]
    buffers.array(buffers.out)[...] = numpy.nan
    contender.seconds(1, False)
    values = {name: numpy.asarray(found, dtype=wide).reshape(1, -1, 1, 1)
              for name, found in contender.channels().items()}
    if "v" in expected and "variance" in values:
        values["v"] = values["variance"] + wide(EPSILON)
    elif "v" in expected and "inv_std" in values:
        values["v"] = values["inv_std"] ** -2
    values["dx" if case.pipeline == "backward" else "y"] = buffers.images(contender.result()).astype(wide)
    return {name: error(values[name], value, unit, u) for name, (value, unit) in expected.items() if name in values}


def measured(peer, case, library, arguments):
    buffers = Buffers(library, case)
    expected = reference(buffers)
    ours = native.halnorm(buffers, arguments.threads)
    found = {"halnorm": errors(ours, buffers, expected)}
    variant = library.variant()
    for contender in peer.contenders(case, buffers):
        found[contender.label] = errors(contender, buffers, expected)
    return {"variant": variant, "errors": found}
