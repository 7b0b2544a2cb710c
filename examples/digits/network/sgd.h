// Stochastic gradient descent with momentum, which honours what each parameter's attribute asks
// for.
#pragma once

#include <cstdint>
#include <vector>

#include "halnorm/halnorm.hpp"

namespace digits {

// What the optimizer sees of a parameter. The memory stays its owner's.
template<typename T>
struct Parameter {
    T *values = nullptr;
    const T *gradient = nullptr;
    int64_t size = 0;
    halnorm::ParamAttr attr;
};

struct SgdOptions {
    double momentum = 0.9;
    double clip_norm = 0;  // of all gradients together; 0: no clipping
    halnorm::Regularizer regularizer = halnorm::Regularizer::none;
    double regularizer_coefficient = 0;
};

// One step is, in this order,
//     scale    = clip_norm / max(clip_norm, norm of the gradients)
//     g        = scale * gradient + coefficient * value        (L1: the value's sign)
//     velocity = momentum * velocity + g
//     value    = value - learning_rate * attr.learning_rate * velocity
// A parameter that is not trainable is left out of all of it; without need_clip its gradient is
// left out of the norm and not scaled; a regularizer of its own replaces the optimizer's.
template<typename T>
class Sgd {
public:
    // The list, its memory and its sizes have to stay as they are.
    Sgd(const SgdOptions &options, std::vector<Parameter<T>> parameters);
    void step(double learning_rate);

private:
    const SgdOptions options_;
    const std::vector<Parameter<T>> parameters_;
    std::vector<std::vector<T>> velocities_;
};

}  // namespace digits
