"""Runs every cell of the grid (cells_test.cpp), one process per point, and counts: cells and calls that ran, cells that
were skipped and why. A failure, a skip for a reason that this machine does not bear out, and too few cells are errors.

    python3 cells.py HALNORM_TESTS [--least CELLS] [--summary FILE] [--only REGEX]
"""

import argparse
import collections
import concurrent.futures
import ctypes
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

# What a processor has to have for a variant, in the words of /proc/cpuinfo.
X86_FLAGS = {"x86_avx512": "avx512f avx512cd avx512vl avx512dq avx512bw avx2 fma f16c bmi1 bmi2",
             "x86_avx2": "avx2 fma f16c bmi1 bmi2",
             "x86_avx": "avx"}
LIBRARIES = {"cuda": "libcuda.so.1", "opencl": "libOpenCL.so.1"}


def processor_lacks(variant):
    words = set(pathlib.Path("/proc/cpuinfo").read_text().split())
    return variant in X86_FLAGS and not words >= set(X86_FLAGS[variant].split())


def loads(library):
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def expected(variant, reason):
    """Whether a variant may be skipped for that reason on this machine."""
    if reason.startswith("this machine or its operating system lacks "):
        return processor_lacks(variant)
    if variant not in LIBRARIES:
        return False
    if reason.startswith(LIBRARIES[variant] + " not found: "):
        return not loads(LIBRARIES[variant])
    return re.match("no CUDA device|no OpenCL (platform|device with)", reason) is not None


class Result:
    """What the processes of one pipeline of one variant said."""

    def __init__(self):
        self.cells = self.skipped = self.calls = 0
        self.seconds = 0.0


def points(program):
    listed = subprocess.run([program, "--gtest_filter=Cells.*", "--gtest_list_tests"], stdout=subprocess.PIPE,
                            text=True, check=True).stdout
    return re.findall(r"^  match_reference/(\w+)", listed, re.MULTILINE)


def run(program, point):
    """(output, report): the process's text if it failed, and what it says of its one test, None if nothing."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "report.json")
        done = subprocess.run([program, f"--gtest_filter=Cells.match_reference/{point}", f"--gtest_output=json:{path}"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        report = None
        if path.exists():
            report = json.loads(path.read_text())["testsuites"][0]["testsuite"][0]
    # 77: it only skipped.
    good = report is not None and done.returncode == (77 if report["result"] == "SKIPPED" else 0)
    return "" if good else f"{done.stdout}\n{point}: exit status {done.returncode}", report


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--least", type=int, default=0, help="cells that there have to be, skipped ones included")
    parser.add_argument("--summary", type=pathlib.Path, help="a file for the summary too")
    parser.add_argument("--only", default="", help="points whose name has this regular expression")
    arguments = parser.parse_args()

    results = collections.defaultdict(Result)
    reasons = collections.Counter()
    wrong = []
    began = time.monotonic()
    names = [name for name in points(arguments.program) if re.search(arguments.only, name)]
    jobs = int(os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", 0)) or len(os.sched_getaffinity(0))
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for name, (output, report) in zip(names, pool.map(lambda point: run(arguments.program, point), names)):
            pipeline, variant = re.match(r"(\w+?)_(?:nchw|nhwc)_f\d\d__(\w+)$", name).groups()
            result = results[variant, pipeline]
            if output:
                print(output, flush=True)
                wrong.append(f"{name} failed")
                continue
            cells = int(report["cells"])
            if report["result"] == "SKIPPED":
                reason = report["why_unsupported"]
                result.skipped += cells
                reasons[variant, reason] += cells
            else:
                result.cells += cells
                result.calls += int(report["calls"])
                result.seconds += float(report["time"].rstrip("s"))
                print(f"{name}: {cells} cells, {report['calls']} calls, {report['time']}", flush=True)
    for variant, reason in reasons:
        if not expected(variant, reason):
            wrong.append(f"{variant}: an unexpected skip: {reason or 'no reason was given'}")

    lines = [f"{'variant':12} {'pipeline':16} {'cells':>6} {'skipped':>8} {'calls':>8} {'seconds':>8}"]
    total = Result()
    for (variant, pipeline), r in results.items():
        lines.append(f"{variant:12} {pipeline:16} {r.cells:6} {r.skipped:8} {r.calls:8} {r.seconds:8.0f}")
        for field in ("cells", "skipped", "calls", "seconds"):
            setattr(total, field, getattr(total, field) + getattr(r, field))
    lines.append(f"{'all':12} {'':16} {total.cells:6} {total.skipped:8} {total.calls:8} {total.seconds:8.0f}")
    for (variant, reason), cells in reasons.items():
        lines.append(f"skipped: {cells} cells of {variant}: {reason}")
    there = total.cells + total.skipped
    if there < arguments.least:
        wrong.append(f"there are {there} cells, should be at least {arguments.least}")
    if total.cells == 0:
        wrong.append("no cell ran")
    lines += [f"wrong: {what}" for what in wrong]
    lines.append(f"cells: {total.cells} ran, {total.skipped} skipped, {len(wrong)} mistakes, "
                 f"in {time.monotonic() - began:.0f} s")
    summary = "\n".join(lines) + "\n"
    print(summary, end="")
    if arguments.summary:
        arguments.summary.write_text(summary)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
