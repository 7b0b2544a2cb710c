"""An app carries what it calls: one that only infers has no kernels of training. Prints the sizes."""

import os
import pathlib
import re
import shlex
import shutil
import unittest

import archive

HERE = pathlib.Path(__file__).resolve().parent
INCLUDE = HERE.parents[1] / "runtime/include"
# A file is otherwise padded to pages, of 64 KiB on AArch64, which hides what is measured.
COMPACT = ["-Wl,--gc-sections", "-Wl,-z,noseparate-code", "-Wl,-z,max-page-size=4096"]
LIBRARIES = ["-pthread", "-lm", "-ldl"]
EMULATOR = shlex.split(os.environ.get("HALNORM_EMULATOR", ""))
STREAMING = {kernel.stage for kernel in archive.kernels() if kernel.stage.endswith("_streaming")}  # none on ARM
INFERENCE = {"moving_coefficients", "normalize", "activate"} | STREAMING & {"normalize_streaming"}


def link(name, *options):
    program = archive.scratch() / name
    archive.run(archive.CC, "-std=c11", "-Os", "-Wall", "-Wextra", "-Werror", "-ffunction-sections", "-fdata-sections",
                f"-I{INCLUDE}", HERE / f"{name}.c", "-o", program, *options, archive.LIBRARY, *LIBRARIES)
    return program


def stages(program):
    """Of which stages the program has kernels, or the table of them."""
    names = archive.tool("nm", "-C", program)
    return set(re.findall(r"\bhalnorm_(\w+?)(?:_nchw|_nhwc)?_f(?:32|64)__\w+$", names, re.M)) | \
        set(re.findall(r"\bhalnorm::(\w+)_kernels$", names, re.M))


def variants(program):
    return set(re.findall(r"\bhalnorm_\w+_f(?:32|64)__(\w+)$", archive.tool("nm", program), re.M))


def stripped_size(program):
    stripped = program.with_suffix(".stripped")
    shutil.copy(program, stripped)
    archive.tool("strip", stripped)
    return stripped.stat().st_size


class Sizes(unittest.TestCase):
    def test_inference_alone_carries_no_kernels_of_training(self):
        for options in ((), COMPACT):
            self.assertEqual(stages(link("inference_only", *options)), INFERENCE, options)

    def test_an_app_that_calls_everything_carries_all_kernels(self):
        everything = {kernel.stage for kernel in archive.kernels()}
        self.assertGreater(everything, INFERENCE)
        self.assertEqual(stages(link("everything", *COMPACT)), everything)

    def test_only_an_app_that_asks_for_gpus_carries_their_kernels(self):
        carried = variants(link("everything", *COMPACT))
        self.assertIn("generic", carried)
        self.assertFalse(carried & {"cuda", "opencl"})

    def test_only_an_app_that_asks_for_messages_carries_them(self):
        for options in ((), COMPACT):
            for name, calls in (("inference_only", False), ("everything", True)):
                self.assertEqual(calls, b"should be" in link(name, *options).read_bytes(), (name, options))

    def test_what_describes_kernels_to_halide_goes_with_unused_sections(self):
        names = archive.tool("nm", link("everything", *COMPACT))
        self.assertNotRegex(names, r"_(metadata|argv)\n")

    def test_both_apps_run(self):
        for name in ("inference_only", "everything"):
            archive.run(*EMULATOR, link(name, *COMPACT))

    def test_sizes(self):
        nothing = archive.scratch() / "nothing.c"
        nothing.write_text("int main(void) { return 0; }\n")
        empty = nothing.with_suffix("")
        archive.run(archive.CC, "-Os", nothing, "-o", empty, *COMPACT)
        sizes = {"an empty app": stripped_size(empty)}
        for name in ("inference_only", "everything"):
            sizes[name] = stripped_size(link(name, *COMPACT))
        print(f"\n{archive.arch()}, variants {' '.join(archive.variants())}: stripped, --gc-sections, libc shared")
        for name, size in sizes.items():
            print(f"  {name:16} {size / 1024:7.0f} KiB")
        self.assertLess(sizes["inference_only"], sizes["everything"])


if __name__ == "__main__":
    unittest.main()
