"""What can be seen here of platforms whose compilers are not: the runtime's sources compile for each, against declarations
of no more than they use, and the kernels that were emitted for it are objects of its format that ask for nothing more.

Environment: HALNORM_KITS (where ./run package builds), CLANG, LLVM_NM, LLVM_READOBJ, HALNORM_HALIDE.
"""

import concurrent.futures
import os
import pathlib
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path += [str(HERE.parent / "archive"), str(ROOT / "cmake/package")]
import needs
import package

KITS = pathlib.Path(os.environ["HALNORM_KITS"])
# As clang names the platform, its objects, and what begins a C name there.
PLATFORMS = {
    "aarch64-android": ("aarch64-linux-android21", "elf64-littleaarch64", ""),
    "armv7-android": ("armv7-linux-androideabi21", "elf32-littlearm", ""),
    "aarch64-ios": ("arm64-apple-ios14", "Mach-O arm64", "_"),
    "aarch64-macos": ("arm64-apple-macos12", "Mach-O arm64", "_"),
    "x86-64-windows": ("x86_64-pc-windows-msvc", "COFF-x86-64", ""),
    "aarch64-noos": ("aarch64-none-elf", "elf64-littleaarch64", ""),
    "armv7-noos": ("armv7-none-eabihf", "elf32-littlearm", ""),
}


def output(*command):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


def compile_for(platform, source):
    """What clang says; nothing if all is well."""
    clang = os.environ["CLANG"]
    own = pathlib.Path(output(clang, "-print-resource-dir")[1].strip(), "include")
    status, text = output(
        clang, f"--target={PLATFORMS[platform][0]}", "-std=c++17", "-ffreestanding", "-fno-exceptions", "-fno-rtti", "-nostdinc",
        "-isystem", HERE / "declarations", "-isystem", own, "-isystem", pathlib.Path(os.environ["HALNORM_HALIDE"], "include"),
        "-I", ROOT / "runtime/include", "-I", ROOT / "runtime", "-I", KITS / platform / "kernels/include",
        "-DHALNORM_THREADS=0", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", source)
    return text if status else ""


def names(kind, objects, *options):
    _, text = output(os.environ["LLVM_NM"], kind, "--format=just-symbols", *options, *objects)
    return {line.strip() for line in text.splitlines() if line.strip() and not line.endswith(":")}


class Emitted(unittest.TestCase):
    def test_the_runtime_compiles(self):
        sources = [path for path in sorted((ROOT / "runtime").glob("*.cpp"))
                   if not path.name.startswith((*package.GPU_SOURCES, "thread_pool"))]
        self.assertGreater(len(sources), 25)
        with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            for platform in PLATFORMS:
                for source, said in zip(sources, pool.map(lambda path: compile_for(platform, path), sources)):
                    with self.subTest(platform, source=source.name):
                        self.assertEqual("", said)

    def test_the_pool_compiles_where_there_is_no_linux(self):
        # Against what POSIX has of this machine's headers.
        status, said = output(
            os.environ["CLANG"], "-std=c++17", "-U__linux__", "-U_GNU_SOURCE", "-D_POSIX_C_SOURCE=200809L",
            "-isystem", pathlib.Path(os.environ["HALNORM_HALIDE"], "include"),
            "-I", ROOT / "runtime/include", "-I", ROOT / "runtime", "-I", KITS / "aarch64-android/kernels/include",
            "-fsyntax-only", "-Wall", "-Wextra", "-Werror", ROOT / "runtime/thread_pool.cpp")
        self.assertEqual((0, ""), (status, said))

    def test_kernels_are_objects_of_the_platform(self):
        for platform, (_, form, prefix) in PLATFORMS.items():
            folder = KITS / platform / "kernels"
            objects = sorted([*folder.glob("*.o"), *folder.glob("*.obj")])
            with self.subTest(platform):
                self.assertGreater(len(objects), 40, f"{folder} should have the kernels; ./run package {platform} makes them")
                _, formats = output(os.environ["LLVM_READOBJ"], "--file-header", *objects)
                self.assertEqual(len(objects), formats.count(f"Format: {form}\n"))
                good = {prefix + name for name in needs.KERNEL | needs.KERNEL_ARMV7} | needs.KERNEL_EMITTED | \
                    {"_bzero", "___chkstk_darwin"}  # Apple's memset of zeros
                self.assertEqual(set(), names("--undefined-only", objects) - good)
                # Windows has constants and the use of floats among the names.
                foreign = {name for name in names("--defined-only", objects, "--extern-only")
                           if not name.startswith((f"{prefix}halnorm_", "__real@", "__xmm@", "__ymm@"))}
                self.assertEqual(set(), foreign - {"_fltused"})


if __name__ == "__main__":
    unittest.main()
