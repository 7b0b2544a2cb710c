// The layer on one file of tensors: what `halnorm forward` and `halnorm backward` have in common.
#pragma once

#include <string>
#include <vector>

#include "command_line.h"
#include "files.h"

namespace halnorm_tool {

class Layer {
public:
    // Opens IN, checks its tensors and reads the layer's vectors. `required`: x, and what else has
    // to be there with x's shape.
    Layer(const LayerOptions &options, const std::vector<std::string> &required);

    Buffer read(const std::string &name) const;  // one of `required`
    Buffer new_tensor() const;                   // memory for a tensor like x
    Buffer new_vector() const;                   // memory for one value a channel

    // y may be x. Updates the moving statistics, or leaves them as they are.
    void forward(const Buffer &x, const Buffer &y);
    // After forward(), of the same x. dx may be dy. dweight and dbias are written where there is a
    // weight, a bias.
    void backward(const Buffer &x, const Buffer &dy, const Buffer &dx, const Buffer &dweight,
                  const Buffer &dbias) const;

    OutputTensor like_x(const std::string &name, const Buffer &data) const;
    OutputTensor per_channel(const std::string &name, const Buffer &data) const;
    // Writes OUT: `tensors`, then y and what else the forward pass left.
    void write(std::vector<OutputTensor> tensors, const Buffer &y) const;

private:
    Buffer vector_or(double standard, const char *name) const;
    halnorm_tensor tensor(const Buffer &data) const;
    const void *weight() const { return options_.no_weight ? nullptr : weight_.data(); }
    const void *bias() const { return options_.no_bias ? nullptr : bias_.data(); }

    const LayerOptions &options_;
    SafetensorsFile file_;
    const TensorEntry *x_ = nullptr;
    halnorm_dtype dtype_ = HALNORM_FLOAT32;
    halnorm_config config_;
    Buffer weight_{0}, bias_{0}, moving_mean_{0}, moving_variance_{0};
    std::vector<double> saved_mean_, saved_inv_std_;  // by forward(), of the batch
};

}  // namespace halnorm_tool
