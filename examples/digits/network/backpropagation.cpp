#include "network/backpropagation.h"

#include <chrono>

#include "common/status.h"
#include "network/bias_activation.h"
#include "network/loss.h"

namespace digits {
namespace {

template<typename T>
Parameter<T> parameter(Weights<T> *weights, Matrix<T> *gradient) {
    gradient->resize(weights->values.rows(), weights->values.cols());
    return {weights->values.data(), gradient->data(), weights->values.size(), weights->attr};
}

template<typename T>
Parameter<T> parameter(const halnorm::Vector &values, const halnorm::ConstVector &gradient,
                       const halnorm::ParamAttr &attr) {
    return {values.as<T>(), gradient.as<T>(), values.size, attr};
}

}  // namespace

template<typename T>
Backpropagation<T>::Backpropagation(Network<T> *network)
    : network_(*network), traces_(network->blocks.size()) {}

template<typename T>
std::vector<Parameter<T>> Backpropagation<T>::parameters() {
    std::vector<Parameter<T>> all;
    for (size_t i = 0; i < traces_.size(); i++) {
        Block<T> &block = network_.blocks[i];
        all.push_back(parameter(&block.convolution.weight, &traces_[i].dweight));
        if (block.norm) {
            halnorm::BatchNorm &norm = block.norm;
            all.push_back(parameter<T>(norm.weight(), norm.weight_gradient(), norm.weight_attr()));
            all.push_back(parameter<T>(norm.bias(), norm.bias_gradient(), norm.bias_attr()));
        } else {
            all.push_back(parameter(&block.bias, &traces_[i].dbias));
        }
    }
    all.push_back(parameter(&network_.classifier.weight, &dweight_));
    all.push_back(parameter(&network_.classifier.bias, &dbias_));
    return all;
}

template<typename T>
double Backpropagation<T>::run(const Images<T> &x, const std::vector<int> &labels) {
    forward(x);
    const double loss = softmax_cross_entropy(logits_, labels, &dlogits_);
    backward();
    return loss;
}

template<typename T>
void Backpropagation<T>::forward(const Images<T> &x) {
    const T slope = static_cast<T>(network_.architecture.slope);
    const Images<T> *next = &x;
    for (size_t i = 0; i < traces_.size(); i++) {
        Block<T> &block = network_.blocks[i];
        Trace &trace = traces_[i];
        block.convolution.forward(*next, &trace.patches, &trace.y);
        if (block.norm)
            timed([&] { return block.norm.forward(trace.y.view()); });
        else
            add_bias_activate(block.bias.values, slope, &trace.y.values);
        next = &trace.y;
    }
    average_pool(*next, &features_);
    network_.classifier.forward(features_, &logits_);
}

template<typename T>
void Backpropagation<T>::backward() {
    const T slope = static_cast<T>(network_.architecture.slope);
    for (Trace &trace : traces_) {
        const Images<T> &y = trace.y;
        trace.dy.resize(y.count, y.height, y.width, y.channels());
    }
    network_.classifier.backward(features_, dlogits_, &dweight_, &dbias_, &dfeatures_);
    average_pool_backward(dfeatures_, &traces_.back().dy);
    for (size_t i = traces_.size(); i-- > 0;) {
        Block<T> &block = network_.blocks[i];
        Trace &trace = traces_[i];
        if (block.norm) {
            const halnorm_tensor dy = trace.dy.view();
            timed([&] { return block.norm.backward(trace.y.view(), dy, dy); });
        } else {
            add_bias_activate_backward(trace.y.values, slope, &trace.dy.values, &trace.dbias);
        }
        block.convolution.backward(&trace.patches, trace.dy, &trace.dweight,
                                   i > 0 ? &traces_[i - 1].dy : nullptr);
    }
}

template<typename T>
template<typename Call>
void Backpropagation<T>::timed(const Call &call) {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point start = Clock::now();
    expect_ok(call());
    seconds_in_norm_ += std::chrono::duration<double>(Clock::now() - start).count();
}

template class Backpropagation<float>;
template class Backpropagation<double>;

}  // namespace digits
