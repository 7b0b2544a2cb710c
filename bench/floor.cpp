#include "floor.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace bench {
namespace {

// What no block covers: the start of y up to a boundary for streaming stores, and the end.
template<bool two>
void by_bytes(const char *x, const char *x2, char *y, size_t bytes) {
    if (!two) {
        std::memcpy(y, x, bytes);
        return;
    }
    for (size_t i = 0; i < bytes; i++)
        y[i] = static_cast<char>(x[i] ^ x2[i]);
}

// Whole blocks of four vectors; returns how many bytes they were.
using Blocks = size_t (*)(const char *x, const char *x2, char *y, size_t bytes);

template<bool two, Blocks blocks>
void sweep(const void *x, const void *x2, void *y, size_t bytes) {
    const char *from = static_cast<const char *>(x), *from2 = static_cast<const char *>(x2);
    char *to = static_cast<char *>(y);
    const size_t head = std::min(bytes, (64 - reinterpret_cast<uintptr_t>(to) % 64) % 64);
    by_bytes<two>(from, from2, to, head);
    from += head, to += head, bytes -= head;
    from2 = two ? from2 + head : from2;
    const size_t done = blocks(from, from2, to, bytes);
    by_bytes<two>(from + done, two ? from2 + done : from2, to + done, bytes - done);
}

void memcpy_sweep(const void *x, const void *, void *y, size_t bytes) {
    std::memcpy(y, x, bytes);
}

#if defined(__x86_64__)

// The same loop for each width: loads of a block, then its stores. The compiler makes no call of
// memcpy of it, since x and y might overlap.
#define HALNORM_BLOCKS(name, features, Vector, load, combine, store, stream)                      \
    template<bool two, bool streaming>                                                            \
    __attribute__((target(features))) size_t name(const char *x, const char *x2, char *y,         \
                                                  size_t bytes) {                                 \
        constexpr size_t V = sizeof(Vector), block = 4 * V;                                       \
        size_t i = 0;                                                                             \
        for (; i + block <= bytes; i += block) {                                                  \
            Vector v[4];                                                                          \
            for (size_t k = 0; k < 4; k++) {                                                      \
                v[k] = load(reinterpret_cast<const Vector *>(x + i + k * V));                     \
                if (two)                                                                          \
                    v[k] = combine(v[k], load(reinterpret_cast<const Vector *>(x2 + i + k * V))); \
            }                                                                                     \
            for (size_t k = 0; k < 4; k++) {                                                      \
                Vector *const to = reinterpret_cast<Vector *>(y + i + k * V);                     \
                streaming ? stream(to, v[k]) : store(to, v[k]);                                   \
            }                                                                                     \
        }                                                                                         \
        if (streaming)                                                                            \
            _mm_sfence();                                                                         \
        return i;                                                                                 \
    }

HALNORM_BLOCKS(blocks_sse2, "sse2", __m128i, _mm_loadu_si128, _mm_xor_si128, _mm_storeu_si128,
               _mm_stream_si128)
HALNORM_BLOCKS(blocks_avx2, "avx2", __m256i, _mm256_loadu_si256, _mm256_xor_si256,
               _mm256_storeu_si256, _mm256_stream_si256)
HALNORM_BLOCKS(blocks_avx512, "avx512f", __m512i, _mm512_loadu_si512, _mm512_xor_si512,
               _mm512_storeu_si512, _mm512_stream_si512)
#undef HALNORM_BLOCKS

template<bool two>
std::vector<Sweep> sweeps() {
    if (__builtin_cpu_supports("avx512f"))
        return {{"copy", sweep<two, blocks_avx512<two, false>>},
                {"streaming copy", sweep<two, blocks_avx512<two, true>>}};
    if (__builtin_cpu_supports("avx2"))
        return {{"copy", sweep<two, blocks_avx2<two, false>>},
                {"streaming copy", sweep<two, blocks_avx2<two, true>>}};
    return {{"copy", sweep<two, blocks_sse2<two, false>>},
            {"streaming copy", sweep<two, blocks_sse2<two, true>>}};
}

#else

// The baseline's vectors, as the compiler makes them of a plain loop.
template<bool two>
size_t blocks_of_words(const char *x, const char *x2, char *y, size_t bytes) {
    const size_t words = bytes / sizeof(uint64_t);
    for (size_t i = 0; i < words; i++) {
        uint64_t v, v2 = 0;
        std::memcpy(&v, x + i * sizeof v, sizeof v);
        if (two)
            std::memcpy(&v2, x2 + i * sizeof v, sizeof v);
        v ^= v2;
        std::memcpy(y + i * sizeof v, &v, sizeof v);
    }
    return words * sizeof(uint64_t);
}

template<bool two>
std::vector<Sweep> sweeps() {
    return {{"copy", sweep<two, blocks_of_words<two>>}};
}

#endif

}  // namespace

const std::vector<Sweep> &floor_sweeps(int reads) {
    static const std::vector<Sweep> one = [] {
        std::vector<Sweep> list = sweeps<false>();
        list.push_back({"memcpy", memcpy_sweep});
        return list;
    }();
    static const std::vector<Sweep> two = sweeps<true>();
    return reads == 1 ? one : two;
}

}  // namespace bench
