"""What an instruction of a loop is for. Whether it reads or writes memory is the disassembler's word (llvm-mca's
mayLoad, mayStore); the rest is told from its text."""

import dataclasses
import re

KINDS = ("load", "store", "arithmetic", "move", "spill", "scalar", "branch")

VECTOR = {
    "x86-64": re.compile(r"%[xyz]mm\d+|%k[0-7]"),
    "arm-64": re.compile(r"\b[vqds]\d+\b"),
    "arm-32": re.compile(r"\b[qds]\d+\b"),
}
STACK = {
    "x86-64": re.compile(r"\(%rsp[,)]"),
    "arm-64": re.compile(r"\[sp\b"),
    "arm-32": re.compile(r"\[sp\b"),
}
BRANCH = {
    "x86-64": re.compile(r"j\w+|ret\w*"),
    "arm-64": re.compile(r"b(\.\w+)?|c?bn?z|tbn?z|ret|br"),
    "arm-32": re.compile(r"b(eq|ne|cs|hs|cc|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le)?|bx\w*"),
}
# Between registers or memory, or from lane to lane: no arithmetic.
MOVE = {
    "x86-64": re.compile(r"v?mov(ap[sd]|up[sd]|dq[au]\d*|s[sd]|s[hl]dup|ddup|hlps|lhps|[hl]p[sd]|[dq])|"
                         r"v?p?broadcast\w+|vbroadcast\w+|"
                         r"v?p?unpck\w+|v?p?shuf\w+|vperm\w+|v?p?insert\w+|v?p?extract\w+|kmov\w|"
                         r"vp?maskmov\w+|v?lddqu|vp?gather\w+"),
    "arm-64": re.compile(r"f?mov|dup|ins|ext|zip[12]|uzp[12]|trn[12]|tbl|movi|mvni|xtn2?"),
    "arm-32": re.compile(r"v?mov(\.\w+)?|vdup(\.\w+)?|vext(\.\w+)?|vzip\S*|vuzp\S*|vtrn\S*|vswp|vmvn\S*|vmovn\S*"),
}
CALL = re.compile(r"call\w*|blx?")


@dataclasses.dataclass
class Classified:
    text: str
    kind: str
    loads: float = 0  # vectors that it reads from memory, also where it computes with them
    constant: bool = False  # what it reads is a constant of the code
    on_stack: bool = False  # a spilled register, or what Halide stores on the stack


def mnemonic_of(text):
    return text.split(" ", 1)[0]


def classify(instruction, may_load, may_store, arch, vector_bytes=16):
    text, name = instruction.text, mnemonic_of(instruction.text)
    operands = text[len(name):]
    constant = ".LCPI" in operands or bool(re.search(r"\b__?real", operands))
    if BRANCH[arch].fullmatch(name) or CALL.fullmatch(name):
        return Classified(text, "branch")
    on_stack = bool(instruction.spill or ((may_load or may_store) and STACK[arch].search(operands)))
    computes = arch == "x86-64" and may_load and not may_store and not MOVE[arch].fullmatch(name)
    if on_stack and not (computes and VECTOR[arch].search(operands)):
        return Classified(text, "spill", on_stack=True)
    if not VECTOR[arch].search(operands):
        return Classified(text, "scalar")
    if on_stack:
        return Classified(text, "arithmetic", on_stack=True)
    if may_store:
        return Classified(text, "store")
    loads = vectors_read(text, arch, vector_bytes) if may_load else 0
    if MOVE[arch].fullmatch(name):
        return Classified(text, "load" if may_load else "move", loads, constant)
    if may_load and arch != "x86-64":  # loads are instructions of their own
        return Classified(text, "load", loads, constant)
    return Classified(text, "arithmetic", loads, constant)


def without_memory(text):
    """An instruction of x86 that computes, with a register in place of what it reads from memory."""
    register = re.search(r"%[xyz]mm", text)
    text = re.sub(r"[-.\w]*\([^)]*\)", f"{register[0]}15" if register else "%xmm15", text)
    return re.sub(r"\{1to\d+\}", "", text)


def vectors_read(text, arch, vector_bytes):
    """How many vectors a load fills: ldp q0, q1 two, vld1.32 {d0, d1} one. A single element counts as a vector: it
    takes as long."""
    if arch == "x86-64":
        width = {"x": 16, "y": 32, "z": 64}[(re.findall(r"%([xyz])mm", text) or ["x"])[-1]]
        single = re.search(r"s[sd]$|broadcast", mnemonic_of(text))
        return 1 if single else width / vector_bytes
    target = text.split("[")[0]
    if arch == "arm-64":
        if listed := re.search(r"v(\d+)\.\w+\s*-\s*v(\d+)", target):
            return int(listed[2]) - int(listed[1]) + 1
        return max(1, len(VECTOR[arch].findall(target)))
    if listed := re.search(r"d(\d+)\s*-\s*d(\d+)", target):
        return max(1, (int(listed[2]) - int(listed[1]) + 1) // 2)
    return max(1, len(VECTOR[arch].findall(target)) // 2)
