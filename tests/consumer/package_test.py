"""What ./run package makes, unpacked in an empty folder and used as its README says.

Environment as in consumer_test.py, and HALNORM_PLATFORM and HALNORM_HALIDE (the folder of Halide's Python package). Custom:
HALNORM_GENERATORS.
"""

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import unittest

from consumer_test import BUILD, CMAKE, EMULATOR, HERE, SCRATCH, WARNINGS, Consumer, configure, run

sys.path.append(str(HERE.parent / "archive"))
import needs

PLATFORM = os.environ["HALNORM_PLATFORM"]
ROOT = HERE.parents[1]
PACKAGE = ROOT / "cmake/package/package.py"


def make(folder, *options, build):
    run(sys.executable, "-B", PACKAGE, PLATFORM, "--build", build, "--cmake", CMAKE, "--halide",
        os.environ["HALNORM_HALIDE"], "--out", folder, *options)
    return next(folder.glob("*.tar.gz"))


class Unpacked(Consumer):
    OPTIONS = ()
    SUFFIX = ""

    @classmethod
    def build(cls):
        return BUILD

    @classmethod
    def setUpClass(cls):
        shutil.rmtree(SCRATCH, ignore_errors=True)
        cls.built = cls.build()
        cls.archive = make(SCRATCH / "made", *cls.OPTIONS, build=cls.built)
        with tarfile.open(cls.archive) as archive:
            archive.extractall(SCRATCH / "unpacked", filter="data") if hasattr(tarfile, "data_filter") else \
                archive.extractall(SCRATCH / "unpacked")
        cls.folder = SCRATCH / "unpacked" / cls.archive.name.removesuffix(".tar.gz")

    def check_archive(self):
        self.assertRegex(self.archive.name, rf"^halnorm-\d+\.\d+\.\d+-{PLATFORM}{self.SUFFIX}\.tar\.gz$")
        self.assertEqual([self.folder], list((SCRATCH / "unpacked").iterdir()), "one folder, named as the archive")
        elsewhere = make(SCRATCH / "made elsewhere", *self.OPTIONS, build=self.built)
        self.assertEqual(hashlib.sha256(self.archive.read_bytes()).digest(),
                         hashlib.sha256(elsewhere.read_bytes()).digest(), "the same bits in another folder")

    def check_sums(self):
        done = subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=self.folder,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(0, done.returncode, done.stdout)
        listed = {line.split("  ", 1)[1] for line in (self.folder / "SHA256SUMS").read_text().splitlines()}
        there = {str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file()}
        self.assertEqual(there - {"SHA256SUMS"}, listed)

    def check_bill(self):
        bill = json.loads((self.folder / "halnorm.cdx.json").read_text())
        self.assertEqual("CycloneDX", bill["bomFormat"])
        whole = bill["metadata"]["component"]
        self.assertIn(f"{whole['name']}-{whole['version']}-", self.archive.name)
        self.assertIn("halide", {part["name"] for part in bill["components"]})
        for part in bill["components"]:
            self.assertRegex(part["version"], r"^\d+\.\d+")
            self.assertEqual([{"license": {"id": "MIT"}}], part["licenses"], part["name"])

    def check_readme(self):
        readme = (self.folder / "README.md").read_text()
        self.assertLessEqual(len(readme.splitlines()), 40, "one screen")
        for name in re.findall(r"\b(?:share/doc/halnorm/)?LICENSE(?:\.halide)?\b|\binclude/halnorm/halnorm.h\b", readme):
            self.assertTrue((self.folder / name).is_file(), name)

    def test_archive(self):
        for check in (self.check_archive, self.check_sums, self.check_bill, self.check_readme,
                      lambda: self.check_names_no_folder(self.folder)):
            with self.subTest(check.__name__):
                check()


class Library(Unpacked):
    def commands(self, start):
        """Of the README, run in the package's folder, with our compiler and a program that there is."""
        line = re.search(rf"^    ({start}.*)$", (self.folder / "README.md").read_text(), re.M)[1]
        program = SCRATCH / "by_readme"
        line = line.replace("app.c", shlex.quote(str(HERE / "c/main.c")), 1)
        line = re.sub(r"^cc ", f"{os.environ['CC']} -std=c11 {' '.join(WARNINGS)} -o {shlex.quote(str(program))} ", line)
        return line, program

    def test_by_hand(self):
        line, program = self.commands("cc app.c -I")
        run("sh", "-ec", f"cd {shlex.quote(str(self.folder))}\n{line}")
        self.check_program(program)

    def test_pkg_config(self):
        line, program = self.commands(r"cc app.c \$\(pkg-config")
        run("sh", "-ec", line, PKG_CONFIG_LIBDIR=str(self.folder / "lib/pkgconfig"))
        self.check_program(program)

    def test_find_package(self):
        for language in ("c", "cpp"):
            build = SCRATCH / f"find_package_{language}"
            configure(HERE / language, build, f"-DCMAKE_PREFIX_PATH={self.folder}")
            run(CMAKE, "--build", build)
            self.check_program(build / "consumer")

    def test_the_embedded_example(self):
        """By the line of its README, with our compiler."""
        folder = HERE.parents[1] / "examples/embedded"
        words = re.search(r"^    \S+-gcc (.*)$", (folder / "README.md").read_text(), re.M)[1]
        program = SCRATCH / "frames"
        words = words.replace("-o frames", f"-o {shlex.quote(str(program))}")
        run("sh", "-ec", f"cd {shlex.quote(str(folder))}\n{os.environ['CC']} {' '.join(WARNINGS)} {words}",
            HALNORM=str(self.folder))
        self.assertRegex(run(*EMULATOR, program),
                         r"^50 frames of 96 x 96 x 16 by \w+: \d+ us each, mean 0\.4617, \d+ bytes of memory\n$")

    def test_in_a_shared_library(self):
        """As in an Android app: the archive is position independent, and none of its names come out."""
        _, needs = re.search(r"cc app.c (.*-lhalnorm) (.*)$", (self.folder / "README.md").read_text(), re.M).groups()
        shared, program = SCRATCH / "libapp.so", SCRATCH / "uses_shared"
        (SCRATCH / "app.c").write_text("int app(void);\nint main(void) { return app(); }\n")
        run(os.environ["CC"], "-shared", "-fPIC", "-fvisibility=hidden", "-Dmain=__attribute__((visibility(\"default\"))) app",
            f"-I{self.folder}/include", HERE / "c/main.c", "-o", shared, f"-L{self.folder}/lib", "-lhalnorm",
            "-Wl,--no-undefined", "-Wl,--exclude-libs,ALL", *needs.split())
        exported = re.findall(r" [TDBWV] (\w+)$", run("nm", "-D", "--defined-only", shared), re.M)
        self.assertEqual(["app"], [name for name in exported if not name.startswith("_")])
        run(os.environ["CC"], SCRATCH / "app.c", "-o", program, shared, f"-Wl,-rpath,{SCRATCH}")
        self.check_program(program)

    def test_two_copies_in_one_process(self):
        """Each in a library that exports nothing of it: neither answers the other's calls."""
        _, needs = re.search(r"cc app.c (.*-lhalnorm) (.*)$", (self.folder / "README.md").read_text(), re.M).groups()
        shared = []
        for name in ("first", "second"):
            shared.append(SCRATCH / f"lib{name}.so")
            run(os.environ["CC"], "-std=c11", *WARNINGS, "-shared", "-fPIC", f"-DNAME={name}", f"-I{self.folder}/include",
                HERE / "two/library.c", "-o", shared[-1], f"-L{self.folder}/lib", "-lhalnorm", "-Wl,--exclude-libs,ALL",
                *needs.split())
        program = SCRATCH / "two"
        run(os.environ["CC"], "-std=c11", *WARNINGS, HERE / "two/main.c", "-o", program, *shared, f"-Wl,-rpath,{SCRATCH}")
        self.assertEqual("both\n", run(*EMULATOR, program))

    def test_beside_kernels_of_the_app(self):
        """An app that has kernels made with Halide, and with them Halide's runtime under its own names."""
        import halide
        x, scale = halide.Var("x"), halide.Param(halide.Float(32), "scale")
        data, scaled = halide.ImageParam(halide.Float(32), 1, "data"), halide.Func("scaled")
        scaled[x] = data[x] * scale
        scaled.vectorize(x, 4, halide.TailStrategy.GuardWithIf)
        target = {"x86-64-linux": "x86-64-linux", "aarch64-linux": "arm-64-linux", "armv7-linux": "arm-32-linux"}[PLATFORM]
        scaled.compile_to_static_library(str(SCRATCH / "app_kernel"), [data, scale], "app_kernel", halide.Target(target))
        self.assertRegex(run("nm", SCRATCH / "app_kernel.a"), r" [TW] halide_malloc\n")
        _, needs = re.search(r"cc app.c (.*-lhalnorm) (.*)$", (self.folder / "README.md").read_text(), re.M).groups()
        kernel, ours = SCRATCH / "app_kernel.a", self.folder / "lib/libhalnorm.a"
        for order in ((kernel, ours), (ours, kernel)):
            program = SCRATCH / "beside"
            run(os.environ["CC"], "-std=c11", *WARNINGS, f"-I{self.folder}/include", f"-I{SCRATCH}",
                f"-isystem{os.environ['HALNORM_HALIDE']}/include", HERE / "beside/main.c", "-o", program, *order, *needs.split(),
                "-pthread", "-ldl")
            self.assertRegex(run(*EMULATOR, program), r"^[a-z0-9_]+\n$")


class AKit(Unpacked):
    MAIN = HERE / "c/main.c"

    def consumer(self, *options):
        """A project that has the kit as a subdirectory, in one build folder with the options of the last call."""
        source = SCRATCH / "consumer"
        source.mkdir(exist_ok=True)
        (source / "CMakeLists.txt").write_text(
            f"cmake_minimum_required(VERSION 3.18)\nproject(consumer LANGUAGES C)\n"
            f"add_subdirectory({self.folder} halnorm)\nadd_executable(consumer {self.MAIN})\n"
            f"target_link_libraries(consumer PRIVATE halnorm::halnorm)\n")
        configure(source, source / "build", *options)
        run(CMAKE, "--build", source / "build", "--parallel", str(len(os.sched_getaffinity(0))))
        return source / "build/consumer"


class Kit(AKit):
    OPTIONS = ("--kit",)

    def test_as_a_subdirectory(self):
        program = self.consumer("-DHALNORM_THREADS=ON")
        self.check_program(program)
        run(CMAKE, "--install", program.parent, "--prefix", SCRATCH / "prefix")
        for name in ("lib/libhalnorm.a", "include/halnorm/halnorm.h"):
            self.assertTrue((SCRATCH / "prefix" / name).is_file(), name)

    def test_without_threads_it_is_bare(self):
        program = self.consumer("-DHALNORM_THREADS=OFF")
        self.check_program(program)
        needed = re.findall(r"NEEDED +(\S+)", run("objdump", "-p", program))
        self.assertEqual([], [name for name in needed if not re.match(r"lib[cm]\.so|ld-linux", name)])
        archive = next(program.parent.rglob("libhalnorm.a"))
        symbols = re.findall(r"^ *[0-9a-f]* ([A-Za-z]) (\S+)$", run("nm", archive), re.M)
        wanted = {name for kind, name in symbols if kind in "Uw"} - {name for kind, name in symbols if kind not in "Uw"}
        good = needs.LIBC | needs.LIBM | needs.LINKER
        self.assertEqual([], [name for name in wanted - good if not re.fullmatch(needs.COMPILER, name)])


class Custom(AKit):
    """A kit of what one app uses: ./run package PLATFORM -- -DHALNORM_..."""

    PARTS = ("-DHALNORM_PIPELINES=inference", "-DHALNORM_ACTIVATIONS=relu6", "-DHALNORM_DTYPES=float32",
             "-DHALNORM_LAYOUTS=NHWC;NCHW", "-DHALNORM_VARIANTS=generic")
    OPTIONS = ("--kit", *(f"--custom={part}" for part in PARTS))
    SUFFIX = "-custom"
    MAIN = ROOT / "tests/archive/inference_only.c"

    @classmethod
    def build(cls):
        folder = SCRATCH / "build"
        configure(ROOT, folder, f"-DHALNORM_GENERATORS_DIR={os.environ['HALNORM_GENERATORS']}", "-DHALNORM_STATE=OFF",
                  "-DHALNORM_GPU=OFF", "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", *cls.PARTS)
        run(CMAKE, "--build", folder, "--target", "halnorm_kernels", "--parallel", str(len(os.sched_getaffinity(0))))
        return folder

    def test_has_what_was_asked_for_and_no_more(self):
        run(*EMULATOR, self.consumer())
        names = run("nm", next((SCRATCH / "consumer/build").rglob("libhalnorm.a")))
        self.assertIn(" T halnorm_forward_inference\n", names)
        self.assertNotIn(" T halnorm_backward\n", names)
        kernels = set(re.findall(r" T halnorm_(\w+?_f\d\d__[a-z]+)$", names, re.M))
        self.assertEqual({"moving_coefficients_f32__generic", *(f"normalize{add}_{layout}_f32__generic" for add in ("", "_add")
                                                                for layout in ("nchw", "nhwc"))}, kernels)
        readme = " ".join((self.folder / "README.md").read_text().split())
        self.assertIn("HALNORM_PIPELINES=inference HALNORM_ACTIVATIONS=relu6", readme)
        self.assertIn(f"add_subdirectory({self.folder.name})", readme)

    def test_options_that_there_are_not(self):
        for words, message in (
                (["x86-64-linux", "--", "-DHALNORM_ACTIVATION=relu"], "unknown option '-DHALNORM_ACTIVATION=relu'"),
                (["x86-64-linux", "--", "-DHALNORM_DTYPES="], "unknown option '-DHALNORM_DTYPES='"),
                (["x86-64-linux", "armv7-noos", "--", "-DHALNORM_THREADS=OFF"], "the kit for armv7-noos"),
                (["--", "-DHALNORM_DTYPES=float32"], "no platform was given")):
            done = subprocess.run([ROOT / "run", "package", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            self.assertEqual(2, done.returncode, done.stdout)
            self.assertIn(message, done.stdout)


del Consumer, Unpacked, AKit  # have no package of their own

if __name__ == "__main__":
    unittest.main()
