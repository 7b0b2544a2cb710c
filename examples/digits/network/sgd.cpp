#include "network/sgd.h"

#include <algorithm>
#include <cmath>

namespace digits {
namespace {

template<typename T>
double clip_scale(const std::vector<Parameter<T>> &parameters, double clip_norm) {
    if (clip_norm == 0)
        return 1;
    double squares = 0;
    for (const Parameter<T> &p : parameters) {
        if (!p.attr.trainable || !p.attr.need_clip)
            continue;
        for (int64_t i = 0; i < p.size; i++)
            squares += std::pow(static_cast<double>(p.gradient[i]), 2);
    }
    return clip_norm / std::max(clip_norm, std::sqrt(squares));
}

template<typename T>
T penalty(halnorm::Regularizer regularizer, T coefficient, T value) {
    switch (regularizer) {
    case halnorm::Regularizer::l1:
        return coefficient * static_cast<T>((value > 0) - (value < 0));
    case halnorm::Regularizer::l2:
        return coefficient * value;
    case halnorm::Regularizer::none:
        break;
    }
    return 0;
}

}  // namespace

template<typename T>
Sgd<T>::Sgd(const SgdOptions &options, std::vector<Parameter<T>> parameters)
    : options_(options), parameters_(std::move(parameters)) {
    for (const Parameter<T> &p : parameters_)
        velocities_.emplace_back(static_cast<size_t>(p.size));
}

template<typename T>
void Sgd<T>::step(double learning_rate) {
    const double scale = clip_scale(parameters_, options_.clip_norm);
    const T momentum = static_cast<T>(options_.momentum);
    for (size_t k = 0; k < parameters_.size(); k++) {
        const Parameter<T> &p = parameters_[k];
        if (!p.attr.trainable)
            continue;
        const bool own = p.attr.regularizer != halnorm::Regularizer::none;
        const auto regularizer = own ? p.attr.regularizer : options_.regularizer;
        const T coefficient =
            static_cast<T>(own ? p.attr.regularizer_coefficient : options_.regularizer_coefficient);
        const T rate = static_cast<T>(learning_rate * p.attr.learning_rate);
        const T clip = static_cast<T>(p.attr.need_clip ? scale : 1);
        T *velocity = velocities_[k].data();
        for (int64_t i = 0; i < p.size; i++) {
            const T g = clip * p.gradient[i] + penalty(regularizer, coefficient, p.values[i]);
            velocity[i] = momentum * velocity[i] + g;
            p.values[i] -= rate * velocity[i];
        }
    }
}

template class Sgd<float>;
template class Sgd<double>;

}  // namespace digits
