"""The list of variants as CMake writes it into the build folder (variants.json), and what a user may ask of it."""

import dataclasses
import json
import pathlib
import sys

PLATFORMS = {"x86-64-linux": "x86-64", "aarch64-linux": "arm-64", "armv7-linux": "arm-32"}
STAGES = ("shift", "sums", "normalize", "normalize_add", "activate", "activate_backward", "activation_gradient",
          "gradient_sums", "input_gradient")
APART_STAGES = ("activate", "activate_backward")  # of variants that have activations apart; one kernel for both layouts
DEFAULT_STAGES = ("sums", "normalize", "gradient_sums", "input_gradient")
LAYOUTS = ("nchw", "nhwc")
DTYPES = {"f32": 4, "f64": 8}
PREFETCH = "prefetch=true"


@dataclasses.dataclass(frozen=True)
class Variant:
    name: str
    arch: str
    platform: str
    schedule: str
    target: str
    features: tuple
    in_normalize: int  # bits of the activations that normalize and activation_gradient contain
    in_activate: int  # and activate and activate_backward, if the variant has them
    prefetch: tuple  # kernels that prefetch, as STAGE_LAYOUT


@dataclasses.dataclass(frozen=True)
class Kernel:
    stage: str
    layout: str | None  # one for both
    dtype: str

    @property
    def name(self):
        return "_".join(filter(None, (self.stage, self.layout, self.dtype)))

    def parameters(self, variant):
        """Of its generator."""
        words = [f"layout={self.layout}"] if self.layout else []
        if self.stage in ("normalize", "normalize_add", "activation_gradient"):
            words.append(f"activations={variant.in_normalize}")
        elif self.stage in APART_STAGES:
            words.append(f"activations={variant.in_activate}")
        if f"{self.stage}_{self.layout}" in variant.prefetch:
            words.append(PREFETCH)
        return words


def refuse(message):
    print(f"explain: {message}", file=sys.stderr)
    sys.exit(2)


def read(build):
    return json.loads(pathlib.Path(build, "variants.json").read_text())


def choose(entries, name, platform=None):
    """The variant of that name on `platform`; by default the first platform that has it, this machine's kind first."""
    lines = [entry for entry in entries if entry["name"] == name]
    if not lines:
        names = ", ".join(dict.fromkeys(entry["name"] for entry in entries if not entry["device"]))
        refuse(f"VARIANT was '{name}', should be one of {names}")
    if lines[0]["device"]:
        refuse(f"VARIANT was '{name}', should be one for a CPU: llvm-mca has no model of a device")
    archs = [entry["arch"] for entry in lines]
    have = [known for known, arch in PLATFORMS.items() if arch in archs]
    if platform is None:
        platform = have[0]
    elif platform not in have:
        refuse(f"--platform was '{platform}', should be, for {name}, one of {', '.join(have)}")
    entry = lines[archs.index(PLATFORMS[platform])]
    if entry["emit"] == "c_source":
        refuse(f"VARIANT was '{name}' on {platform}, should be one that Halide compiles: "
               "this one it emits as C++, and its loops are made by the platform's compiler")
    return Variant(name, entry["arch"], platform, entry["schedule"], entry["target"], tuple(entry["features"].split()),
                   entry["in_normalize"], entry["in_activate"], tuple(entry["prefetch"].split()))


def kernels(stages, layouts, dtypes):
    """Stage by stage."""
    return [Kernel(stage, layout, dtype) for stage in stages for dtype in dtypes
            for layout in ((None,) if stage in APART_STAGES else layouts)]
