// The layer on the digits: training, inference with what it learned, and every number checked.
#pragma once

#include <functional>
#include <vector>

#include "halnorm/halnorm.hpp"
#include "layer/reference.h"
#include "layer/settings.h"

namespace digits {

// How far the moving statistics are from the whole set's: root mean square over the channels.
struct Distance {
    double mean;      // in deviations of the channel
    double variance;  // relative
};

struct Experiment {
    std::vector<float> maps;  // (count, 16, 8, 8): what the convolution made of the digits
    int64_t count = 0;
    Statistics before, after;  // of the whole set: of `maps`, and of the layer's inference outputs
    std::vector<Distance> settling;  // after each training batch
    std::vector<int64_t> images;     // seen until then
    std::vector<Check> checks;
    std::string variant;       // that ran
    halnorm::BatchNorm layer;  // trained, in the mode of eval()
};

halnorm::BatchNormOptions options(const Settings &settings);

int64_t batches(const Settings &settings, int64_t count);  // that run_experiment will go through

// Calls `step` after each batch.
Experiment run_experiment(const std::vector<float> &images, const Settings &settings,
                          const std::function<void()> &step);

}  // namespace digits
