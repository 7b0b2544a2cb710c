"""./run mutate: puts faults into a copy of the tree, one at a time, and shows which test notices each."""

import argparse
import os
import pathlib
import subprocess
import sys
import time

import faults
from ctest import first_failed
from patch import NotApplicable, patched

ROOT = pathlib.Path(__file__).resolve().parents[2]
VENV = ROOT / "build/venv"
FOLDER = ROOT / "build/mutation"
TREE, BUILD = FOLDER / "tree", FOLDER / "build"
# One variant with vectors, tails and streaming stores that most machines run, and generic: a rebuild of the kernels is short.
VARIANT = "x86_avx2"
TARGETS = ("halnorm_tests", "halnorm_allocation_tests", "halnorm_dispatch_tests", "halnorm_property_tests",
           "halnorm_program")
# What the targets run, of the tests that always run.
SUITE = (r"^(reference|variants|first_use|errors|gradients|dispatch|allocation|layer|parameters|state|model_average"
         r"|streaming(\..+)?|memory_hints|(grid|backward|bits|accuracy|activations|edges|special_values|guard|properties|program)\..+)$")


class Failed(Exception):
    """What went wrong, to be shown."""


def say(text, end="\n"):
    print(text, end=end, flush=True)


def run(*command, **options):
    return subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, **options)


def must(what, *command):
    done = run(*command)
    if done.returncode != 0:
        raise Failed(f"{what} failed\n{done.stdout[-4000:].rstrip()}")
    return done.stdout


def write(name, content):
    """Into the copy, where it differs: what is the same is not built again."""
    path = TREE / name
    if not path.is_file() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod((ROOT / name).stat().st_mode)


def copy_tree():
    """The tree as it is, without what git ignores."""
    listed = run("git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if listed.returncode != 0:
        raise Failed("mutate needs git, which lists what belongs to the tree")
    names = {name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()}
    for path in list(TREE.rglob("*")):
        if path.is_file() and path.relative_to(TREE).as_posix() not in names:
            path.unlink()
    for name in names:
        write(name, (ROOT / name).read_bytes())


def build():
    jobs = os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", str(len(os.sched_getaffinity(0))))
    return run(VENV / "bin/cmake", "--build", BUILD, "--parallel", jobs, "--target", *TARGETS)


def configure():
    must("configuring the copy", VENV / "bin/cmake", "-S", TREE, "-B", BUILD, "-G", "Ninja",
         f"-DCMAKE_MAKE_PROGRAM={VENV}/bin/ninja", f"-DHalide_DIR={VENV}/halide/lib64/cmake/Halide",
         f"-DHALNORM_VARIANTS={VARIANT}", "-DHALNORM_TESTS=ON", "-DHALNORM_TOOLS=ON")


def failing_test(*select):
    """The first test that fails, or None."""
    done = run(VENV / "bin/ctest", "--test-dir", BUILD, "--stop-on-failure", "--no-tests=error", "--label-exclude",
               "^(slow|emulated)$", "--parallel", len(os.sched_getaffinity(0)), *select,
               env={**os.environ, "GTEST_FAIL_FAST": "1"})
    if done.returncode == 0:
        return None
    failed = first_failed(done.stdout)
    if failed is None:
        raise Failed(f"ctest failed without a failing test\n{done.stdout[-2000:].rstrip()}")
    return failed


def caught_by(fault, thorough):
    write(fault.file, patched(ROOT, fault).encode())
    try:
        if build().returncode != 0:
            raise Failed(f"{fault.name} ({fault.file}) does not build, and so shows nothing (its log: ninja -C {BUILD})")
        found = failing_test("--tests-regex", fault.tests)
        if found is None and thorough:
            found = failing_test("--tests-regex", SUITE, "--exclude-regex", fault.tests)
        return found
    finally:
        write(fault.file, (ROOT / fault.file).read_bytes())


def arguments():
    names = [fault.name for fault in faults.FAULTS]
    parser = argparse.ArgumentParser(prog="./run mutate", description=__doc__, add_help=False)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--check", action="store_true")  # the arguments, and that is all
    options = parser.parse_args()
    for name in options.names:
        if name not in names:
            parser.exit(2, f"run: mutate: NAME: was '{name}', should be one of {', '.join(names)}\n")
    options.faults = [fault for fault in faults.FAULTS if not options.names or fault.name in options.names]
    return options


def main():
    options = arguments()
    for fault in options.faults:
        patched(ROOT, fault)
    if options.check:
        return 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    say("      without a fault: ", end="")
    began = time.monotonic()
    copy_tree()
    configure()
    done = build()
    if done.returncode != 0:
        raise Failed(f"the tree does not build without a fault\n{done.stdout[-4000:].rstrip()}")
    select = "|".join(sorted({fault.tests for fault in options.faults}))
    unsound = failing_test("--tests-regex", select)
    if unsound:
        raise Failed(f"{unsound} fails without a fault")
    say(f"all pass, {time.monotonic() - began:.0f} s")
    width = max(len(fault.name) for fault in options.faults), max(len(fault.file) for fault in options.faults)
    say(f"{'fault':{width[0]}}  {'file':{width[1]}}  caught by")
    survivors = []
    for fault in options.faults:
        say(f"{fault.name:{width[0]}}  {fault.file:{width[1]}}  ", end="")
        began = time.monotonic()
        found = caught_by(fault, not options.quick)
        say(f"{found or 'SURVIVED'} ({time.monotonic() - began:.0f} s)")
        if found is None:
            survivors.append(fault.name)
    if survivors:
        say(f"no test notices {len(survivors)} of {len(options.faults)} faults: {', '.join(survivors)}")
        return 1
    say(f"{len(options.faults)} of {len(options.faults)} faults were noticed")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failed, NotApplicable) as error:
        sys.exit(f"run: mutate: {error}")
