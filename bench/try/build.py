"""From a state to a side: the kernels of one variant that a pipeline needs in one layout and dtype, linked with the
state's runtime into a shared object."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

from states import HERE, ROOT

VENV = ROOT / "build/venv"
DTYPES = {"float32": "f32", "float64": "f64"}
# Kept sides of older contents; half a megabyte each.
KEPT = 40


class Failed(Exception):
    """What went wrong, to be shown; the command's output is part of it."""


def run(*command, **options):
    command = [str(word) for word in command]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)


def must(what, *command):
    done = run(*command)
    if done.returncode != 0:
        # Of ninja what the first failed step said, without its command; of CMake what it calls an error.
        failed = re.search(r"^FAILED: .*\n.*\n((?:.*\n)*?)(?=\[\d+/\d+\] |FAILED: |ninja: |\Z)", done.stdout, re.M)
        error = re.search(r"^CMake Error.*", done.stdout, re.M | re.S)
        output = failed[1] if failed else error[0] if error else done.stdout
        raise Failed(f"{what} failed\n{output.rstrip()}")
    return done.stdout


def configure(state):
    cache = state.build / "CMakeCache.txt"
    if cache.exists() and f"CMAKE_HOME_DIRECTORY:INTERNAL={HERE}\n" not in cache.read_text():
        shutil.rmtree(state.build)  # the tree was moved
    if (state.build / "build.ninja").exists():
        return  # ninja asks CMake again where a list changed
    must(f"configuring {state.label}", VENV / "bin/cmake", "-S", HERE, "-B", state.build, "-G", "Ninja",
         f"-DCMAKE_MAKE_PROGRAM={VENV}/bin/ninja", f"-DHalide_DIR={VENV}/halide/lib64/cmake/Halide",
         f"-DHALNORM_SOURCE={state.source}", f"-DHALNORM_TRY_PROGRAMS={'ON' if state.name == 'tree' else 'OFF'}")


def make(state, *targets):
    jobs = os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", str(len(os.sched_getaffinity(0))))
    must(f"building {state.label}", VENV / "bin/cmake", "--build", state.build, "--parallel", jobs, "--target",
         *targets)


def compiler(state):
    cache = (state.build / "CMakeCache.txt").read_text()
    return re.search(r"^CMAKE_CXX_COMPILER:\w+=(.+)$", cache, re.M)[1]


def link(state, out, *inputs):
    out.parent.mkdir(parents=True, exist_ok=True)
    must(f"linking {out.name}", compiler(state), "-o", out, *inputs, state.build / "halnorm/libhalnorm.a",
         "-Wl,--gc-sections", "-pthread", "-lm", "-ldl")
    return out


def whole(archive):
    return ["-Wl,--whole-archive", archive, "-Wl,--no-whole-archive"]


def link_side(state, out, pipeline, objects):
    return link(state, out, "-shared", f"-Wl,--version-script={HERE}/exports.map",
                state.build / f"CMakeFiles/side_{pipeline}.dir/side_{pipeline}.cpp.o", *objects)


def kernels_of(state, variant, pipeline, layout, dtype):
    """Names of the kernels that the pipeline needs: what a link of it without kernels leaves open."""
    missing = run("nm", "-D", "--undefined-only", state.build / f"trial_{pipeline}.so").stdout
    names = re.findall(rf"\bhalnorm_\w+_{DTYPES[dtype]}__{re.escape(variant)}$", missing, re.M)
    return [name for name in names if runs_in(layout, name)]


def runs_in(layout, kernel):
    """Past the cache short rows of NCHW take NHWC's kernel (runtime/streaming.h)."""
    other = "nhwc" if layout == "nchw" else "nchw"
    return f"_{other}_" not in kernel or "_streaming_nhwc_" in kernel


def objects_of(state, names):
    return [state.build / f"halnorm/kernels/{name}.o" for name in names]


class Kept:
    """By the content of a state, build/try/kept/KEY: NAME.so, NAME.checked once it was right, and the variants."""

    def __init__(self, folder):
        self.folder = folder

    def path(self, state, name, suffix=".so"):
        return self.folder / state.key / f"{name}{suffix}"

    def prune(self, *used):
        for state in used:
            os.utime(self.folder / state.key)
        by_age = sorted(self.folder.glob("*"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in by_age[KEPT:]:
            shutil.rmtree(path)
