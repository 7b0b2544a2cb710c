"""What is measured: shapes, pipelines, layouts and dtypes, and the choice among them by name."""

import dataclasses
import math

import datasets

PIPELINES = ("inference", "training", "backward")
ACTIVATIONS = ("none", "relu")
LAYOUTS = ("NCHW", "NHWC")
DTYPES = ("float32", "float64")

RESNET = ((64, 112), (64, 56), (256, 56), (512, 28), (1024, 14), (2048, 7))
MOBILENET = ((32, 112), (96, 56), (1280, 7))
# Channels that fill no vector, and channels by the thousand with rows of one.
OTHERS = ((1, 16, 32, 32), (8, 3, 224, 224), (8, 17, 30, 30), (32, 100, 28, 28), (4096, 256), (64, 10))
SHAPES = tuple((n, c, hw, hw) for n in (1, 8, 32) for c, hw in RESNET + MOBILENET) + OTHERS
QUICK_SHAPES = (
    (1, 16, 32, 32), (64, 10),  # L2 and below
    (1, 64, 112, 112), (8, 64, 56, 56), (8, 1024, 14, 14), (32, 2048, 7, 7), (4096, 256),  # L3
    (8, 256, 56, 56), (32, 512, 28, 28),  # memory
)

# Sizes of x, in bytes, that the targets are set for.
SIZES = ("L2", "L3", "memory")
L3_FROM, L3_TO = 0.5e6, 13e6

# halnorm once more, otherwise: told to store past the cache where it chooses by size (halnorm_config.stores), and with
# all that needs no elements done beforehand (halnorm_prepare_inference).
STREAMING = "halnorm, streaming stores"
PREPARED = "halnorm, prepared"
OTHERWISE = (STREAMING, PREPARED)


class SelectionError(ValueError):
    pass


@dataclasses.dataclass(frozen=True)
class Case:
    pipeline: str
    activation: str
    layout: str  # NC where there is no other axis
    dtype: str
    shape: tuple  # (N, C, H, W) or (N, C), in any layout
    data: str = ""  # of datasets.py: its errors are measured, not its time

    @property
    def name(self):
        data = f"/{self.data}" if self.data else ""
        return f"{self.job}/{self.layout}/{self.dtype}/{shape_name(self.shape)}{data}"

    @property
    def job(self):
        return f"{self.pipeline}/{self.activation}"

    @property
    def channels(self):
        return self.shape[1]

    @property
    def count(self):
        return math.prod(self.shape)

    @property
    def bytes(self):
        """Of x."""
        return self.count * (8 if self.dtype == "float64" else 4)

    @property
    def reads(self):
        """Tensors that have to be read: x, and in a backward pass dy."""
        return 2 if self.pipeline == "backward" else 1

    @property
    def size(self):
        return "L2" if self.bytes < L3_FROM else "L3" if self.bytes <= L3_TO else "memory"

    @property
    def streams(self):
        """Whether stores past the cache are measured too: below this nobody has a use for them."""
        return self.size != "L2"

    @property
    def prepares(self):
        return self.pipeline == "inference"

    @property
    def memory_shape(self):
        """Extents in the order of the layout."""
        if self.layout != "NHWC":
            return self.shape
        n, c, h, w = self.shape
        return (n, h, w, c)


def shape_name(shape):
    return "x".join(map(str, shape))


def from_name(name):
    pipeline, activation, layout, dtype, shape, *data = name.split("/")
    return Case(pipeline, activation, layout, dtype, tuple(map(int, shape.split("x"))), *data)


def select(shapes, jobs, layouts, dtypes):
    """All combinations, the small tensors first: what a run that is cut short has is of use."""
    cases = []
    for dtype in dtypes:
        for pipeline, activation in jobs:
            for shape in shapes:
                # Rank 2 has one layout.
                for layout in layouts if len(shape) == 4 else ("NC",):
                    cases.append(Case(pipeline, activation, layout, dtype, shape))
    return sorted(cases, key=lambda case: case.bytes)


def select_data(names, jobs, layouts, dtypes):
    """Likewise of data sets, which have shapes of their own. What is after the normalization adds no error of note."""
    chosen = [pipeline for pipeline, activation in jobs if activation == "none"]
    if not chosen:
        raise SelectionError("--pipelines: --accuracy is of those without activation, for example training/none")
    return [Case(pipeline, "none", layout, dtype, datasets.SETS[name].shape, name)
            for dtype in dtypes for name in names for pipeline in chosen for layout in layouts]


def parse_shapes(text):
    shapes = []
    for word in text.split(","):
        extents = word.lower().split("x")
        if len(extents) not in (2, 4) or not all(e.isascii() and e.isdigit() and int(e) > 0 for e in extents):
            raise SelectionError(f"--shapes: '{word}' should be NxCxHxW or NxC, for example 8x64x56x56")
        shapes.append(tuple(map(int, extents)))
    return tuple(dict.fromkeys(shapes))


def parse_jobs(text):
    """`training` is all that there is of it, `training/relu` one of them."""
    jobs = []
    for word in text.split(","):
        matching = [(p, a) for p in PIPELINES for a in ACTIVATIONS if word in (p, f"{p}/{a}")]
        if not matching:
            raise SelectionError(
                f"--pipelines: '{word}' should be one of {', '.join(PIPELINES)}, "
                f"or one with its activation ({' or '.join(ACTIVATIONS)}), for example training/relu")
        jobs += matching
    return tuple(dict.fromkeys(jobs))


def parse_names(option, text, known):
    by_lower = {name.lower(): name for name in known}
    names = []
    for word in text.split(","):
        if word.lower() not in by_lower:
            raise SelectionError(f"{option}: '{word}' should be one of {', '.join(known)}")
        names.append(by_lower[word.lower()])
    return tuple(dict.fromkeys(names))
