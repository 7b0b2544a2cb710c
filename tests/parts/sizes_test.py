"""What programs weigh against an empty one. The tables of docs/sizes.md are what this makes; it fails where a number is not
theirs any more.

Environment as in parts_test.py, once more for aarch64 with the prefix AARCH64_ (and HALNORM_TOOL_PREFIX of its binutils).
"""

import collections
import os
import pathlib
import re
import unittest
import unittest.mock

from parts_test import HERE, INCLUDE, ROOT, SCRATCH, build, run

DOCUMENT = ROOT / "docs/sizes.md"
RELUS = ["none", "relu", "relu6"]
ALL = []  # no option: the default
EVERYTHING = ["inference", "training", "backward"]
PROGRAMS = {"inference": ROOT / "tests/archive/inference_only.c", "training": HERE / "training_only.c",
            "everything": ROOT / "tests/archive/everything.c"}
# platform, variants, activations, pipelines, program, budget in KB
CASES = [
    ("aarch64", "arm_neon", RELUS, ["inference"], "inference", 16),
    ("aarch64", "generic", RELUS, ["inference"], "inference", 16),
    ("aarch64", "arm_neon", ALL, ["inference"], "inference", 32),
    ("aarch64", "generic", ALL, ["inference"], "inference", 32),
    ("aarch64", "arm_neon", RELUS, ["training", "backward"], "training", 80),
    ("aarch64", "generic", RELUS, ["training", "backward"], "training", 80),
    ("aarch64", "arm_neon;generic", ALL, EVERYTHING, "everything", None),
    ("x86-64", "x86_avx512;x86_avx2;x86_avx;generic", RELUS, EVERYTHING, "everything", 300),
    ("x86-64", "x86_avx512;x86_avx2;x86_avx;generic", ALL, EVERYTHING, "everything", 300),
    ("x86-64, small", "x86_avx512;x86_avx2;x86_avx;generic", RELUS, EVERYTHING, "everything", 300),
    ("x86-64, small", "x86_avx512;x86_avx2;x86_avx;generic", ALL, EVERYTHING, "everything", 300),
    ("aarch64, small", "arm_neon", RELUS, ["inference"], "inference", 16),
    ("aarch64, small", "arm_neon", ALL, ["inference"], "inference", 32),
    ("aarch64, small", "arm_neon", RELUS, ["training", "backward"], "training", 80),
    ("aarch64, small", "arm_neon", ALL, ["training", "backward"], "training", None),
]
STAGES = {
    "inference": ["moving_coefficients", "normalize", "activate"],
    "training": ["shift", "sums", "merge", "batch_coefficients", "normalize", "activate"],
    "backward": ["saved_coefficients", "gradient_sums", "parameter_gradients", "input_coefficients", "input_gradient",
                 "activation_gradient", "activate_backward", "moving_statistics"],
}


def on(platform):
    """The compiler and the binutils of a platform, for a `with`."""
    prefix = "AARCH64_"
    return unittest.mock.patch.dict(os.environ, {name[len(prefix):]: value for name, value in os.environ.items()
                                                 if platform.startswith("aarch64") and name.startswith(prefix)})


def size_of(program):
    """Bytes of what is loaded: code, constants and variables that do not begin as 0. A stripped file is that, its headers,
    and padding to pages, which would hide what is measured."""
    text, data = run(os.environ.get("HALNORM_TOOL_PREFIX", "") + "size", program).splitlines()[1].split()[:2]
    return int(text) + int(data)


def link(source, folder, *more):
    program = folder / source.stem
    run(os.environ["CC"], "-std=c11", "-Os", "-ffunction-sections", f"-I{INCLUDE}", source, *more, "-lm", "-Wl,--gc-sections",
        "-o", program)
    return size_of(program)


def kb(size):
    return f"{size / 1024:.1f}" if size < 100 * 1024 else f"{size / 1024:.0f}"


def kernel_sizes(folder):
    """(variant, stage) -> bytes of code and constants, both layouts; 0 of a stage that the variant has not."""
    sizes = collections.Counter()
    size = os.environ.get("HALNORM_TOOL_PREFIX", "") + "size"
    for path in sorted((folder / "kernels").glob("halnorm_*.o")):
        stage, variant = re.fullmatch(r"halnorm_(\w+?)(?:_nchw|_nhwc)?_f32__(\w+)", path.stem).groups()
        text = int(run(size, path).splitlines()[1].split()[0])
        sizes[variant, stage] += text
    return sizes


def measure():
    """The document's two tables as lists of rows."""
    linked, kernels = [], []
    for number, (platform, variants, activations, pipelines, program, budget) in enumerate(CASES):
        with on(platform):
            some = {"ACTIVATIONS": activations} if activations else {}
            if platform.endswith("small"):
                some["SMALL"] = ["ON"]
            folder = build(f"size{number}", variants, DTYPES=["float32"], PIPELINES=pipelines, **some)
            nothing = folder / "nothing.c"
            nothing.write_text("int main(void) { return 0; }\n")
            sizes = [kb(link(PROGRAMS[program], folder, folder / "libhalnorm.a", *asks) - link(nothing, folder))
                     for asks in ([], ["-Wl,--undefined=halnorm_last_error"])]
            names = ", ".join(activations) or "all"
            linked.append([platform, variants.replace(";", ", "), names, program, *sizes, str(budget or "")])
            if program == "everything" and not activations:
                sizes = kernel_sizes(folder)
                for variant in variants.split(";"):
                    kernels.append([f"{variant} ({platform})"] +
                                   [kb(sum(sizes[variant, stage] for stage in STAGES[pipeline])) for pipeline in STAGES])
    return linked, kernels


def table(heads, rows):
    rows = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


class Sizes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.linked, cls.kernels = measure()

    def test_budgets(self):
        for platform, *what, size, _, budget in self.linked:
            if platform != "x86-64" and budget:
                with self.subTest(what=what):
                    self.assertLessEqual(float(size), float(budget), "KB")

    def test_the_document_has_them(self):
        tables = [table(["platform", "variants", "activations", "the program calls", "KB", "with messages", "budget"],
                        self.linked),
                  table(["KB of kernels", *STAGES], self.kernels)]
        print("\n" + "\n".join(tables))
        text = DOCUMENT.read_text()
        found = re.findall(r"(?:^\|.*\n)+", text, re.M)
        made = SCRATCH / "sizes.md"
        for old, new in zip(found, tables):
            text = text.replace(old, new)
        made.write_text(text)
        advice = f"docs/sizes.md should be as {made} if the change is meant"
        self.assertEqual(len(tables), len(found), advice)
        number = re.compile(r"(?<=\| )[\d.]+(?= \|)")
        for old, new in zip(found, tables):
            self.assertEqual(number.sub("", old), number.sub("", new), advice)
            for was, now in zip(number.findall(old), number.findall(new)):
                self.assertLess(abs(float(now) - float(was)), 0.02 * float(was) + 0.1, f"{was} KB is {now}: {advice}")


if __name__ == "__main__":
    unittest.main()
