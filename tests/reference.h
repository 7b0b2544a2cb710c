// Batch normalization the obvious way: what the library's results are compared with. Formulas are
// those of docs/semantics.md, written down in wide types and compensated sums, with no thought of
// speed.
#pragma once

#include <stdint.h>
#include <vector>

#include "halnorm/halnorm.h"

namespace reference {

// The values of a tensor in row-major order of its shape, whatever its strides.
struct Array {
    std::vector<int64_t> shape;
    int channel_axis = 1;
    std::vector<double> values;

    int64_t channels() const { return shape[static_cast<size_t>(channel_axis)]; }
    int64_t count() const;                  // elements per channel
    size_t channel_of(size_t index) const;  // of values[index]
};

Array read(const halnorm_tensor &tensor, halnorm_layout layout);

struct Statistics {
    int64_t count = 0;
    std::vector<double> mean, m2;  // m2 = sum((x - mean)^2)
};

Statistics statistics(const Array &x);

// Statistics of two parts together, by Chan's formula.
Statistics merged(const Statistics &a, const Statistics &b);

struct Parameters {
    std::vector<double> gamma, beta, moving_mean, moving_variance;  // one number per channel
    double epsilon = 1e-5, momentum = 0.9;
    halnorm_variance_estimator estimator = HALNORM_VARIANCE_POPULATION;
    halnorm_activation activation = HALNORM_ACT_NONE;
    double alpha = 0;  // of the activation

    // gamma 1, beta 0, moving statistics 0 and 1.
    explicit Parameters(int64_t channels);
};

struct Forward {
    std::vector<double> y;
    std::vector<double> xhat;                          // (x - center) * inv_std, of each element
    std::vector<double> normalized;                    // gamma * xhat + beta, of each element
    std::vector<double> center, inv_std, gamma, beta;  // per channel, as they entered y
    std::vector<double> moving_mean, moving_variance, saved_mean, saved_inv_std;
};

Forward forward_inference(const Array &x, const Parameters &p);
Forward forward_training(const Array &x, const Parameters &p);

// act(v) with the value `alpha` where the activation has one. An infinite v gives the function's
// limit.
long double activate(halnorm_activation activation, double alpha, long double v);

// Upper bound of |act'(v)| over all v.
double steepest_slope(halnorm_activation activation, double alpha);

}  // namespace reference
