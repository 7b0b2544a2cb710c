#include "network/network.h"

#include <type_traits>

#include "common/status.h"
#include "network/bias_activation.h"

namespace digits {
namespace {

template<typename T>
halnorm::BatchNorm make_norm(const Architecture &architecture, int64_t channels,
                             const std::string &prefix) {
    const std::string weight = prefix + ".weight", bias = prefix + ".bias",
                      mean = prefix + ".moving_mean", variance = prefix + ".moving_variance";
    halnorm::BatchNormOptions options;
    options.num_channels = channels;
    options.act = HALNORM_ACT_LEAKY_RELU;
    options.act_alpha = architecture.slope;
    options.epsilon = architecture.epsilon;
    options.dtype = std::is_same_v<T, float> ? HALNORM_FLOAT32 : HALNORM_FLOAT64;
    options.data_layout = HALNORM_NHWC;
    options.in_place = true;
    options.moving_mean_name = mean.c_str();
    options.moving_variance_name = variance.c_str();
    options.variant = architecture.variant.empty() ? nullptr : architecture.variant.c_str();
    options.threads = architecture.threads;
    options.param_attr.name = weight.c_str();
    options.bias_attr.name = bias.c_str();
    // The optimizer's weight decay is for what multiplies the images, not for their scale.
    for (halnorm::ParamAttr *attr : {&options.param_attr, &options.bias_attr}) {
        attr->regularizer = halnorm::Regularizer::l2;
        attr->regularizer_coefficient = 0;
    }
    halnorm::BatchNorm norm;
    expect_ok(halnorm::BatchNorm::create(options, &norm));
    return norm;
}

template<typename T>
Weights<T> make_weights(const std::string &name, int64_t rows, int64_t columns) {
    return {name, Matrix<T>::Zero(rows, columns), {}};
}

template<typename T>
Weights<T> make_bias(const std::string &name, int64_t size) {
    Weights<T> bias = make_weights<T>(name, 1, size);
    bias.attr.regularizer = halnorm::Regularizer::l2;
    return bias;
}

}  // namespace

template<typename T>
Network<T>::Network(const Architecture &a) : architecture(a) {
    int64_t channels = a.inputs;
    for (const Stage &stage : a.stages) {
        const std::string name = "block" + std::to_string(blocks.size() + 1);
        Block<T> block;
        block.convolution.stride = stage.stride;
        block.convolution.weight = make_weights<T>(name + ".convolution.weight",
                                                   Convolution<T>::taps * channels, stage.channels);
        if (a.normalized)
            block.norm = make_norm<T>(a, stage.channels, name + ".norm");
        else
            block.bias = make_bias<T>(name + ".convolution.bias", stage.channels);
        blocks.push_back(std::move(block));
        channels = stage.channels;
    }
    classifier.weight = make_weights<T>("classifier.weight", channels, a.classes);
    classifier.bias = make_bias<T>("classifier.bias", a.classes);
}

template<typename T>
void Network<T>::initialize(uint32_t seed) {
    Random random(seed);
    for (Block<T> &block : blocks)
        block.convolution.initialize(random);
    classifier.initialize(random);
}

template<typename T>
Matrix<T> Network<T>::infer(const Images<T> &x) const {
    Images<T> in, out;
    Matrix<T> patches, features, logits;
    halnorm::Workspace workspace;
    const Images<T> *next = &x;
    for (const Block<T> &block : blocks) {
        block.convolution.forward(*next, &patches, &out);
        if (block.norm)
            expect_ok(block.norm.infer(out.view(), out.view(), workspace));
        else
            add_bias_activate(block.bias.values, static_cast<T>(architecture.slope), &out.values);
        std::swap(in, out);
        next = &in;
    }
    average_pool(*next, &features);
    classifier.forward(features, &logits);
    return logits;
}

template struct Network<float>;
template struct Network<double>;

}  // namespace digits
