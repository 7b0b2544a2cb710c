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

// What one subleaf of CPUID says of a cache: leaf 4 of Intel, 0x8000001D of AMD.
struct CacheWords {
    uint32_t eax, ebx, ecx;
};
// Bytes of that cache; 0 where it is none, holds instructions only, or has 2^63 and more, as words
// of a strange virtual machine may have it.
int64_t cache_bytes(const CacheWords &words);

// What of a last-level cache is there for one process. A virtual machine is told the size of all of
// it and shares it with others: in one with 300 MB of L3 streaming stores won from 26 MB on, for
// all tensors together (runtime/streaming.cpp).
int64_t usable_cache(int64_t bytes, bool virtual_machine);

// This machine's largest cache, as far as usable; 32 MB where the machine does not say.
struct LastLevelCache {
    int64_t bytes;
    bool shared;  // with other virtual machines
};
LastLevelCache last_level_cache();

// Bytes of its second level, of one core; 256 KB where the machine does not say.
int64_t second_level_cache();

}  // namespace halnorm
