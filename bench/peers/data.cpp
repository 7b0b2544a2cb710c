#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "native.h"

namespace {

// SplitMix64: each element from its index alone.
double uniform(uint64_t seed, uint64_t index) {
    uint64_t z = seed + (index + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return static_cast<double>(z >> 11) * 0x1p-53;
}

// Repeated after a prime number of elements, which makes large tensors at the speed of a copy and
// no two rows alike.
constexpr int64_t period = 1000003;

template<typename T>
void fill(T *data, int64_t count, uint64_t seed, double low, double high) {
    for (int64_t i = 0; i < std::min(count, period); i++)
        data[i] = static_cast<T>(low + (high - low) * uniform(seed, static_cast<uint64_t>(i)));
    for (int64_t i = period; i < count; i += period)
        std::copy_n(data, std::min(count - i, period), data + i);
}

template<typename T>
int64_t differences(const T *a, const T *b, int64_t count, double tolerance) {
    int64_t result = 0;
    for (int64_t i = 0; i < count; i++) {
        const double from = static_cast<double>(a[i]), to = static_cast<double>(b[i]);
        const bool same = std::fabs(from - to) <= tolerance * (1 + std::fabs(from)) ||
                          (std::isnan(from) && std::isnan(to));
        result += same ? 0 : 1;
    }
    return result;
}

}  // namespace

void *peers_allocate(size_t bytes) {
    void *memory = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
    if (memory)
        std::memset(memory, 0, bytes);
    return memory;
}

void peers_release(void *memory) {
    std::free(memory);
}

void peers_fill(void *data, int32_t dtype, int64_t count, uint64_t seed, double low, double high) {
    dtype == HALNORM_FLOAT64 ? fill(static_cast<double *>(data), count, seed, low, high) :
                               fill(static_cast<float *>(data), count, seed, low, high);
}

int64_t peers_differences(const void *a, const void *b, int32_t dtype, int64_t count,
                          double tolerance) {
    return dtype == HALNORM_FLOAT64 ?
               differences(static_cast<const double *>(a), static_cast<const double *>(b), count,
                           tolerance) :
               differences(static_cast<const float *>(a), static_cast<const float *>(b), count,
                           tolerance);
}
