"""docs/writing-a-schedule.md as a program: its edits and its commands, in their order."""

import pathlib
import re
import shlex

ROOT = pathlib.Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs/writing-a-schedule.md"


def steps():
    """("diff", text) and ("command", words): blocks of diff, and indented lines that begin with cp or ./run."""
    text = GUIDE.read_text()
    for match in re.finditer(r"^```diff\n((?:.*\n)*?)```$|^    ((?:cp|\./run) .+)$", text, re.M):
        if match[1] is not None:
            yield "diff", match[1]
        else:
            yield "command", shlex.split(match[2])


def commands():
    """All that are named, in running text too."""
    return [shlex.split(command) for command in re.findall(r"(?:^    |`)(\./run [^`\n]+)", GUIDE.read_text(), re.M)]


def paths():
    """Files and folders of the tree that the text names."""
    return set(re.findall(r"`((?:schedules|generators|docs|bench|tests)/[\w./-]+)`", GUIDE.read_text()))


def apply(diff, folder):
    """One hunk in one file: what it takes away stands where the hunk says, and nowhere else."""
    path = folder / re.search(r"^\+\+\+ b/(.+)$", diff, re.M)[1]
    lines = diff.split("@@\n", 1)[1].splitlines(keepends=True)
    old = "".join(line[1:] for line in lines if line[0] in " -")
    new = "".join(line[1:] for line in lines if line[0] in " +")
    text = path.read_text()
    if text.count(old) != 1:
        raise AssertionError(f"the guide's edit does not fit {path.name}, which has {text.count(old)} times:\n{old}")
    line = text[:text.index(old)].count("\n") + 1
    header = f"@@ -{line},{old.count(chr(10))} +{line},{new.count(chr(10))} @@"
    if header not in diff:
        raise AssertionError(f"the guide's edit of {path.name} should begin with {header}:\n{diff}")
    path.write_text(text.replace(old, new))
