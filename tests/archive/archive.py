"""What the tests here read: the archive's members with their symbols, sections and instructions, by the tools of binutils.

Environment: HALNORM_BUILD (a build of the library), HALNORM_TOOL_PREFIX (of its binutils, "" for this machine's), CC (its C
compiler) and HALNORM_SCRATCH (a folder for what the tests make).
"""

import collections
import functools
import os
import pathlib
import re
import subprocess

BUILD = pathlib.Path(os.environ["HALNORM_BUILD"])
LIBRARY = BUILD / "libhalnorm.a"
STATE_LIBRARY = BUILD / "libhalnorm_state.a"  # absent where the build is without it
PREFIX = os.environ.get("HALNORM_TOOL_PREFIX", "")
CC = os.environ["CC"]

Variant = collections.namedtuple("Variant", "name arch features device")
Section = collections.namedtuple("Section", "name flags size")
Symbol = collections.namedtuple("Symbol", "name type")
Kernel = collections.namedtuple("Kernel", "member stage dtype variant")

# Stages that walk over the activations; the others do a few steps per channel.
WIDE_STAGES = ("sums", "normalize")


def scratch():
    folder = pathlib.Path(os.environ["HALNORM_SCRATCH"])
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def tool(name, *arguments):
    return run(PREFIX + name, *arguments)


def run(*command):
    command = [str(word) for word in command]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}\nexit status {done.returncode}\n{done.stdout}")
    return done.stdout


@functools.lru_cache(maxsize=None)
def variants():
    """The table that dispatch believes: name -> Variant."""
    table = (BUILD / "kernels/variants_table.cpp").read_text()
    rows = re.findall(r'\{"(\w+)", "([\w-]+)", "([\w ]*)", \w+, VariantDevice::(\w+), \w+\}', table)
    return {name: Variant(name, arch, frozenset(features.split()), device) for name, arch, features, device in rows}


def arch():
    return variants()["generic"].arch


@functools.lru_cache(maxsize=None)
def members(library=LIBRARY):
    return tuple(tool("ar", "t", library).split())


@functools.lru_cache(maxsize=None)
def kernels():
    name = r"halnorm_(\w+?)(?:_nchw|_nhwc)?_(f32|f64)__(\w+)(?:\.halide_generated\.cpp)?\.o"
    matches = (re.fullmatch(name, member) for member in members())
    return tuple(Kernel(m[0], *m.groups()) for m in matches if m)


def runtime_members():
    return sorted(set(members()) - {kernel.member for kernel in kernels()})


@functools.lru_cache(maxsize=None)
def symbols(library=LIBRARY):
    """member -> its Symbols, as nm types them: capital letters are visible to a linker, U and w are asked for."""
    found = collections.defaultdict(list)
    for line in tool("nm", "-A", "--format=posix", library).splitlines():
        match = re.match(r".*\[(.+)\]: (\S+) (\w)", line)
        if match:
            found[match[1]].append(Symbol(match[2], match[3]))
    return found


def defined_globals(member, library=LIBRARY):
    return {s.name for s in symbols(library)[member] if s.type.isupper() and s.type != "U" or s.type in "uiv"}


def undefined(member):
    return {s.name for s in symbols()[member] if s.type in "Uw"}


@functools.lru_cache(maxsize=None)
def sections(library=LIBRARY):
    """member -> its Sections."""
    found = collections.defaultdict(list)
    member = None
    for line in tool("readelf", "-SW", library).splitlines():
        if line.startswith("File: "):
            member = re.search(r"\((.+)\)$", line)[1]
        row = re.match(r"\s*\[ *\d+\] (\S+) +[A-Z]\w+ +[0-9a-f]+ [0-9a-f]+ ([0-9a-f]+) [0-9a-f]+ +([A-Za-z]*) +\d+ +\d+ +\d+",
                       line)
        if row:
            found[member].append(Section(row[1], row[3], int(row[2], 16)))
    return found


@functools.lru_cache(maxsize=None)
def instructions(library=LIBRARY):
    """member -> the texts of its different instructions, "mnemonic operands", without addresses and comments."""
    found = collections.defaultdict(set)
    member = None
    for line in tool("objdump", "-d", "--no-show-raw-insn", library).splitlines():
        header = re.match(r"(\S+):\s+file format", line)
        if header:
            member = header[1]
            continue
        row = re.match(r"\s*[0-9a-f]+:\t(.+)", line)
        if row:
            text = re.split(r"\s*[<@;#]|//", row[1])[0]
            found[member].add(" ".join(text.split()))
    return found
