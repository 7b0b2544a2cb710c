// options.hpp: the parameters of the layer. Part of halnorm.hpp.
#ifndef HALNORM_OPTIONS_HPP_
#define HALNORM_OPTIONS_HPP_

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "halnorm/halnorm.h"

namespace halnorm {
inline namespace v0 {

// How a vector starts. This version knows the standard start only (weight 1, bias 0).
struct Initializer {
    enum Kind {
        standard,
        constant,
        uniform,
        normal,
        truncated_normal,
        xavier_uniform,
        xavier_normal,
        values
    };
    Kind kind = standard;
    double a = 0, b = 0;  // constant: the value; uniform: the range; normal: mean and deviation
    uint64_t seed = 0;
    const void *given = nullptr;  // values: num_channels of the layer's dtype
};

enum class Regularizer { none, l1, l2 };

// param_attr and bias_attr: true and nullptr are the default, false is "no such vector", a string
// its name; or all fields. Fields that this version does not act on have to keep their default:
// create() refuses others.
struct ParamAttr {
    bool present = true;
    const char *name = nullptr;  // nullptr: generated
    Initializer initializer;
    double learning_rate = 1;  // multiplies the optimizer's
    Regularizer regularizer = Regularizer::none;
    double regularizer_coefficient = 0;
    bool trainable = true, do_model_average = true, need_clip = true;

    ParamAttr() = default;
    ParamAttr(std::nullptr_t) {}
    ParamAttr(bool present_) : present(present_) {}
    ParamAttr(const char *name_) : name(name_) {}
};

// The parameters of the layer, as docs/semantics.md has them, and how its calls run. Strings are
// copied by create().
struct BatchNormOptions {
    int64_t num_channels = 0;  // required, >= 1
    halnorm_activation act = HALNORM_ACT_NONE;
    double act_alpha = static_cast<double>(NAN);  // NaN: the activation's own default
    bool is_test = false;                         // starts in the mode of eval()
    double momentum = 0.9;                        // weight of the old moving value
    double epsilon = 1e-5;
    ParamAttr param_attr;  // weight; false: acts as 1
    ParamAttr bias_attr;   // bias; false: acts as 0
    halnorm_dtype dtype = HALNORM_FLOAT32;
    halnorm_layout data_layout = HALNORM_NCHW;
    bool in_place = false;                                                    // y may be x itself
    const char *moving_mean_name = nullptr, *moving_variance_name = nullptr;  // nullptr: generated
    bool do_model_average_for_mean_and_var = true;
    bool use_global_stats = false;
    bool trainable_statistics = false;
    halnorm_variance_estimator moving_variance_estimator = HALNORM_VARIANCE_POPULATION;

    const char *variant = nullptr;  // as in halnorm_config
    int32_t threads = 0;
    const halnorm_executor *executor = nullptr;  // copied; its context has to outlive the layer
};

}  // namespace v0
}  // namespace halnorm

#endif  // HALNORM_OPTIONS_HPP_
