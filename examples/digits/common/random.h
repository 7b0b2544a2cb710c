// Random numbers that are the same on every machine: the standard fixes the engines, but not its
// distributions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

namespace digits {

using Random = std::mt19937;

// In [low, high), of 32 random bits.
inline double uniform(Random &random, double low, double high) {
    return low + (high - low) * (static_cast<double>(random()) * 0x1p-32);
}

inline void shuffle(Random &random, std::vector<size_t> *order) {
    for (size_t i = order->size(); i > 1; i--)
        std::swap((*order)[i - 1], (*order)[random() % i]);
}

}  // namespace digits
