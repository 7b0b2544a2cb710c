"""The commands of the documents for those who embed the library, as they stand there. (What is done with a package
afterwards is package_test.py's.) Needs what ./run installs, and takes a minute where the kits' kernels are built."""

import pathlib
import re
import shlex
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENTS = ("embedding.md", "android.md", "bare-metal.md")
VERSION = re.search(r"project\(halnorm VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text())[1]


def commands(document):
    return re.findall(r"^ +(\./run .*)$", (ROOT / "docs" / document).read_text(), re.M)


def archives(command):
    """What it says it makes."""
    words = shlex.split(command)
    platforms, options = (words[2:words.index("--")], True) if "--" in words else (words[2:], False)
    return [ROOT / f"build/packages/halnorm-{VERSION}-{platform}{'-custom' * options}.tar.gz" for platform in platforms]


class Documents(unittest.TestCase):
    def test_packages_are_made_as_they_say(self):
        for document in DOCUMENTS:
            found = commands(document)
            self.assertTrue(found, f"docs/{document} has no command: this test looks for what is not there any more")
            for command in found:
                with self.subTest(f"docs/{document}: {command}"):
                    made = archives(command)
                    for archive in made:
                        archive.unlink(missing_ok=True)
                    done = subprocess.run(shlex.split(command), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                    self.assertEqual(0, done.returncode, done.stdout)
                    for archive in made:
                        self.assertTrue(archive.is_file(), f"{archive.name} was not made:\n{done.stdout}")


if __name__ == "__main__":
    unittest.main()
