"""Peers are installed when they are first asked for, each by its section of cmake/requirements-peers.txt."""

import pathlib
import re
import subprocess
import sys
import tempfile

_SECTION = re.compile(r"# peer: (\w+)(?:, (.*))?")


def sections(text):
    """{peer: (its lines, the remark)} of a requirements file in which `# peer: NAME, REMARK` starts a section."""
    found, name = {}, None
    for line in text.splitlines(keepends=True):
        match = _SECTION.fullmatch(line.strip())
        if match:
            name = match.group(1)
            found[name] = ("", match.group(2) or "")
        elif name and not line.startswith("#"):
            found[name] = (found[name][0] + line, found[name][1])
    return found


def install(peer, requirements, log):
    """None, or the reason why it could not be installed. A second call finds it there."""
    lines, remark = sections(requirements.read_text(encoding="utf-8")).get(peer, ("", ""))
    if not lines:
        return None  # one that comes with nothing to install
    stamp = pathlib.Path(sys.prefix, f"{peer}.stamp")
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == lines:
        return None
    print(f"      installing {peer} from PyPI{', ' + remark if remark else ''}, once", flush=True)
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write(lines)
        file.flush()
        done = subprocess.run(
            [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-deps", "--only-binary",
             ":all:", "--require-hashes", "-r", file.name],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    with open(log, "a", encoding="utf-8") as file:
        file.write(done.stdout)
    if done.returncode:
        errors = [line for line in done.stdout.splitlines() if line.startswith("ERROR")]
        return f"pip could not install it: {errors[-1] if errors else 'exit status ' + str(done.returncode)}"
    stamp.write_text(lines, encoding="utf-8")
    return None
