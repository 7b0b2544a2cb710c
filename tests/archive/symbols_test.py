"""What a linker sees of the archive: names, needs, state."""

import re
import subprocess
import unittest

import archive
from needs import COMPILER, KERNEL, KERNEL_ARMV7, LIBC, LIBDL, LIBM, LINKER, THREADS

# All state of the library. Constants that the loader relocates (.data.rel.ro) are not state.
STATE = {
    "dispatch.cpp.o": {"state", "shared"},                    # what the environment said at first use
    # The drivers that the program asked for; what a driver's library has, found at first use; what was loaded there; the call that is under way (thread_local).
    "gpu.cpp.o": {"enabled", "first_failure"},
    "gpu_cuda.cpp.o": {"api", "device", "probed", "modules", "current"},
    "gpu_opencl.cpp.o": {"api", "device", "context", "queue", "probed", "programs", "program"},
    "messages.cpp.o": {"line"},                               # thread_local
    "status.cpp.o": {"failure", "last_variant"},              # thread_local
    "cpu_features.cpp.o": {"known_last_level", "known_second_level"},  # sizes of caches
    "thread_pool.cpp.o": {"busy", "mutex", "start", "done", "workers", "invited", "running", "job", "fork_handlers"},
}
MODULE = 8  # bytes: where a kernel for a GPU remembers the module that the driver made of it


def gpu(kernel):
    return archive.variants()[kernel.variant].device != "cpu"


class Symbols(unittest.TestCase):
    def test_the_archive_was_read(self):
        self.assertEqual(len(set(archive.members())), len(archive.members()), "two members share a name")
        self.assertEqual({kernel.variant for kernel in archive.kernels()}, set(archive.variants()))
        self.assertGreaterEqual(len(archive.runtime_members()), 16)
        for member in archive.members():
            self.assertTrue(archive.defined_globals(member), member)

    def test_every_name_has_the_prefix(self):
        for member in archive.members():
            for name in archive.defined_globals(member):
                self.assertRegex(name, r"^(halnorm_|_ZNK?7halnorm)", member)

    def test_a_kernel_needs_nothing(self):
        for kernel in archive.kernels():
            good = KERNEL | (KERNEL_ARMV7 if archive.arch() == "arm-32" else set())
            bad = {name for name in archive.undefined(kernel.member) - good
                   if name != "_GLOBAL_OFFSET_TABLE_" and not (gpu(kernel) and name.startswith("halnorm_"))}
            self.assertEqual(bad, set(), kernel.member)

    def test_the_archive_needs_libc_and_libm_alone(self):
        own = set().union(*map(archive.defined_globals, archive.members()))
        good = LIBC | LIBDL | LIBM | THREADS | LINKER
        for member in archive.members():
            bad = {name for name in archive.undefined(member) - own - good if not re.fullmatch(COMPILER, name)}
            self.assertEqual(bad, set(), member)

    def test_no_static_constructors(self):
        for member in archive.members():
            for section in archive.sections()[member]:
                self.assertNotRegex(section.name, r"^\.(preinit_array|init_array|fini_array|ctors|dtors)", member)

    def test_state_is_what_is_listed(self):
        of_gpu = {kernel.member for kernel in archive.kernels() if gpu(kernel)}
        found = {}
        for member in archive.members():
            names = [section.name for section in archive.sections()[member]
                     if "W" in section.flags and section.size > 0 and not section.name.startswith(".data.rel.ro")
                     and not (member in of_gpu and section.name == ".bss" and section.size == MODULE)]
            if names:
                plain = archive.tool("c++filt", *(re.sub(r"^\.(bss|data|tbss|tdata)\.?", "", name) for name in names))
                found[member] = {name.split("::")[-1] for name in plain.splitlines()}
        self.assertEqual(found, {member: names for member, names in STATE.items() if member in archive.members()})

    def test_no_executable_stack(self):
        for member in archive.members():
            notes = [section for section in archive.sections()[member] if section.name == ".note.GNU-stack"]
            self.assertEqual(len(notes), 1, f"{member}: without the note the stack is executable")
            self.assertNotIn("X", notes[0].flags, member)


@unittest.skipUnless(archive.STATE_LIBRARY.exists(), "the build is without halnorm::state")
class StateSymbols(unittest.TestCase):
    """halnorm::state is C++ with the standard library and nlohmann-json, whose templates are compiled into it."""

    def members(self):
        return archive.members(archive.STATE_LIBRARY)

    def test_every_name_of_its_own_has_the_prefix(self):
        for member in self.members():
            names = [s.name for s in archive.symbols(archive.STATE_LIBRARY)[member] if s.type in "TDBRC"]
            self.assertTrue(names, member)
            for name in names:
                self.assertRegex(name, r"^_ZNK?(7halnorm|13halnorm_state)", member)

    def test_what_it_shares_with_an_app_is_the_standard_library(self):
        """Weak names are one for the whole program. nlohmann-json's are in a namespace of ours: an app's may be another
        version, or compiled with exceptions."""
        for member in self.members():
            names = [s.name for s in archive.symbols(archive.STATE_LIBRARY)[member] if s.type in "VWu"]
            for name in archive.tool("c++filt", *names).splitlines() if names else ():
                self.assertRegex(name, r"halnorm(_state)?::|\bstd::|^operator|^DW\.ref\.", member)
                for part in re.findall(r"nlohmann::(\w+)", name):
                    self.assertEqual(part, "halnorm_state", f"{member}: {name}")

    def test_no_constructors_and_no_state_but_a_message(self):
        for member in self.members():
            for section in archive.sections(archive.STATE_LIBRARY)[member]:
                self.assertNotRegex(section.name, r"^\.(preinit_array|init_array|fini_array|ctors|dtors)", member)
                if "W" in section.flags and section.size > 0:
                    # Constants; the compiler's pointer to a function of the C++ library; and the text of the last failure
                    # of runtime/include/halnorm/failure.hpp (thread_local).
                    self.assertRegex(section.name,
                                     r"^\.data\.rel\.(ro|local\.DW\.ref\.)|^\.tbss\._ZZN7halnorm.*7failure.*7message$", member)

    def test_no_executable_stack(self):
        for member in self.members():
            notes = [s for s in archive.sections(archive.STATE_LIBRARY)[member] if s.name == ".note.GNU-stack"]
            self.assertEqual([("X" in note.flags) for note in notes], [False], member)


class Linking(unittest.TestCase):
    def test_fits_into_a_shared_library_by_the_c_compiler(self):
        """All members at once, position-independent, with no symbol left open, and nothing of C++."""
        library = archive.scratch() / "libwhole.so"
        archive.run(archive.CC, "-shared", "-o", library, "-Wl,-z,defs", "-Wl,-z,text", "-Wl,--fatal-warnings",
                    "-Wl,--whole-archive", archive.LIBRARY, "-Wl,--no-whole-archive", "-pthread", "-lm", "-ldl")
        needed = re.findall(r"\(NEEDED\).*\[(.+)\]", archive.tool("readelf", "-dW", library))
        for name in needed:
            self.assertRegex(name, r"^(libc|libm|libpthread|libdl|libgcc_s|ld-linux[\w-]*)\.so")
        stack = re.findall(r"GNU_STACK +(?:0x\w+ +){5}([RWE ]+?) +0x", archive.tool("readelf", "-lW", library))
        self.assertEqual(stack, ["RW"], "the stack must not be executable")


if __name__ == "__main__":
    unittest.main()
