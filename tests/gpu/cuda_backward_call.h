// One call of the backward pass by variant cuda, its arrays on the device or in host memory.
#pragma once

#include "cuda_case.h"

namespace gpu {

struct BackwardCase : Setting {
    bool batch = true;      // the statistics are those of the batch, else moving ones
    bool from_y = false;    // y is given, x is not
    bool add = false;       // z is given, dz wanted
    bool dx = true;         // wanted; dgamma and dbeta always are
    bool in_place = false;  // dx is dy
    bool halves = false;    // two parts, their sums added, each taken with those of the whole

    std::string describe() const;
};

// Runs a case on random numbers and compares everything with the reference. Returns what was wrong,
// "" if nothing.
std::string check(const Driver &driver, const BackwardCase &settings);

// A gamma of 0 where y stands for x: whether the call names the channel and leaves the results as
// they were. Returns what was wrong, "" if nothing.
std::string check_zero_gamma(const Driver &driver, const BackwardCase &settings, int64_t channel);

Times measure(Driver &driver, const BackwardCase &settings);

}  // namespace gpu
