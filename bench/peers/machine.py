"""What a measurement has to say about where it was made."""

import datetime
import pathlib
import re
import subprocess


def describe(root):
    return {
        "date": datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        "processor": processor(pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")),
        "caches": caches(pathlib.Path("/sys/devices/system/cpu/cpu0/cache")),
        "commit": commit(root),
    }


def processor(cpuinfo):
    fields = dict(re.findall(r"^([^\t\n]+)\t+: (.*)$", cpuinfo.split("\n\n")[0], re.MULTILINE))
    flags = fields.get("flags", "").split()
    widest = "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "AVX" if "avx" in flags else "SSE"
    return (f"{fields.get('model name', 'unknown')}, family {fields.get('cpu family', '?')}, "
            f"model {fields.get('model', '?')}, {widest}")


def caches(folder):
    """{"L2": bytes, "L3": bytes} of those that hold data."""
    found = {}
    for index in sorted(folder.glob("index*")):
        level, kind, size = ((index / name).read_text(encoding="utf-8").strip() for name in ("level", "type", "size"))
        unit = {"K": 1 << 10, "M": 1 << 20}.get(size[-1:], 1)
        if kind != "Instruction":
            found[f"L{level}"] = int(size.rstrip("KM")) * unit
    return found


def commit(root):
    try:
        described = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=root, capture_output=True, text=True)
    except OSError:
        return "unknown"
    return described.stdout.strip() if described.returncode == 0 else "unknown"
