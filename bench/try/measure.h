// One case on both sides, interleaved: times of calls in pairs, and of the floor's sweeps between
// them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "../statistics.h"
#include "side.h"

namespace bench {

struct Shape {
    std::string name;  // as it was given
    int64_t n, c, s;
};

// What all rows of a table have in common.
struct Setting {
    std::string before_variant, after_variant, activation;
    bool nhwc = false, float64 = false, backward = false;
    int threads = 1;
    double seconds = 1;  // that a row may take, after its first pairs
};

struct Measured {
    std::vector<Pair> pairs;
    double floor = 0;         // seconds, of the fastest sweep
    std::string floor_sweep;  // its name
    std::string error;        // of the library: there are no times
};

// Copies of one side at different addresses; as many of each side.
using Copies = std::vector<const side::Side *>;

Measured measure(const Copies &before, const Copies &after, const Setting &setting,
                 const Shape &shape);

}  // namespace bench
