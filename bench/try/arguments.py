"""The command line of ./run try."""

import argparse
import pathlib
import re
import sys

PIPELINES = ("inference", "training", "backward")
LAYOUTS = ("nchw", "nhwc")
AUTOSCHEDULERS = ("Mullapudi2016", "Adams2019", "Li2018")
ACTIVATIONS = ("none", "relu", "relu6", "leaky_relu", "elu", "sigmoid", "tanh", "silu", "swish", "hardsigmoid",
               "hardswish", "gelu", "gelu_tanh", "softplus", "mish")

# From a few microseconds to beyond the cache: a call's own cost, short and long rows, channels that fill no vector.
SHORT = ["64x10", "1x16x32x32", "1x512x28x28", "8x2048x7x7", "8x64x56x56", "32x100x28x28", "32x256x56x56"]
# ResNet-50 and MobileNet, three sizes of batch each.
NETWORKS = ["64x112x112", "64x56x56", "256x56x56", "512x28x28", "1024x14x14", "2048x7x7", "32x112x112", "96x56x56",
            "1280x7x7"]
ALL = [f"{n}x{shape}" for n in (1, 8, 32) for shape in NETWORKS] + [
    "4096x256", "64x10", "1x16x32x32", "8x3x224x224", "8x17x30x30", "32x100x28x28"]

class UsageError(Exception):
    pass


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise UsageError(message)


def words(name, choices):
    def parse(text):
        found = text.split(",")
        for word in found:
            if word not in choices:
                raise UsageError(f"{name}: was '{word}', should be {', '.join(choices)}, or several with commas")
        return [choice for choice in choices if choice in found]
    return parse


def one(name, choices):
    def parse(text):
        if text not in choices:
            raise UsageError(f"{name}: was '{text}', should be one of {', '.join(choices)}")
        return text
    return parse


def number(name, kind, least, what):
    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not least <= value < 1e6:
            raise UsageError(f"{name}: was '{text}', should be {what}")
        return value
    return parse


def shapes(text):
    if text in ("short", "all"):
        return SHORT if text == "short" else ALL
    found = text.split(",")
    for shape in found:
        if not re.fullmatch(r"[1-9]\d*(x[1-9]\d*){1,4}", shape):
            raise UsageError(f"--shapes: was '{shape}', should be short, all, or N x C x H x W like 8x64x56x56")
        if elements(shape) > 2**31 - 1025:
            raise UsageError(f"--shapes: was '{shape}', should have less than 2^31 elements")
    return found


def extents(shape):
    n, c, *rest = map(int, shape.split("x"))
    s = 1
    for extent in rest:
        s *= extent
    return n, c, s


def elements(shape):
    n, c, s = extents(shape)
    return n * c * s


def shapes_of_layout(all_shapes, layout):
    """Without those that run the other layout's kernels, because the tensor is the same in both."""
    def fits(shape):
        n, c, s = extents(shape)
        one_row = c == 1 and n * s > 1  # a single channel's elements
        return s > 1 or one_row if layout == "nchw" else not one_row
    return [shape for shape in all_shapes if fits(shape)]


def listed_variants():
    """Those that may be compared: the list without the variants for devices."""
    text = (pathlib.Path(__file__).resolve().parents[2] / "schedules/CMakeLists.txt").read_text()
    lines = re.findall(r"^halnorm_variant\((\w+)([^)]*)\)", text, re.M)
    return [name for name, rest in lines if "DEVICE" not in rest]


def parse(arguments):
    parser = Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("variant", nargs="?")
    parser.add_argument("--pipeline", type=words("--pipeline", PIPELINES), default=list(PIPELINES))
    parser.add_argument("--layout", type=words("--layout", LAYOUTS), default=list(LAYOUTS))
    parser.add_argument("--shapes", type=shapes, default=SHORT)
    parser.add_argument("--act", type=one("--act", ACTIVATIONS), default="relu")
    parser.add_argument("--dtype", type=one("--dtype", ("float32", "float64")), default="float32")
    parser.add_argument("--threads", type=number("--threads", int, 0, "a number, 0 (all cores) or more"), default=1)
    parser.add_argument("--seconds", type=number("--seconds", float, 0.1, "seconds, 0.1 or more"), default=1)
    parser.add_argument("--against")
    parser.add_argument("--autoscheduler", type=one("--autoscheduler", AUTOSCHEDULERS))
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        raise UsageError(f"unknown argument '{unknown[0]}' (./run try --help)")
    names = listed_variants()
    for name, option in ((options.variant, "VARIANT"), (options.against, "--against")):
        if name is not None and name not in names:
            raise UsageError(f"{option}: was '{name}', should be one of {', '.join(names)}; a new one needs its line "
                             "in schedules/CMakeLists.txt")
    if options.variant is None:
        raise UsageError(f"VARIANT is missing: should be one of {', '.join(names)}")
    if options.against and options.autoscheduler:
        raise UsageError("--against: should not be with --autoscheduler, which is compared with VARIANT")
    return options


def parse_or_exit(arguments):
    try:
        return parse(arguments)
    except UsageError as error:
        print(f"run: try: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":  # before anything is set up: are they good?
    parse_or_exit(sys.argv[1:])
