"""The data whose errors ./run bench --accuracy measures."""

import dataclasses
import typing


@dataclasses.dataclass(frozen=True)
class DataSet:
    text: str
    make: typing.Callable  # x from an array of N(0, 1), both in the order N, C, H, W
    shape: tuple = (8, 32, 28, 28)


def _outlier(z):
    n, _, h, w = z.shape
    z[n // 2, :, h // 2, w // 2] = 1e4
    return z


SETS = {
    "normal": DataSet("N(0, 1)", lambda z: z),
    "1e2": DataSet("1e2 + N(0, 1)", lambda z: 1e2 + z),
    "1e4": DataSet("1e4 + N(0, 1)", lambda z: 1e4 + z),
    "1e6": DataSet("1e6 + N(0, 1)", lambda z: 1e6 + z),
    "outlier": DataSet("N(0, 1), one of 1e4", _outlier),
    "constant": DataSet("100.1 everywhere", lambda z: 0 * z + 100.1),
    "tiny": DataSet("1e-12 * N(0, 1)", lambda z: 1e-12 * z),
    "wide": DataSet("1 + N(0, 1), m = 8x112x112", lambda z: 1 + z, (8, 16, 112, 112)),
    "many": DataSet("1 + N(0, 1), m = 32x56x56", lambda z: 1 + z, (32, 16, 56, 56)),
}
