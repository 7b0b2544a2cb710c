// How fast the layer is beside memcpy of the same tensor.
#pragma once

#include <functional>

#include "layer/experiment.h"

namespace digits {

struct Timing {
    int64_t images;
    double bytes;                      // read and written by memcpy, and at least by the layer
    double copy, inference, training;  // medians, in seconds
};

constexpr int timing_rounds = 31;

// The three in turn, `timing_rounds` times, on the first `images` maps. Calls `step` after each
// round.
Timing measure(const Experiment &experiment, const Settings &settings, int64_t images,
               const std::function<void()> &step);

}  // namespace digits
