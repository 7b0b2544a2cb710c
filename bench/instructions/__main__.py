"""Instructions that ARM executes per element, halnorm's beside those of a plain loop that gcc has optimized, counted by
QEMU. `./run bench --instructions` calls it."""

import argparse
import math
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# Platform: name, tools, emulator, compiler's flags beside -O3.
PLATFORMS = {
    "aarch64-linux": ("AArch64", "aarch64-linux-gnu", "qemu-aarch64", []),
    "armv7-linux": ("ARMv7", "arm-linux-gnueabihf", "qemu-arm", ["-mfpu=neon-vfpv4"]),
}
JOBS = {"normalize": "inference", "prepared": "inference, prepared", "statistics": "statistics",
        "reduce": "backward, sums", "apply": "backward, dx"}
SHAPES = [(2, 64, 784), (8, 64, 49), (2, 17, 900), (64, 10, 1)]


def run(*command):
    made = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if made.returncode != 0:
        sys.exit(f"instructions: {command[0]} failed:\n{made.stderr}")
    return made.stdout + made.stderr


def counted(emulator, program, job, layout, who, shape, times):
    """Instructions, and the results in words."""
    output = run(*emulator, program, job, layout, who, *shape, times)
    return int(re.search(r"instructions: (\d+)", output)[1]), re.search(r"result: (\S+) (\S+)", output).groups()


def per_element(emulator, program, job, layout, shape):
    """halnorm's and the loop's, of one call: what three calls take more than one."""
    n, c, s = shape
    numbers, results = [], []
    for who in ("halnorm", "loop"):
        (once, result), (thrice, _) = (counted(emulator, program, job, layout, who, shape, times) for times in (1, 3))
        numbers.append((thrice - once) / 2 / (n * c * s))
        results.append([float(x) for x in result])
    if not all(math.isclose(a, b, rel_tol=1e-4, abs_tol=1e-4) for a, b in zip(*results)):
        sys.exit(f"instructions: {job} {layout} {shape}: halnorm computes {results[0]}, the loop {results[1]}")
    return numbers


def table(platform, build, scratch):
    name, tools, emulator, flags = PLATFORMS[platform]
    program, plugin = scratch / f"jobs-{platform}", scratch / f"count-{platform}.so"
    run("gcc", "-O2", "-shared", "-fPIC", HERE / "count.c", "-o", plugin)
    run(f"{tools}-g++", "-std=c++17", "-O3", *flags, f"-I{ROOT / 'runtime/include'}", HERE / "jobs.cpp",
        build / platform / "libhalnorm.a", "-lm", "-lpthread", "-ldl", "-o", program)
    compiler = run(f"{tools}-g++", "-dumpfullversion").strip()
    emulator = (emulator, "-L", f"/usr/{tools}", "-plugin", plugin, "-d", "plugin")
    print(f"\n{name}, gcc {compiler} -O3 {' '.join(flags)}".rstrip() + ":\n")
    print("| job, relu | layout | n x c x s | halnorm | loop | halnorm / loop |\n|---|---|---|---|---|---|")
    more = 0
    for job, title in JOBS.items():
        for layout in ("nchw", "nhwc"):
            for shape in SHAPES:
                if shape[2] == 1 and layout == "nchw":
                    continue
                ours, loops = per_element(emulator, program, job, layout, shape)
                more += ours > loops
                print(f"| {title} | {layout.upper()} | {'x'.join(map(str, shape))} | {ours:.2f} | {loops:.2f} | "
                      f"{ours / loops:.2f} |", flush=True)
    print(f"\nMore than the loop's: {more}.")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, required=True, help="with PLATFORM/libhalnorm.a")
    parser.add_argument("platforms", nargs="+", choices=PLATFORMS, metavar="PLATFORM")
    options = parser.parse_args()
    scratch = options.build / "bench"
    scratch.mkdir(parents=True, exist_ok=True)
    for platform in options.platforms:
        table(platform, options.build, scratch)


if __name__ == "__main__":
    main()
