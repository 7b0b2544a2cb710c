// Trains a network on the digits.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/split.h"
#include "network/network.h"
#include "train/augmentation.h"

namespace digits {

struct Schedule {
    int64_t epochs = 30, batch = 32;
    double learning_rate = 0.3;  // of the first step; falls linearly, to 0 after the last
    double weight_decay = 5e-4;
    double clip_norm = 5;  // of the gradient
    Augmentation augmentation;
    uint32_t seed = 1;  // of the initial weights and of the batches' order
};

// After an epoch.
struct Epoch {
    double loss;      // on the training set: the mean over the epoch's batches
    double accuracy;  // on the test set, by the moving statistics
};

std::string name(const Architecture &architecture);  // "with the layer"

struct Run {
    explicit Run(const Architecture &architecture) : network(architecture) {}
    std::string name() const { return digits::name(network.architecture); }

    Network<float> network;
    std::vector<Epoch> epochs;
    double seconds = 0, seconds_in_norm = 0;  // of training, the tests after epochs not included
    std::string variant;                      // of the layer's kernels; "" without normalization
};

int64_t steps(const Schedule &schedule, const Examples &train);

// Calls `step` after each batch.
Run train(const Architecture &architecture, const Schedule &schedule, const Split &data,
          const std::function<void()> &step);

// The share of the examples whose digit the network finds.
double accuracy(const Network<float> &network, const Examples &examples);

}  // namespace digits
