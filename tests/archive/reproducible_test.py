"""The library built again, from a copy of the tree in a folder of another name, is the same bit for bit: nothing of the time,
the place or the user is in it. The generators are those of this build.

HALNORM_REPRODUCE narrows it to some variants (as HALNORM_VARIANTS does); then the members that both archives have are compared,
without the tables and what knows the devices, which depend on the list.
"""

import os
import shutil
import unittest

import archive

SOURCE = os.environ["HALNORM_SOURCE"]
CMAKE = os.environ["HALNORM_CMAKE"]
NARROWED = os.environ.get("HALNORM_REPRODUCE", "")
PARTS = ("CMakeLists.txt", "cmake", "generators", "runtime", "schedules", "state")


def contents(library):
    """member -> its bytes."""
    folder = archive.scratch() / ("members" + str(library).replace("/", "_"))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    archive.tool("ar", "x", "--output", folder, library)
    return {file.name: file.read_bytes() for file in folder.iterdir()}


class Reproducible(unittest.TestCase):
    def test_another_folder_gives_the_same_archives(self):
        elsewhere = archive.scratch() / "another place"
        shutil.rmtree(elsewhere, ignore_errors=True)
        for part in PARTS:
            copy = shutil.copytree if os.path.isdir(f"{SOURCE}/{part}") else shutil.copy
            (elsewhere / "tree").mkdir(parents=True, exist_ok=True)
            copy(f"{SOURCE}/{part}", elsewhere / "tree" / part)
        again = elsewhere / "out"
        archive.run(CMAKE, "-S", elsewhere / "tree", "-B", again, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                    f"-DCMAKE_MAKE_PROGRAM={os.environ['HALNORM_NINJA']}", f"-DHALNORM_VARIANTS={NARROWED}",
                    f"-DHALNORM_GENERATORS_DIR={archive.BUILD}/generators", f"-DHALNORM_STATE={os.environ['HALNORM_STATE']}")
        archive.run(CMAKE, "--build", again)
        for library in (archive.LIBRARY, archive.STATE_LIBRARY):
            if not library.exists():
                continue
            ours, theirs = contents(library), contents(again / library.name)
            if NARROWED and library == archive.LIBRARY:
                ours, theirs = ({name: data for name, data in these.items()
                                 if name in ours.keys() & theirs.keys() and not name.endswith("_table.cpp.o") and not name.startswith("gpu")}
                                for these in (dict(ours), dict(theirs)))
            self.assertGreater(len(ours), 4)
            self.assertEqual([name for name in sorted(ours.keys() | theirs.keys()) if ours.get(name) != theirs.get(name)], [])
            if not NARROWED:  # the archive's own header too
                self.assertTrue(library.read_bytes() == (again / library.name).read_bytes(), library.name)


if __name__ == "__main__":
    unittest.main()
