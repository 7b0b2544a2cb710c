#include <math.h>
#include <stdlib.h>

#include "reference.h"

namespace reference {
namespace {

long double sigmoid(long double v) {
    return 1 / (1 + expl(-v));
}

long double softplus(long double v) {
    return v > 20 ? v : log1pl(expl(v));
}

// v / 2 * (1 + erf(v / sqrt 2)), with erfc: it keeps the digits of the left tail.
long double gelu(long double v) {
    return v / 2 * erfcl(-v * sqrtl(0.5L));
}

long double gelu_tanh(long double v) {
    const long double pi = 3.14159265358979323846264338327950288L;
    const long double t = sqrtl(2 / pi) * (v + 0.044715L * v * v * v);
    return v * sigmoid(2 * t);  // 1 + tanh(t) = 2 * sigmoid(2 t)
}

}  // namespace

long double activate(halnorm_activation activation, double alpha, long double v) {
    if (isnan(v))
        return v;
    const bool bottom = isinf(v) && v < 0;  // v * f(v) would be -inf * 0; the limit is 0
    switch (activation) {
    case HALNORM_ACT_NONE:
        return v;
    case HALNORM_ACT_RELU:
        return v > 0 ? v : 0;
    case HALNORM_ACT_RELU6:
        return v > 0 ? fminl(v, 6) : 0;
    case HALNORM_ACT_LEAKY_RELU:
        return v > 0 ? v : alpha * v;
    case HALNORM_ACT_ELU:
        return v > 0 ? v : alpha * expm1l(v);
    case HALNORM_ACT_SIGMOID:
        return sigmoid(v);
    case HALNORM_ACT_TANH:
        return tanhl(v);
    case HALNORM_ACT_SILU:
    case HALNORM_ACT_SWISH:
        return bottom ? 0 : v * sigmoid(v);
    case HALNORM_ACT_HARDSIGMOID: {
        const long double t = alpha == 0 ? 0.5L : alpha * v + 0.5L;
        return fminl(fmaxl(t, 0), 1);
    }
    case HALNORM_ACT_HARDSWISH:
        return bottom ? 0 : v * fminl(fmaxl(v + 3, 0), 6) / 6;
    case HALNORM_ACT_GELU:
        return bottom ? 0 : gelu(v);
    case HALNORM_ACT_GELU_TANH:
        return bottom ? 0 : gelu_tanh(v);
    case HALNORM_ACT_SOFTPLUS:
        return softplus(v);
    case HALNORM_ACT_MISH:
        return bottom ? 0 : v * tanhl(softplus(v));
    case HALNORM_ACT_COUNT:
        break;
    }
    abort();
}

double steepest_slope(halnorm_activation activation, double alpha) {
    switch (activation) {
    case HALNORM_ACT_LEAKY_RELU:
    case HALNORM_ACT_ELU:
        return fmax(1, fabs(alpha));
    case HALNORM_ACT_HARDSIGMOID:
        return fabs(alpha);
    case HALNORM_ACT_HARDSWISH:
        return 1.5;  // at v = 3
    case HALNORM_ACT_SILU:
    case HALNORM_ACT_SWISH:
    case HALNORM_ACT_MISH:
    case HALNORM_ACT_GELU:
    case HALNORM_ACT_GELU_TANH:
        return 1.13;  // silu 1.0998, mish 1.0885, gelu 1.1290
    default:
        return 1;
    }
}

}  // namespace reference
