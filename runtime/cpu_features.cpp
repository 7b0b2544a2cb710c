#include "cpu_features.h"

#include <atomic>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#elif defined(__linux__) && defined(__arm__)
#include <sys/auxv.h>
#endif

namespace halnorm {
namespace {

// A feature counts only where the operating system saves the registers that it uses (Intel SDM
// volume 1, 13.3 and 14.3): XCR0 bits 1, 2 for ymm, and 5, 6, 7 for the mask registers and zmm.
// Without OSXSAVE, XCR0 reads as 0.
[[maybe_unused]] constexpr uint64_t ymm_state = 0x6, zmm_state = 0xe6;

// Leaf 7 EBX: BMI1 3, AVX2 5, BMI2 8, AVX512F 16, DQ 17, CD 28, BW 30, VL 31. Code for avx2 may
// hold BMI too, which all such machines have, but a virtual one may hide.
[[maybe_unused]] constexpr uint32_t avx2_bmi = 1u << 5 | 1u << 3 | 1u << 8;
[[maybe_unused]] constexpr uint32_t avx512_f_cd = 1u << 16 | 1u << 28;
[[maybe_unused]] constexpr uint32_t avx512_skylake = avx512_f_cd | 1u << 17 | 1u << 30 | 1u << 31;

struct Feature {
    const char *name;
    uint32_t leaf1_ecx, leaf7_ebx;
    uint64_t xcr0, hwcap;
    const char *missing;
};

constexpr Feature known[] = {
#if defined(__x86_64__) || defined(__i386__)
    {"sse41", 1u << 19, 0, 0, 0, "this machine lacks SSE4.1"},
    {"avx", 1u << 28, 0, ymm_state, 0, "this machine or its operating system lacks AVX"},
    {"f16c", 1u << 29, 0, ymm_state, 0, "this machine or its operating system lacks F16C"},
    {"fma", 1u << 12, 0, ymm_state, 0, "this machine or its operating system lacks FMA"},
    {"avx2", 0, avx2_bmi, ymm_state, 0, "this machine or its operating system lacks AVX2 or BMI"},
    {"avx512", 0, avx512_f_cd, zmm_state, 0,
     "this machine or its operating system lacks AVX-512F/CD"},
    {"avx512_skylake", 0, avx512_skylake, zmm_state, 0,
     "this machine or its operating system lacks AVX-512F/CD/VL/DQ/BW"},
#elif defined(__aarch64__)
    {"neon", 0, 0, 0, 0, ""},  // part of the AArch64 baseline
#elif defined(__arm__)
    {"neon", 0, 0, 0, 1u << 12, "this machine lacks NEON"},  // HWCAP_NEON
#endif
};

// (In a small program each function of libc costs some 75 bytes of tables.)
bool begins_with_word(const char *text, const char *word) {
    for (; *word != '\0'; text++, word++) {
        if (*text != *word)
            return false;
    }
    return *text == ' ' || *text == '\0';
}

}  // namespace

CpuWords read_cpu_words() {
    CpuWords words;
#if defined(__x86_64__) || defined(__i386__)
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d))
        return words;
    words.leaf1_ecx = c;
    constexpr unsigned osxsave = 1u << 27;
    if (c & osxsave) {
        uint32_t low = 0, high = 0;
        __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        words.xcr0 = static_cast<uint64_t>(high) << 32 | low;
    }
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d))
        words.leaf7_ebx = b;
#elif defined(__linux__) && defined(__arm__)
    words.hwcap = getauxval(AT_HWCAP);
#elif defined(__arm__) && defined(__ARM_NEON)
    words.hwcap = 1u << 12;                                  // no operating system to ask: what the compiler was told
#endif
    return words;
}

const char *missing_cpu_feature(const CpuWords &words, const char *features) {
    while (*features != '\0') {
        if (*features == ' ') {
            features++;
            continue;
        }
        const Feature *found = nullptr;
        for (const Feature &f : known) {
            if (begins_with_word(features, f.name))
                found = &f;
        }
        if (found == nullptr)
            return "needs a feature that this build cannot detect";
        const bool present = (words.leaf1_ecx & found->leaf1_ecx) == found->leaf1_ecx &&
                             (words.leaf7_ebx & found->leaf7_ebx) == found->leaf7_ebx &&
                             (words.xcr0 & found->xcr0) == found->xcr0 &&
                             (words.hwcap & found->hwcap) == found->hwcap;
        if (!present)
            return found->missing;
        while (*features != '\0' && *features != ' ')
            features++;
    }
    return nullptr;
}

int64_t cache_bytes(const CacheWords &words) {
    const uint32_t type = words.eax & 31;
    constexpr uint32_t none = 0, instructions = 2;
    if (type == none || type == instructions)
        return 0;
    const auto field = [&](int shift, int bits) -> int64_t {
        return (words.ebx >> shift & ((1u << bits) - 1)) + 1;
    };
    const int64_t line = field(0, 12), partitions = field(12, 10), ways = field(22, 10);
    int64_t bytes = ways * partitions * line;
    return __builtin_mul_overflow(bytes, int64_t{words.ecx} + 1, &bytes) ? 0 : bytes;
}

int64_t usable_cache(int64_t bytes, bool virtual_machine) {
    constexpr int64_t most = 32 << 20;
    return virtual_machine && bytes > most ? most : bytes;
}

namespace {

// Bytes of the largest cache from level `least` to level `most`; 0 where the machine does not say.
int64_t largest_cache([[maybe_unused]] uint32_t least, [[maybe_unused]] uint32_t most) {
    int64_t largest = 0;
#if defined(__x86_64__) || defined(__i386__)
    const unsigned leaves[] = {4, 0x8000001d};  // AMD's machines have nothing in the first
    for (unsigned leaf : leaves) {
        for (unsigned cache = 0; cache < 8; cache++) {
            unsigned a = 0, b = 0, c = 0, d = 0;
            if (!__get_cpuid_count(leaf, cache, &a, &b, &c, &d))
                break;
            const uint32_t level = a >> 5 & 7;
            const int64_t bytes = cache_bytes({a, b, c});
            if (level >= least && level <= most && bytes > largest)
                largest = bytes;
        }
    }
#endif
    return largest;
}

bool in_virtual_machine() {
#if defined(__x86_64__) || defined(__i386__)
    constexpr unsigned hypervisor = 1u << 31;
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & hypervisor) != 0;
#else
    return false;
#endif
}

// Negative where it is shared.
int64_t read_last_level() {
    const int64_t bytes = largest_cache(1, 7);
    const bool virtual_machine = in_virtual_machine();
    const int64_t usable = bytes > 0 ? usable_cache(bytes, virtual_machine) : 32 << 20;
    return virtual_machine ? -usable : usable;
}

int64_t read_second_level() {
    const int64_t bytes = largest_cache(2, 2);
    return bytes > 0 ? bytes : 256 << 10;
}

// Asked for once: CPUID traps in a virtual machine. Threads that come at the same time find the
// same.
std::atomic<int64_t> known_last_level{0}, known_second_level{0};

int64_t once(std::atomic<int64_t> *memory, int64_t (*read)()) {
    int64_t value = memory->load(std::memory_order_relaxed);
    if (value == 0) {
        value = read();
        memory->store(value, std::memory_order_relaxed);
    }
    return value;
}

}  // namespace

LastLevelCache last_level_cache() {
    const int64_t bytes = once(&known_last_level, read_last_level);
    return {bytes < 0 ? -bytes : bytes, bytes < 0};
}

int64_t second_level_cache() {
    return once(&known_second_level, read_second_level);
}

}  // namespace halnorm
