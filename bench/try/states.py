"""The states of the tree that are compared: as it is, and as it was committed last."""

import hashlib
import pathlib
import shutil
import subprocess
import tarfile
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]

# What a side is built of: these parts of a state, and the tree's own half of the driver.
PARTS = ("CMakeLists.txt", "cmake", "generators", "runtime", "schedules")
DRIVER = ("CMakeLists.txt", "build.py", "exports.map", "prepared.h", "side.h", "side_inference.cpp",
          "side_training.cpp", "side_backward.cpp")


class State:
    """`name` is that of its folder under build/try, `label` what the report calls it."""

    def __init__(self, name, label, source, build):
        self.name, self.label, self.source, self.build = name, label, source, build
        self.key = key_of(source)
        self.prepared = False  # built, but for kernels, or found to be up to date

    def differences(self, other):
        """Files that are not the same in both, by their paths in the tree."""
        mine, others = files_of(self.source), files_of(other.source)
        return sorted(path for path in mine.keys() | others.keys()
                      if path not in mine or path not in others or not same(mine[path], others[path]))


def files_of(source):
    found = {}
    for part in PARTS:
        top = source / part
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and not path.name.startswith("."):
                found[path.relative_to(source).as_posix()] = path
    return found


def same(a, b):
    return a.read_bytes() == b.read_bytes()


def key_of(source):
    """Of the content, so that what was tried and then committed as it was need not be built again."""
    key = hashlib.sha256()
    for name, path in [*files_of(source).items(), *((name, HERE / name) for name in DRIVER)]:
        content = path.read_bytes()
        key.update(f"{name}\0{len(content)}\0".encode() + content)
    return key.hexdigest()[:16]


def git(*arguments):
    """Its output, or None where it fails."""
    try:
        return subprocess.run(["git", "-C", ROOT, *arguments], check=True, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL).stdout
    except (OSError, subprocess.CalledProcessError):
        return None


def tree(build):
    return State("tree", "the tree as it is", ROOT, build / "tree")


def head(build):
    """The last committed state and None, or None and why there is none."""
    if git("rev-parse", "--git-dir") is None:
        return None, "this folder is no git checkout"
    if git("rev-parse", "HEAD") is None:
        return None, "nothing is committed yet"
    archive = git("archive", "HEAD", *PARTS)
    if archive is None:
        return None, "HEAD does not hold this tree"
    source = build / "head-source"
    with tempfile.TemporaryDirectory(dir=build) as folder:
        fresh = pathlib.Path(folder)
        packed = fresh / "head.tar"
        packed.write_bytes(archive)
        with tarfile.open(packed) as tar:
            tar.extractall(fresh / "source")
        update(fresh / "source", source)
    if "HALNORM_KERNELS_APART" not in (source / "cmake/HalnormVariants.cmake").read_text():
        return None, "HEAD is older than ./run try"
    commit = git("log", "-1", "--format=%h", "HEAD").decode().strip()
    return State("head", f"HEAD ({commit})", source, build / "head"), None


def update(fresh, source):
    """Makes `source` what `fresh` is and touches only what differs: the rest need not be built again."""
    wanted = files_of(fresh)
    for name, path in files_of(source).items() if source.exists() else ():
        if name not in wanted:
            path.unlink()
    for name, path in wanted.items():
        there = source / name
        if not there.exists() or not same(path, there):
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, there)
