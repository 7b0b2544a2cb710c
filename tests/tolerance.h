// How far a result may be from the reference. Each bound is a formula in the unit roundoff u of the
// data's type (2^-24, 2^-53), the number of elements m, and the magnitudes that enter. None was
// chosen by looking at results.
#pragma once

#include <float.h>
#include <math.h>
#include <vector>

#include "halnorm/halnorm.h"
#include "reference.h"

namespace test {

inline double unit_roundoff(halnorm_dtype dtype) {
    return dtype == HALNORM_FLOAT32 ? 0x1p-24 : 0x1p-53;
}

inline double least_subnormal(halnorm_dtype dtype) {
    return dtype == HALNORM_FLOAT32 ? 0x1p-149 : 0x1p-1074;
}

inline double least_normal(halnorm_dtype dtype) {
    return dtype == HALNORM_FLOAT32 ? static_cast<double>(FLT_MIN) : DBL_MIN;
}

// Relative error of M2 and of the variance. float32: docs/semantics.md. float64: the classical
// bound of a sum of m terms in any order, m u, of the sums around a shift that costs as much as M2
// itself (a worse one is replaced), and 16 u for the squares, the merges and the division; derived
// in docs/numerics.md.
inline double variance_relative(halnorm_dtype dtype, double m) {
    return dtype == HALNORM_FLOAT32 ? 1e-6 : (5 * m + 16) * 0x1p-53;
}

// Of M2: that, and what m squares in x's type lose where they are subnormal.
inline double m2_absolute(halnorm_dtype dtype, double m, double m2) {
    return variance_relative(dtype, m) * m2 + m * least_subnormal(dtype);
}

// Error of the mean, for data of deviation `deviation`. float32: what the bound of y below leaves
// for it, 8 u of a deviation; float64: m u of the root of the mean square around a shift, at most
// sqrt(2) of one. Then the rounding of the mean itself to double, once in the library and once in
// the reference.
inline double mean_absolute(halnorm_dtype dtype, double m, double mean, double deviation) {
    const double sums = dtype == HALNORM_FLOAT32 ? 8 * 0x1p-24 : (1.5 * m + 16) * 0x1p-53;
    return sums * deviation + 2 * 0x1p-53 * fabs(mean);
}

// Of channel c of the statistics.
inline double mean_absolute(halnorm_dtype dtype, const reference::Statistics &s, size_t c) {
    const double m = static_cast<double>(s.count);
    return mean_absolute(dtype, m, s.mean[c], m > 1 ? sqrt(s.m2[c] / m) : 0);
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

// What a second addend z adds to the error of v = ... + z: a rounding of each of them.
inline double added_absolute(halnorm_dtype dtype, double z, double v) {
    return 2 * unit_roundoff(dtype) * (fabs(z) + fabs(v));
}

// Of y = act(v) where v is off by v_error: what the steepest slope makes of that, the rounding of
// alpha to the dtype (u |alpha v|), and 8 u of 1 + |y| for a handful of roundings in the formula,
// whose terms are at most about 1 + |y|. At 20 softplus jumps to v.
inline double activated_absolute(halnorm_dtype dtype, halnorm_activation activation, double alpha,
                                 double v, double v_error, double y) {
    if (activation == HALNORM_ACT_NONE)
        return v_error;
    const double u = unit_roundoff(dtype);
    const double rounded_alpha = isfinite(v) ? u * fabs(alpha * v) : 0;
    const double formula = isfinite(y) ? 8 * u * (1 + fabs(y)) : 0;
    const bool jumps = activation == HALNORM_ACT_SOFTPLUS && fabs(v - 20) <= v_error;
    if (jumps)
        v_error += log1p(exp(-20.0));
    const double slope = reference::steepest_slope(activation, alpha);
    return (slope == 0 ? 0 : slope * v_error) + rounded_alpha + formula;
}

// Of element i of y, which is in channel c, as the reference `f` of m elements per channel has it; z:
// the second addend, or NULL.
inline double y_absolute(halnorm_dtype dtype, Source source, double m, const reference::Parameters &p,
                         const reference::Forward &f, const std::vector<double> *z, size_t c,
                         size_t i) {
    const bool one = source == Source::batch && m == 1;  // y = act(x), without any statistics
    double v_error = one ? 0 : normalized_absolute(dtype, source, m, f, c, f.xhat[i]);
    if (z != nullptr)
        v_error += added_absolute(dtype, (*z)[i], f.normalized[i]);
    return activated_absolute(dtype, p.activation, p.alpha, f.normalized[i], v_error, f.y[i]);
}

// ---- Backward ----

// A sum over elements: how many roundings in a row one addend can suffer, each u of the sum of the
// addends' magnitudes. float32: an accumulator takes at most 32 addends before a double does
// (docs/numerics.md), and 8 more for the addend itself (x - center, the product) and the lanes that
// are joined. float64: the classical bound for any order.
inline double roundings_of_sum(halnorm_dtype dtype, double m) {
    return dtype == HALNORM_FLOAT32 ? 32 + 8 : m + 16;
}

// Of act'(v) where v is off by v_error: the steepest curvature, every corner that v may have
// crossed, the rounding of alpha, and for those that are a formula 8 u of 1 + |act'|, as of act.
// What is made of a derivative behind a corner is rounded too, of which the other bounds, in the
// derivative before it, know nothing: 12 u of the jump.
inline double derivative_absolute(halnorm_dtype dtype, halnorm_activation activation, double alpha,
                                  double v, double v_error, double derivative) {
    const double u = unit_roundoff(dtype);
    // Of hardsigmoid the corners are where alpha v + 0.5, rounded, is 0 or 1.
    const double rounding = activation == HALNORM_ACT_HARDSIGMOID ? 4 * u : 0;
    double error = 0;
    for (const reference::Corner &corner : reference::corners(activation, alpha)) {
        if (fabs(v - corner.v) < v_error + rounding * fabs(corner.v))
            error += corner.jump * (1 + 12 * u);
    }
    switch (activation) {
    case HALNORM_ACT_NONE:
    case HALNORM_ACT_RELU:
    case HALNORM_ACT_RELU6:
        return error;
    case HALNORM_ACT_LEAKY_RELU:
    case HALNORM_ACT_HARDSIGMOID:
        return error + u * fabs(alpha);
    default:
        break;
    }
    const double formula = 8 * u * (1 + fabs(derivative));
    const double rounded_alpha = activation == HALNORM_ACT_ELU ? u * fabs(alpha) : 0;
    return error + reference::steepest_curvature(activation, alpha) * v_error + rounded_alpha +
           formula;
}

// How far the results of a backward pass may be off.
struct BackwardTolerance {
    std::vector<double> dz, dx, dbeta, dgamma;  // dgamma, dbeta: also of the sums in double
};

// By parts, each with its reason:
//   v       from x as in the forward pass. From y, act' is 1, alpha or y +
//           alpha: v does not enter.
//   g       dy (the error of act'(v)), and a rounding.
//   xhat    8 u of its magnitude. From x: |xhat| and, of float32 data, what the rounding of the
//   mean
//           to a center leaves for a second term. From y: (v - beta) / gamma has the magnitude
//           (|v| + |beta|) / |gamma|: a small gamma loses digits that y never had. The logarithm of
//           1 + y / alpha multiplies the error of its argument by |y / alpha| / (1 + y / alpha);
//           the argument is u at least.
//   dbeta   the roundings of a sum of |g|, and the errors of g.
//   dgamma  the same of |g| times the magnitude of xhat.
//   dx      8 u of each of its three terms, and what g, dbeta and dgamma are off by.
inline BackwardTolerance backward_tolerance(halnorm_dtype dtype, const reference::Backward &b,
                                            const reference::Gradients &r, int64_t count) {
    const double u = unit_roundoff(dtype), m = static_cast<double>(count);
    const double sums = roundings_of_sum(dtype, static_cast<double>(r.sums.count)) * u;
    const bool one = b.batch && count == 1;
    const size_t channels = b.p.gamma.size();
    const halnorm_activation act = b.p.activation;
    const double alpha = b.p.alpha;
    BackwardTolerance t;
    t.dbeta.assign(channels, 0);
    t.dgamma.assign(channels, 0);
    std::vector<double> magnitudes;
    b.x.for_each([&](size_t i, size_t c) {
        const double gamma = fabs(b.p.gamma[c]), beta = fabs(b.p.beta[c]), v = r.v[i];
        double magnitude, v_error;
        if (b.from_y) {
            double inverse = 0;
            if (act == HALNORM_ACT_ELU && b.x.values[i] <= 0) {
                const double ratio = fmax(b.x.values[i] / alpha, u - 1);
                inverse = -ratio / (1 + ratio);
            }
            magnitude = (fabs(v) + beta + inverse) / gamma;
            v_error = 0;
        } else {
            magnitude = fabs(r.xhat[i]) + u * fabs(b.mean[c]) * b.inv_std[c];
            v_error = one ? 0 : 16 * u * (gamma * (1 + magnitude) + beta);
            v_error += b.z.empty() ? 0 : added_absolute(dtype, b.z[i], v);
        }
        const double dy = fabs(b.dy[i]), g = fabs(r.g[i]);
        const double g_error = dy * derivative_absolute(dtype, act, alpha, v, v_error, r.slope[i]) +
                               (act == HALNORM_ACT_NONE ? 0 : 2 * u * g);
        t.dz.push_back(g_error);
        magnitudes.push_back(magnitude);
        t.dbeta[c] += sums * g + g_error;
        t.dgamma[c] += (sums + 8 * u) * g * magnitude + g_error * magnitude;
    });
    if (one) {
        t.dx = t.dz;
        return t;
    }
    b.x.for_each([&](size_t i, size_t c) {
        const double scale = fabs(b.p.gamma[c]) * b.inv_std[c];
        double terms = fabs(r.g[i]), errors = t.dz[i];
        if (b.batch) {
            terms += fabs(r.dbeta[c]) / m + magnitudes[i] * fabs(r.dgamma[c]) / m;
            errors += t.dbeta[c] / m + magnitudes[i] * t.dgamma[c] / m;
        }
        t.dx.push_back(scale * (8 * u * terms + errors));
    });
    return t;
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
    // Down there each rounding, of which a result has a handful, is to a multiple of the least number.
    const double spacing = fabs(expected) < least_normal(dtype) ? 4 * least_subnormal(dtype) : 0;
    return fabs(actual - expected) <= tolerance + spacing;
}

}  // namespace test
