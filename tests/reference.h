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
    size_t inner() const;                   // elements beside each other that share a channel
    size_t channel_of(size_t index) const;  // of values[index]

    // body(index, channel) of each element, in the order of values.
    template<typename Body>
    void for_each(Body body) const {
        const size_t run = inner(), all = static_cast<size_t>(channels());
        for (size_t i = 0, end = static_cast<size_t>(count()) * all; i < end;) {
            for (size_t c = 0; c < all; c++) {
                for (size_t last = i + run; i < last; i++)
                    body(i, c);
            }
        }
    }
};

Array shape_of(const halnorm_tensor &tensor, halnorm_layout layout);  // without the values
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
    std::vector<double> normalized;                    // act's argument, of each element
    std::vector<double> center, inv_std, gamma, beta;  // per channel, as they entered y
    std::vector<double> moving_mean, moving_variance, saved_mean, saved_inv_std;
};

// z: a second addend, in the order of x's values, or NULL.
Forward forward_inference(const Array &x, const Parameters &p,
                          const std::vector<double> *z = nullptr);
Forward forward_training(const Array &x, const Parameters &p,
                         const std::vector<double> *z = nullptr);
// By the statistics `s` of a whole batch, of which x is a part.
Forward forward_apply(const Array &x, const Statistics &s, const Parameters &p,
                      const std::vector<double> *z = nullptr);

// What the backward pass takes. Where `from_y`, x holds y, and what was normalized is recovered.
struct Backward {
    Array x;
    bool from_y = false;
    double u = 0x1p-53;         // unit roundoff of the data's type, for a saturated elu
    std::vector<double> dy, z;  // z: the second addend, or empty
    bool batch = true;          // whether mean and inv_std are those of the batch
    std::vector<double> mean, inv_std;
    Parameters p;

    explicit Backward(const Parameters &parameters) : p(parameters) {}
};

// inv_std = 1 / sqrt(variance + epsilon) of each channel, 0 where that is 1 / 0.
std::vector<double> inverse_deviations(const std::vector<double> &variance, double epsilon);

struct Sums {
    int64_t count = 0;              // elements per channel
    std::vector<double> g, g_xhat;  // per channel
};

struct Gradients {
    // Of each element: act's argument, act' of it, x normalized, dy * act'.
    std::vector<double> v, slope, xhat, g;
    std::vector<double> dx, dgamma, dbeta;
    Sums sums;  // over x, whatever the totals
};

// `totals`: the sums of the whole batch, where x is a part of it; without them x is the whole.
Gradients backward(const Backward &b, const Sums *totals = nullptr);

// act(v) with the value `alpha` where the activation has one. An infinite v gives the function's
// limit.
long double activate(halnorm_activation activation, double alpha, long double v);

// act'(v): at a corner that of the left side, and 0 at both ends of what is clamped. An infinite v
// gives the limit. Where v is NaN, act' is NaN, but for the functions of straight pieces (clamped
// ones and leaky_relu), which then are on the one that is not cut off.
long double derivative(halnorm_activation activation, double alpha, long double v);

// The v <= 0 or > 0 for which act(v) = y; of none, leaky_relu and elu. An elu at or below -alpha
// counts as that of log(u).
long double inverse(halnorm_activation activation, double alpha, long double y, double u);

// Upper bound of |act'(v)| over all v.
double steepest_slope(halnorm_activation activation, double alpha);

// Upper bound of |act''(v)| over all v but the corners.
double steepest_curvature(halnorm_activation activation, double alpha);

// Where act' jumps, and how far.
struct Corner {
    double v, jump;
};
std::vector<Corner> corners(halnorm_activation activation, double alpha);

}  // namespace reference
