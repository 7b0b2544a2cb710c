// The same numbers on every machine.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace test {

class Random {  // splitmix64
public:
    explicit Random(uint64_t seed) : state_(seed) {}

    uint64_t bits() {
        uint64_t z = state_ += 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        return z ^ z >> 31;
    }
    double uniform(double low, double high) {
        return low + (high - low) * static_cast<double>(bits() >> 11) * 0x1p-53;
    }
    // Deviation 1, at most 6: the sum of twelve uniform numbers, which needs no libm.
    double normal() {
        double sum = -6;
        for (int i = 0; i < 12; i++)
            sum += uniform(0, 1);
        return sum;
    }
    size_t below(size_t n) { return static_cast<size_t>(bits() % n); }

private:
    uint64_t state_;
};

}  // namespace test
