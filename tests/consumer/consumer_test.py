"""Projects of others against the installed tree: found by CMake or by pkg-config, in C and in C++, and no Halide there.

Environment: HALNORM_BUILD (a build of the library), HALNORM_SCRATCH (a folder that may be deleted), CMAKE_COMMAND,
CMAKE_MAKE_PROGRAM, CC, CXX and, where its programs do not run here, HALNORM_TOOLCHAIN and HALNORM_EMULATOR; optionally
HALNORM_BASELINE_EMULATOR (a machine of the platform that only `generic` fits). WithoutThreads: HALNORM_GENERATORS.
"""

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import unittest

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ["HALNORM_BUILD"])
SCRATCH = pathlib.Path(os.environ["HALNORM_SCRATCH"])
CMAKE = os.environ["CMAKE_COMMAND"]
EMULATOR = shlex.split(os.environ.get("HALNORM_EMULATOR", ""))
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def run(*command, **environment):
    """The command's output; a test that fails shows all of it."""
    command = [str(word) for word in command]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={**os.environ, **environment})
    if done.returncode != 0:
        raise AssertionError(f"{shlex.join(command)}\nexit status {done.returncode}\n{done.stdout}")
    return done.stdout


def configure(source, build, *options):
    toolchain = os.environ.get("HALNORM_TOOLCHAIN")
    run(CMAKE, "-S", source, "-B", build, "-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={os.environ['CMAKE_MAKE_PROGRAM']}",
        *([f"--toolchain={toolchain}"] if toolchain else
          [f"-DCMAKE_C_COMPILER={os.environ['CC']}", f"-DCMAKE_CXX_COMPILER={os.environ['CXX']}"]), *options)


class Consumer(unittest.TestCase):
    """What is checked of all that is handed out."""

    def check_program(self, program):
        self.assertRegex(run(*EMULATOR, program), r"^[a-z0-9_]+\n$")
        baseline = shlex.split(os.environ.get("HALNORM_BASELINE_EMULATOR", ""))
        if baseline:
            self.assertEqual(run(*baseline, program), "generic\n")

    def check_names_no_folder(self, folder):
        home = pathlib.Path.home()
        places = {str(place).encode() for place in (HERE.parents[1], BUILD, SCRATCH, BUILD.resolve(), SCRATCH.resolve())}
        if home != home.parent:
            places.add(str(home).encode())
        for path in folder.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                for place in places:
                    self.assertNotIn(place, content, f"in {path.relative_to(folder)}")


class InstalledTree(Consumer):
    """Built nowhere near the source, and moved after it was installed: what finds it must not remember the first place."""

    @classmethod
    def setUpClass(cls):
        shutil.rmtree(SCRATCH, ignore_errors=True)
        for component in ("library", "state"):
            run(CMAKE, "--install", BUILD, "--prefix", SCRATCH / "first", "--component", component)
        cls.prefix = SCRATCH / "moved"
        (SCRATCH / "first").rename(cls.prefix)

    def test_is_complete(self):
        files = {str(path.relative_to(self.prefix)) for path in self.prefix.rglob("*") if path.is_file()}
        names = {pathlib.PurePath(path).name for path in files}
        self.assertLessEqual({"libhalnorm.a", "halnorm.h", "halnorm-config.cmake", "halnorm-config-version.cmake",
                              "halnorm-targets.cmake", "halnorm.pc"}, names)
        self.assertLessEqual({"libhalnorm_state.a", "state.hpp", "halnorm-state-targets.cmake", "halnorm-state.pc"}, names)
        self.assertLessEqual({"share/doc/halnorm/LICENSE", "share/doc/halnorm/semantics.md"}, files)

    def test_headers_are_all_installed_and_name_no_halide(self):
        folders = [HERE.parents[1] / part / "include/halnorm" for part in ("runtime", "state")]
        for header in (header for folder in folders for header in folder.iterdir()):
            installed = self.prefix / "include/halnorm" / header.name
            self.assertTrue(installed.exists(), f"{header} was not installed")
            self.assertNotRegex(installed.read_text(), r"halide_|include.*Halide")

    def test_names_no_folder_of_the_build(self):
        self.check_names_no_folder(self.prefix)

    def test_cmake_c(self):
        self.build_and_run_by_cmake("c")

    def test_cmake_cpp(self):
        self.build_and_run_by_cmake("cpp")

    def test_cmake_c_in_a_project_that_also_has_cpp(self):
        commands = self.build_and_run_by_cmake("c", "-DALSO_CPP=ON")
        self.assertIn("libhalnorm.a", commands)
        self.assertNotIn(os.environ["CXX"], commands)

    def test_cmake_without_the_state_component(self):
        """A tree without halnorm::state is whole, and says so to who asks for the component."""
        run(CMAKE, "--install", BUILD, "--prefix", SCRATCH / "library_only", "--component", "library")
        for component, found in (("", True), ("COMPONENTS state", False)):
            source = SCRATCH / f"asks_for_state_{not found}"
            source.mkdir()
            (source / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.16)\nproject(asks LANGUAGES CXX)\n"
                                                   f"find_package(halnorm REQUIRED {component})\n")
            options = [source, source / "build", f"-DCMAKE_PREFIX_PATH={SCRATCH / 'library_only'}"]
            if found:
                configure(*options)
            else:
                with self.assertRaisesRegex(AssertionError, "state"):
                    configure(*options)

    def test_cmake_refuses_another_minor_version(self):
        for version in ("0.0.9", "0.2"):
            source = SCRATCH / f"asks_for_{version}"
            source.mkdir()
            (source / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.16)\nproject(asks LANGUAGES NONE)\n"
                                                   f"find_package(halnorm {version} REQUIRED)\n")
            with self.assertRaisesRegex(AssertionError, "version: 0.1"):
                configure(source, source / "build", f"-DCMAKE_PREFIX_PATH={self.prefix}")

    def test_pkg_config_c(self):
        self.build_and_run_by_pkg_config("halnorm", os.environ["CC"], ["-std=c11"], HERE / "c/main.c")

    def test_c_of_a_compiler_with_enums_as_small_as_they_can_be(self):
        self.build_and_run_by_pkg_config("halnorm", os.environ["CC"], ["-std=c11", "-fshort-enums"], HERE / "c/main.c")

    def test_pkg_config_cpp(self):
        self.build_and_run_by_pkg_config("halnorm-state", os.environ["CXX"], ["-std=c++17"], HERE / "cpp/main.cpp")

    def test_the_program_in_the_readme(self):
        program = re.search(r"^```cpp\n(.*?)^```", (HERE.parents[1] / "README.md").read_text(), re.M | re.S)[1]
        source = SCRATCH / "readme.cpp"
        source.write_text(program)
        self.build_and_run_by_pkg_config("halnorm", os.environ["CXX"], ["-std=c++17"], source)

    def build_and_run_by_cmake(self, language, *options):
        build = SCRATCH / "_".join(("cmake", language, *options))
        configure(HERE / language, build, f"-DCMAKE_PREFIX_PATH={self.prefix}", *options)
        commands = run(CMAKE, "--build", build, "--verbose")
        self.check_program(build / "consumer")
        return commands

    def build_and_run_by_pkg_config(self, package, compiler, options, source):
        folder = next(self.prefix.rglob("halnorm.pc")).parent
        flags = shlex.split(run("pkg-config", "--cflags", "--libs", package, PKG_CONFIG_LIBDIR=str(folder)))
        program = SCRATCH / f"pkg_config_{source.suffix[1:]}"
        run(compiler, *options, *WARNINGS, source, "-o", program, *flags)
        self.check_program(program)


class WithoutThreads(unittest.TestCase):
    """HALNORM_THREADS=OFF leaves a library that lives on libc and libm: nothing of C++, nothing of pthreads.
    HALNORM_VARIANTS and HALNORM_DTYPES leave one that has no others."""

    def test_plain_c_with_no_other_library(self):
        shutil.rmtree(SCRATCH, ignore_errors=True)
        configure(HERE.parents[1], SCRATCH / "build", "-DCMAKE_BUILD_TYPE=Release", "-DHALNORM_THREADS=OFF",
                  "-DHALNORM_STREAMING=OFF", "-DHALNORM_VARIANTS=x86_avx2", "-DHALNORM_DTYPES=float64",
                  f"-DHALNORM_GENERATORS_DIR={os.environ['HALNORM_GENERATORS']}",
                  f"-DHALNORM_KERNELS_DIR={BUILD / 'kernels'}")
        run(CMAKE, "--build", SCRATCH / "build", "--target", "halnorm", "--parallel",
            os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", str(len(os.sched_getaffinity(0)))))
        run(CMAKE, "--install", SCRATCH / "build", "--prefix", SCRATCH / "installed", "--component", "library")

        pc = next(SCRATCH.rglob("installed/**/halnorm.pc"))
        flags = run("pkg-config", "--cflags", "--libs", "halnorm", PKG_CONFIG_LIBDIR=str(pc.parent))
        self.assertNotIn("pthread", flags)
        run(os.environ["CC"], "-std=c11", *WARNINGS, HERE / "c/main.c", "-o", SCRATCH / "consumer", "-nodefaultlibs",
            *shlex.split(flags), "-lc", "-lgcc")
        self.assertRegex(run(SCRATCH / "consumer"), r"^[a-z0-9_]+\n$")
        self.assertNotIn("pthread", run("nm", SCRATCH / "consumer"))
        archive = next(SCRATCH.rglob("installed/**/libhalnorm.a"))
        kernels = re.findall(r" halnorm_\w+_(f\d\d)__(\w+?)(?:_argv|_metadata)?$", run("nm", archive), re.M)
        self.assertEqual({("f64", "x86_avx2"), ("f64", "generic")}, set(kernels))
        (SCRATCH / "float32.c").write_text("""
            #include <halnorm/halnorm.h>
            #include <stdio.h>
            int main(void) {
                const int64_t shape[2] = {4, 3};
                const halnorm_config config = halnorm_default_config(3);
                const halnorm_tensor x = halnorm_dense_tensor(NULL, HALNORM_FLOAT32, 2, shape);
                size_t bytes = 0;
                const halnorm_status status = halnorm_forward_inference_workspace(&config, &x, &bytes);
                printf("%d %s", status == HALNORM_ERROR_UNSUPPORTED, halnorm_last_error());
                return 0;
            }""")
        run(os.environ["CC"], SCRATCH / "float32.c", "-o", SCRATCH / "float32", *shlex.split(flags))
        self.assertEqual("1 x.dtype: was float32, for which this build has no kernels (HALNORM_DTYPES)",
                         run(SCRATCH / "float32"))

    def test_an_unknown_type_of_data(self):
        with self.assertRaisesRegex(AssertionError, r"HALNORM_DTYPES: was 'half', should be of: float32 float64"):
            configure(HERE.parents[1], SCRATCH / "unknown_dtype", "-DHALNORM_DTYPES=half",
                      f"-DHALNORM_GENERATORS_DIR={os.environ['HALNORM_GENERATORS']}")

    def test_an_unknown_variant(self):
        with self.assertRaisesRegex(AssertionError, r"HALNORM_VARIANTS: was 'x86_avx3', should be of:\s.*x86_avx2"):
            configure(HERE.parents[1], SCRATCH / "unknown", "-DHALNORM_VARIANTS=generic;x86_avx3",
                      f"-DHALNORM_GENERATORS_DIR={os.environ['HALNORM_GENERATORS']}")


if __name__ == "__main__":
    unittest.main()
