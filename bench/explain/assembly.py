"""LLVM's assembly as blocks and loops, by the comments that LLVM writes: names of blocks, headers and depths of loops,
and which accesses to the stack are spilled registers."""

import dataclasses
import re

COMMENT = {"x86-64": "#", "arm-64": "//", "arm-32": "@"}
LABEL = re.compile(r"\.L(BB\d+_\d+):")
NAME = re.compile(r'%"?(?P<name>[^"]+)"?$')
NUMBER = re.compile(r"(\d+)_for_")
HEADER = re.compile(r"=>\s*This (?P<inner>Inner )?Loop Header: Depth=(?P<depth>\d+)")
MEMBER = re.compile(r"in Loop: Header=(?P<header>BB\d+_\d+) Depth=\d+")
PARENT = re.compile(r"Parent Loop (BB\d+_\d+) Depth=(\d+)")
SPILL = re.compile(r"-byte (Folded )?(?P<kind>Spill|Reload)")


@dataclasses.dataclass
class Instruction:
    text: str
    spill: str = ""  # "Spill" (a store), "Reload" (a load) or neither


@dataclasses.dataclass
class Block:
    label: str = ""
    name: str = ""
    header: str = ""  # label of the innermost loop around it
    instructions: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Loop:
    label: str
    depth: int
    innermost: bool
    number: int = 0  # of the loop in the statement; 0: not known
    blocks: list = dataclasses.field(default_factory=list)  # without those of inner loops

    @property
    def instructions(self):
        return [instruction for block in self.blocks for instruction in block.instructions]


def loops_of(text, arch):
    """All loops, in the order of their headers."""
    blocks, loops = [], {}
    for block, comments in split(text, COMMENT[arch]):
        blocks.append(block)
        joined = "\n".join(comments)
        if match := HEADER.search(joined):
            loops[block.label] = Loop(block.label, int(match["depth"]), bool(match["inner"]))
            block.header = block.label
        elif match := MEMBER.search(joined):
            block.header = match["header"]
    for before, block in zip([Block()] + blocks, blocks):
        if not block.header:
            continue
        loop = loops[block.header]
        loop.blocks.append(block)
        if block.label == loop.label:
            # A header without a name follows the block that leads to it.
            match = NUMBER.match(block.name) or (not block.name and NUMBER.match(before.name))
            loop.number = int(match[1]) if match else 0
    return list(loops.values())


def split(text, comment):
    """Blocks, each with its comments."""
    fallthrough = re.compile(re.escape(comment) + r" %bb\.\d+:")
    block, comments = Block(), []
    for line in text.splitlines():
        code, mark, remark = line.partition(comment)
        code, remark = code.strip(), remark.strip()
        label = LABEL.match(code)
        if label or fallthrough.match(line):
            if block.label or block.name or block.instructions:
                yield block, comments
            block, comments = Block(label[1] if label else ""), []
            if not label:
                remark = remark.partition(":")[2].lstrip().removeprefix(comment).strip()
            if match := NAME.match(remark):
                block.name = match["name"]
            else:
                comments.append(remark)
        elif code and not code.startswith(".") and not code.endswith(":"):
            match = SPILL.search(remark)
            block.instructions.append(Instruction(" ".join(code.split()), match["kind"] if match else ""))
        elif mark and not block.instructions:
            comments.append(remark)
        elif code.startswith(".section") or code.startswith(".Lfunc_end"):
            yield block, comments
            block, comments = Block(), []
    yield block, comments
