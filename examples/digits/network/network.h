// The network: blocks of a convolution, normalization and leaky ReLU, then the mean over the image
// and a fully connected layer. This file is all that inference needs; backpropagation.h trains it.
#pragma once

#include <string>
#include <vector>

#include "network/classifier.h"
#include "network/convolution.h"
#include "network/tensor.h"

namespace digits {

struct Stage {
    int64_t channels, stride;
};

struct Architecture {
    int64_t inputs = 1, classes = 10;  // channels of the images; columns of the logits
    std::vector<Stage> stages = {{16, 1}, {16, 1}, {32, 2}, {32, 1}, {64, 2}, {64, 1}};
    double slope = 0.1;  // of leaky ReLU where it is negative: above 0, so that y tells v; below 1
    double epsilon = 1e-5;   // of the layer
    bool normalized = true;  // without: convolution, bias, leaky ReLU
    std::string variant;     // of the layer's kernels; "": the library's choice
    int threads = 1;         // of the layer
};

template<typename T>
struct Block {
    Convolution<T> convolution;
    halnorm::BatchNorm norm;  // with the activation, in place; empty where the network has none
    Weights<T> bias;          // then (1, channels), else empty
};

// Moves, but does not copy. Its members are open to what trains, saves and folds it.
template<typename T>
struct Network {
    // All weights 0. Throws std::runtime_error with the library's message if it refuses the layer.
    explicit Network(const Architecture &architecture);

    // The same weights from the same seed, on every machine and with or without normalization.
    void initialize(uint32_t seed);

    // The logits, (images, classes), by the moving statistics.
    Matrix<T> infer(const Images<T> &x) const;

    Architecture architecture;
    std::vector<Block<T>> blocks;
    FullyConnected<T> classifier;
};

}  // namespace digits
