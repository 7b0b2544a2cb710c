// How far a result may be from the reference. Each bound is a formula in the unit roundoff u of the
// data's type (2^-24, 2^-53), the number of elements m, and the magnitudes that enter. None was
// chosen by looking at results.
#pragma once

#include <float.h>
#include <math.h>

#include "halnorm/halnorm.h"
#include "reference.h"

namespace test {

inline double unit_roundoff(halnorm_dtype dtype) {
    return dtype == HALNORM_FLOAT32 ? 0x1p-24 : 0x1p-53;
}

// Relative error of M2 and of the variance. float32: docs/semantics.md. float64: the classical
// bound of a sum of m terms of one sign in any order, m u, and 16 u for the squares, the merges and
// the division.
inline double variance_relative(halnorm_dtype dtype, double m) {
    return dtype == HALNORM_FLOAT32 ? 1e-6 : (m + 16) * 0x1p-53;
}

// Error of the mean, for data of deviation `deviation`. float32: what the bound of y below leaves
// for it, 8 u of a deviation; float64: m u of one. Then the rounding of the mean itself to double,
// once in the library and once in the reference.
inline double mean_absolute(halnorm_dtype dtype, double m, double mean, double deviation) {
    const double sums = dtype == HALNORM_FLOAT32 ? 8 * 0x1p-24 : (m + 16) * 0x1p-53;
    return sums * deviation + 2 * 0x1p-53 * fabs(mean);
}

// Of new = old * momentum + batch * (1 - momentum), computed in double and rounded to the dtype,
// where the batch's value is off by `batch_error`: a rounding of each product and of the sum, and
// the final one.
inline double moving_absolute(halnorm_dtype dtype, double momentum, double old, double batch,
                              double batch_error, double result) {
    const double products = fabs(old * momentum) + fabs(batch * (1 - momentum));
    return fabs(1 - momentum) * batch_error + 4 * 0x1p-53 * products +
           unit_roundoff(dtype) * fabs(result);
}

// Which statistics entered y.
enum class Source { moving, batch };

// Of v = gamma * xhat + beta. With gamma = 1 and beta = 0 that is docs/semantics.md's 16 u (1 +
// |v|): v is formed as (x - center) * scale + offset, with six roundings of numbers no larger than
// |gamma xhat|, |gamma| or |beta|, and the rest is for the statistics. Of float64 data the mean
// itself has only 53 bits, which no second word can mend, so its error enters as it is; likewise
// that of the variance.
inline double normalized_absolute(halnorm_dtype dtype, Source source, double m,
                                  const reference::Forward &f, size_t c, double xhat) {
    const double u = unit_roundoff(dtype), gamma = fabs(f.gamma[c]);
    const double rounding = 16 * u * (gamma * (1 + fabs(xhat)) + fabs(f.beta[c]));
    if (dtype == HALNORM_FLOAT32 || source == Source::moving)
        return rounding;
    const double mean =
        mean_absolute(dtype, m, f.center[c], f.inv_std[c] > 0 ? 1 / f.inv_std[c] : 0);
    return rounding + gamma * (mean * f.inv_std[c] + variance_relative(dtype, m) / 2 * fabs(xhat));
}

// Of y = act(v) where v is off by v_error: what the steepest slope makes of that, the rounding of
// alpha to the dtype (u |alpha v|), and 8 u of 1 + |y| for a handful of roundings in the formula,
// whose terms are at most about 1 + |y|.
inline double activated_absolute(halnorm_dtype dtype, halnorm_activation activation, double alpha,
                                 double v, double v_error, double y) {
    if (activation == HALNORM_ACT_NONE)
        return v_error;
    const double u = unit_roundoff(dtype);
    const double rounded_alpha = isfinite(v) ? u * fabs(alpha * v) : 0;
    const double formula = isfinite(y) ? 8 * u * (1 + fabs(y)) : 0;
    return reference::steepest_slope(activation, alpha) * v_error + rounded_alpha + formula;
}

// NaN for NaN, the same infinity for an infinity (or for what the dtype cannot hold), else within
// the tolerance.
inline bool close(halnorm_dtype dtype, double actual, double expected, double tolerance) {
    if (isnan(expected))
        return isnan(actual);
    if (isinf(expected))
        return actual == expected;
    if (dtype == HALNORM_FLOAT32 && fabs(expected) + tolerance >= static_cast<double>(FLT_MAX) &&
        isinf(actual)) {
        return (actual > 0) == (expected > 0);
    }
    return fabs(actual - expected) <= tolerance;
}

}  // namespace test
