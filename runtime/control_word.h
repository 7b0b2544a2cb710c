// How this thread rounds and whether it flushes subnormals: each has its own, and starts with that
// of the thread that made it.
#pragma once

#include <stdint.h>

namespace halnorm {

#if defined(__x86_64__)
using ControlWord = uint32_t;  // with the flags of what has happened
inline ControlWord control_word() {
    return __builtin_ia32_stmxcsr();
}
inline void set_control_word(ControlWord word) {
    __builtin_ia32_ldmxcsr(word);
}
#elif defined(__aarch64__) || (defined(__arm__) && defined(__ARM_FP))
#if defined(__aarch64__)
using ControlWord = uint64_t;
#define HALNORM_READ_CONTROL_WORD "mrs %0, fpcr"
#define HALNORM_WRITE_CONTROL_WORD "msr fpcr, %0"
#else
using ControlWord = uint32_t;  // with the flags
#define HALNORM_READ_CONTROL_WORD "vmrs %0, fpscr"
#define HALNORM_WRITE_CONTROL_WORD "vmsr fpscr, %0"
#endif
inline ControlWord control_word() {
    ControlWord word;
    __asm__ volatile(HALNORM_READ_CONTROL_WORD : "=r"(word));
    return word;
}
inline void set_control_word(ControlWord word) {
    __asm__ volatile(HALNORM_WRITE_CONTROL_WORD : : "r"(word));
}
#undef HALNORM_READ_CONTROL_WORD
#undef HALNORM_WRITE_CONTROL_WORD
#else
struct ControlWord {};
inline ControlWord control_word() {
    return {};
}
inline void set_control_word(ControlWord) {}
#endif

}  // namespace halnorm
