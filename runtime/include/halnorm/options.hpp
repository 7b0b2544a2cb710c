// options.hpp: the parameters of the layer. Part of halnorm.hpp.
#ifndef HALNORM_OPTIONS_HPP_
#define HALNORM_OPTIONS_HPP_

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "halnorm/halnorm.h"
#include "halnorm/initializer.hpp"

namespace halnorm {
inline namespace v0 {

enum class Regularizer { none, l1, l2 };

// param_attr and bias_attr: true and nullptr are the default, false is "no such vector", a string
// its name, an Initializer its start; or all fields. name and initializer are the layer's concern;
// the others are an optimizer's, which finds them by weight_attr() and bias_attr() of the layer.
struct ParamAttr {
    bool present = true;
    const char *name = nullptr;  // nullptr: generated
    Initializer initializer;
    double learning_rate = 1;                     // multiplies the optimizer's; finite, >= 0
    Regularizer regularizer = Regularizer::none;  // other than none: overrides the optimizer's
    double regularizer_coefficient = 0;           // finite, >= 0
    bool trainable = true;
    bool do_model_average = true;  // ModelAverage::add() takes it
    bool need_clip = true;         // the optimizer may clip its gradient

    constexpr ParamAttr() = default;
    constexpr ParamAttr(std::nullptr_t) {}
    // Of bool alone: pointers and numbers would be one too.
    template<typename Bool, std::enable_if_t<std::is_same<Bool, bool>::value, int> = 0>
    constexpr ParamAttr(Bool present_) : present(present_) {}
    constexpr ParamAttr(const char *name_) : name(name_) {}
    constexpr ParamAttr(const Initializer &initializer_) : initializer(initializer_) {}
};

// The parameters of the layer, as docs/semantics.md has them, and how its calls run. Strings are
// copied by create().
struct BatchNormOptions {
    int64_t num_channels = 0;  // required, >= 1
    halnorm_activation act = HALNORM_ACT_NONE;
    double act_alpha = static_cast<double>(NAN);  // NaN: the activation's own default
    bool is_test = false;                         // starts in the mode of eval()
    double momentum = 0.9;                        // weight of the old moving value
    // The k-th batch enters the moving statistics with weight 1/k, so that they are the mean over
    // all batches (PyTorch's momentum=None); momentum is not used then.
    bool cumulative_average = false;
    double epsilon = 1e-5;
    ParamAttr param_attr;  // weight; false: acts as 1
    ParamAttr bias_attr;   // bias; false: acts as 0
    halnorm_dtype dtype = HALNORM_FLOAT32;
    halnorm_layout data_layout = HALNORM_NCHW;
    bool in_place = false;                                                    // y may be x itself
    const char *moving_mean_name = nullptr, *moving_variance_name = nullptr;  // nullptr: generated
    bool do_model_average_for_mean_and_var = true;  // ModelAverage::add() takes the two
    bool use_global_stats = false;
    bool trainable_statistics = false;
    halnorm_variance_estimator moving_variance_estimator = HALNORM_VARIANCE_POPULATION;

    const char *variant = nullptr;  // as in halnorm_config
    int32_t threads = 0;
    halnorm_stores stores = HALNORM_STORES_AUTOMATIC;
    const halnorm_executor *executor = nullptr;  // copied; its context has to outlive the layer
};

}  // namespace v0
}  // namespace halnorm

#endif  // HALNORM_OPTIONS_HPP_
