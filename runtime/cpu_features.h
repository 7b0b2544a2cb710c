// What this machine can run. Nothing else in the tree knows about processors.
#pragma once

#include <stdint.h>

namespace halnorm {

// What detection reads; tests hand in words of machines that they do not have.
struct CpuWords {
    uint32_t leaf1_ecx = 0;  // x86: CPUID.1:ECX
    uint32_t leaf7_ebx = 0;  // x86: CPUID.(7,0):EBX
    uint64_t xcr0 = 0;       // x86: XCR0, 0 where the operating system did not enable XSAVE
    uint64_t hwcap = 0;      // ARM: getauxval(AT_HWCAP)
};

CpuWords read_cpu_words();

// nullptr if a machine with these words has every one of the space-separated features (Halide's
// names); otherwise why not, in static memory. A feature that this file does not know counts as
// missing.
const char *missing_cpu_feature(const CpuWords &words, const char *features);

}  // namespace halnorm
