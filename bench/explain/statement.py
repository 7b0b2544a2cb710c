"""Halide's lowered statement (-e stmt) as a tree of its loops: under which conditions each runs, and what it reads and
writes of the large tensors.

Halide numbers loops in the order of this text, and the blocks of its assembly carry the numbers ("39_for_y.s0.s.s" is of
the 39th `for`), so a loop of the assembly is found here by its number.
"""

import dataclasses
import re

from values import Values

# Tensors with an element per position; everything else is per channel and small.
LARGE = ("x", "z", "dy", "y", "dx")
REFERENCE = re.compile(r"(?<![\w.$])(" + "|".join(LARGE) + r")(?:\$\d+)?\[")
FOR = re.compile(r"for \((?P<name>[^,]+), (?P<min>.+), (?P<extent>[^,]+)\) \{$")
LET = re.compile(r"let (?P<name>\S+) = (?P<value>.+)$")
LET_WITHIN = re.compile(r"\blet (?P<name>\S+) = (?=\()")  # let name = (value) in ...


@dataclasses.dataclass
class Access:
    """One read or write of a tensor: neighbouring elements, or a single one."""
    tensor: str
    lanes: int
    is_store: bool


@dataclasses.dataclass
class Loop:
    number: int
    name: str
    extent: str
    conditions: list  # from the outermost in; an else is "otherwise"
    parent: "Loop" = None
    children: list = dataclasses.field(default_factory=list)
    accesses: list = dataclasses.field(default_factory=list)  # of one iteration, without those of inner loops
    masked: bool = False

    @property
    def nest(self):
        """The loops around it and itself, by the names of their variables."""
        return (self.parent.nest if self.parent else []) + [short(self.name)]


@dataclasses.dataclass
class Line:
    """Of the outline: the statement without its arithmetic."""
    depth: int
    text: str
    loop: Loop = None


def short(name):
    """y.s0.c.rebased -> c, sums$2.s1.fulls$x -> fulls.x"""
    parts = name.replace("$", ".").split(".")
    stage = next((i for i, part in enumerate(parts) if re.fullmatch(r"s\d+", part)), -1)
    return ".".join(part for part in parts[stage + 1:] if part != "rebased")


def parse(text):
    """(loops in order, lines of the outline)"""
    loops, outline, lets, values = [], [], {}, Values()
    frames = []  # ("for", Loop) | ("if", condition) | ("other", None)
    seen = set()  # reads of the innermost loop so far

    def innermost():
        return next((loop for kind, loop in reversed(frames) if kind == "for"), None)

    def note(words, loop=None):
        outline.append(Line(len(frames), without_numbers(words), loop))

    for line in text.splitlines():
        line = line.strip()
        if line.startswith("}"):
            frames.pop()
            line = line[1:].strip()
            if line == "else {":
                note("otherwise")
                frames.append(("if", "otherwise"))
                continue
            if line.startswith("else "):
                line = line[len("else "):]
        if match := FOR.match(line):
            # What guards a Func's storage (NAME.loaded) is true throughout.
            conditions = [each for kind, value in frames if kind == "if" and not value.endswith(".loaded")
                          for each in form_apart(value)]
            loop = Loop(len(loops) + 1, match["name"], match["extent"], conditions, innermost())
            if loop.parent:
                loop.parent.children.append(loop)
            loops.append(loop)
            note(f"for {short(loop.name)}", loop)
            frames.append(("for", loop))
            seen = set()
        elif line.startswith("if (") and line.endswith(") {"):
            condition = readable(unwrap(line[len("if "):-len(" {")]), lets)
            note(f"if {condition}")
            frames.append(("if", condition))
        elif line.endswith("{"):
            note(line[:-1].strip())
            frames.append(("other", None))
        else:
            for match in LET_WITHIN.finditer(line):
                values.define(match["name"], line[match.end():closing(line, match.end()) + 1])
            if match := LET.match(line):
                lets[match["name"]] = match["value"]
                values.define(match["name"], match["value"])
            if innermost() is not None:
                add_accesses(innermost(), line, seen, values)
    return loops, outline


def readable(condition, lets):
    """With the definitions of the compiler's own names in place, as long as that stays short, and S, C and N for the
    extents of the tensors."""
    for _ in range(4):
        longer = re.sub(r"\bt\d+\b", lambda match: bracketed(lets.get(match[0], match[0])), condition)
        if longer == condition or len(longer) > 72:
            break
        condition = unwrap(longer)
    condition = re.sub(r"\b(?:x|z|dy|y|dx)\.extent\.([012])\b", lambda match: "SCN"[int(match[1])],
                       without_numbers(condition))
    return re.sub(r"\((\w+ (?:%|<=|<|>=|>|==) \d+)\)", r"\1", condition)


def without_numbers(text):
    """Without those numbers in names that only keep them apart: sums$2.0 -> sums.0"""
    return re.sub(r"\$\d+", "", text)


def bracketed(value):
    return value if re.fullmatch(r"[\w.$]+", value) else f"({value})"


def form_apart(condition):
    """What it says of the form, and the rest."""
    match = re.fullmatch(r"(.+) && (form (?:==|<=) \d+)", condition)
    return [match[2], unwrap(match[1])] if match else [condition]


def unwrap(condition):
    while condition.startswith("(") and closing(condition, 0) == len(condition) - 1:
        condition = condition[1:-1]
    return condition


def closing(text, start):
    """Where the bracket that opens at `start` closes."""
    depth = 0
    for i in range(start, len(text)):
        depth += (text[i] in "([") - (text[i] in ")]")
        if depth == 0:
            return i
    raise ValueError(f"no closing bracket: {text}")


def add_accesses(loop, line, seen, values):
    if line.startswith("predicate") or " if (" in line or "] if " in line:
        loop.masked = True
    for match in REFERENCE.finditer(line):
        end = closing(line, match.end() - 1)
        index = line[match.end():end]
        is_store = match.start() == 0 and line[end + 1:].startswith(" = ")
        base, lanes = base_and_lanes(index)
        key = (match[1], values.of(base), lanes, is_store)
        if key not in seen:  # the same element again is in a register
            seen.add(key)
            loop.accesses.append(Access(match[1], lanes, is_store))


def base_and_lanes(index):
    """Of neighbours, ramp(base, 1, lanes), or of one element."""
    if index.startswith("ramp("):
        base, _, lanes = index[len("ramp("):closing(index, len("ramp"))].rsplit(",", 2)
        return base, int(lanes)
    return index, 1


def accesses_of(loop, present):
    """Of one iteration of `loop`, with those of the inner loops that the compiler has unrolled: they are not among the
    numbers `present`. None where their count is not a constant."""
    result = list(loop.accesses)
    for child in loop.children:
        if child.number in present:
            continue
        inner = accesses_of(child, present)
        if inner is None or (inner and not child.extent.isdigit()):
            return None
        result += inner * int(child.extent) if inner else []
    return result
