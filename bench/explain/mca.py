"""llvm-mca on straight pieces of code: cycles per iteration in a steady state, and what they are spent on."""

import dataclasses
import json
import os
import re
import shutil
import subprocess

import cpus

COMMENT = {"x86-64": "#", "arm-64": "//", "arm-32": "@"}
SHORT, LONG = 50, 150  # iterations; the difference is free of the start


class McaError(Exception):
    pass


@dataclasses.dataclass
class Result:
    cycles: float  # per iteration, simulated
    throughput: float  # per iteration, if nothing waited for anything but units and the dispatch
    uops: float
    busiest: str  # unit
    busiest_cycles: float
    dispatch_width: int

    @property
    def limit(self):
        """What the cycles are spent on."""
        if self.cycles > 1.1 * self.throughput + 0.1:
            return "latency"
        if self.uops / self.dispatch_width >= 0.98 * self.busiest_cycles:
            return "dispatch"
        return self.busiest


def find():
    for name in ("llvm-mca-22", "llvm-mca"):
        if path := shutil.which(name):
            return path
    raise McaError("llvm-mca: was not found on the PATH, should be there as llvm-mca-22 (Debian package llvm-22)")


def version(program):
    text = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    return re.search(r"version (\S+)", text)[1]


def judge(program, regions, arch, cpu):
    """{name: Result, or the reason why there is none} of {name: instructions}."""
    try:
        short = run(program, regions, arch, cpu, SHORT)
        long = run(program, regions, arch, cpu, LONG)
    except McaError as error:
        if len(regions) <= 1:
            return {name: str(error) for name in regions}
        # One instruction that the model does not know spoils the run: each piece on its own.
        result = {}
        for name, listing in regions.items():
            result.update(judge(program, {name: listing}, arch, cpu))
        return result
    return {name: combine(short[name], long[name]) for name in regions}


def memory_flags(program, regions, arch, cpu):
    """{name: (mayLoad, mayStore) per instruction}, of those regions that the processor's model knows."""
    try:
        return {name: region["flags"] for name, region in run(program, regions, arch, cpu, 1).items()}
    except McaError:
        if len(regions) <= 1:
            return {}
    result = {}
    for name, listing in regions.items():
        result.update(memory_flags(program, {name: listing}, arch, cpu))
    return result


def run(program, regions, arch, cpu, iterations):
    mark = COMMENT[arch]
    text = "".join(f"{mark} LLVM-MCA-BEGIN {name}\n" + "".join(f"{known(line)}\n" for line in listing) +
                   f"{mark} LLVM-MCA-END {name}\n" for name, listing in regions.items())
    command = [program, f"-mtriple={cpus.TRIPLE[arch]}", f"-mcpu={cpu}", f"-iterations={iterations}", "--json"]
    if cpus.ATTRIBUTES[arch]:
        command.append(f"-mattr={cpus.ATTRIBUTES[arch]}")
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    if done.returncode != 0:
        raise McaError(telling(done.stderr))
    return parse(done.stdout)


def known(line):
    """Models for ARMv7 cannot tell how many registers vldmia has; vld1.64 reads the same."""
    return re.sub(r"^v(ld|st)mia (\w+), (\{d\d+, d\d+\})$", r"v\g<1>1.64 \3, [\2]", line)


def telling(stderr):
    lines = [" ".join(line.split()) for line in stderr.splitlines()]
    lines = [re.sub(r"^(\S+: )?(error|note): ", "", line) for line in lines if re.search(r"\b(error|note): ", line)]
    return "; ".join(lines[:2]) or "llvm-mca failed without a word"


def parse(text):
    """{name: region}, of llvm-mca's JSON."""
    data = json.loads(text)
    resources = [clean(name) for name in data["TargetInfo"]["Resources"]]
    result = {}
    for region in data["CodeRegions"]:
        instructions = region["InstructionInfoView"]["InstructionList"]
        total = len(region["Instructions"])
        pressure = {}
        for entry in region["ResourcePressureView"]["ResourcePressureInfo"]:
            if entry["InstructionIndex"] == total:  # the line of sums, per iteration
                name = resources[entry["ResourceIndex"]]
                pressure[name] = max(pressure.get(name, 0), entry["ResourceUsage"])
        summary = region["SummaryView"]
        result[region["Name"]] = {
            "iterations": summary["Iterations"],
            "cycles": summary["TotalCycles"],
            "throughput": summary["BlockRThroughput"],
            "uops": summary["TotaluOps"] / summary["Iterations"],
            "dispatch_width": summary["DispatchWidth"],
            "pressure": pressure,
            "flags": [(one["mayLoad"], one["mayStore"]) for one in instructions],
        }
    return result


def clean(resource):
    """Units of one kind carry a number in a byte behind their name."""
    return re.sub(r"\.[\x00-\x1f]$", "", resource)


def combine(short, long):
    busiest = max(long["pressure"], key=long["pressure"].get, default="")
    return Result(
        cycles=(long["cycles"] - short["cycles"]) / (long["iterations"] - short["iterations"]),
        throughput=long["throughput"],
        uops=long["uops"],
        busiest=busiest,
        busiest_cycles=long["pressure"].get(busiest, 0),
        dispatch_width=long["dispatch_width"])


def model_of(program, arch, cpu):
    """The model that LLVM uses for a processor, by what the names of its units begin with; "" where it has none."""
    command = [program, f"-mtriple={cpus.TRIPLE[arch]}", f"-mcpu={cpu}", "--json", "-iterations=1"]
    line = {"x86-64": "addl %eax, %eax", "arm-64": "add x0, x0, x1", "arm-32": "add r0, r0, r1"}[arch]
    done = subprocess.run(command, input=line + "\n", capture_output=True, text=True)
    if done.returncode != 0 or "not a recognized processor" in done.stderr:
        return ""
    names = [clean(name) for name in json.loads(done.stdout)["TargetInfo"]["Resources"]]
    return re.sub(r"(Unit|Port|P)\w?$", "", os.path.commonprefix(names)) or "unnamed"
