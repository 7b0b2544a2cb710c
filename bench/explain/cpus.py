"""Which processors a loop is judged for, by what it needs: names as LLVM knows them (-mcpu). Where LLVM has no model of
a processor's own it takes another's; the page names the model's units, so that this shows."""

TRIPLE = {"x86-64": "x86_64-linux-gnu", "arm-64": "aarch64-linux-gnu", "arm-32": "armv7a-linux-gnueabihf"}
ATTRIBUTES = {"x86-64": "", "arm-64": "", "arm-32": "+neon"}

X86_AVX512 = ("skylake-avx512", "icelake-server", "sapphirerapids", "znver4")
X86_AVX2 = ("haswell", "skylake", "alderlake", "znver3")
X86 = ("sandybridge", "skylake", "znver3")
ARM_64 = ("cortex-a55", "cortex-a76", "neoverse-n1")
ARM_32 = ("cortex-a9", "cortex-a57")  # for Cortex-A7, A8 and A53 LLVM has no model that llvm-mca can use

NOTES = {
    "cortex-a76": "LLVM judges cortex-a76 by its model of Cortex-A57, which does one vector operation per cycle where "
                  "A76 does two; neoverse-n1 is A76's design for servers and has a model of its own.",
    "cortex-a55": "In LLVM's model of cortex-a55, ldr reads a vector of 16 bytes in a cycle, and ldp two in six. It "
                  "executes in order, so waiting shows.",
    "cortex-a9": "LLVM's model of cortex-a9 lets a load of two vectors pass as one: its bound of loads and stores is "
                 "low.",
    "znver3": "LLVM's model of znver3 counts a store on the units of the loads: its bound for two loads and a store is "
              "1.5.",
}


def cpus_for(arch, features):
    if arch == "arm-64":
        return ARM_64
    if arch == "arm-32":
        return ARM_32
    if "avx512" in features:
        return X86_AVX512
    return X86_AVX2 if "avx2" in features else X86


def vector_bytes(arch, features):
    """Of the widest register that the variant's code uses."""
    if arch == "x86-64" and "avx512" in features:
        return 64
    return 32 if arch == "x86-64" and "avx" in features else 16
