#include <math.h>
#include <stdlib.h>

#include "reference.h"

namespace reference {
namespace {

constexpr long double pi = 3.14159265358979323846264338327950288L;

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
        return v > 0 ? v : alpha == 0 ? 0 : alpha * v;
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

long double derivative(halnorm_activation activation, double alpha, long double v) {
    const long double one = 1;
    const bool bottom = isinf(v) && v < 0, top = isinf(v) && v > 0;
    switch (activation) {
    case HALNORM_ACT_NONE:
        return 1;
    case HALNORM_ACT_RELU:
        return v <= 0 ? 0 : 1;
    case HALNORM_ACT_RELU6:
        return v <= 0 || v >= 6 ? 0 : 1;
    case HALNORM_ACT_LEAKY_RELU:
        return v <= 0 ? alpha : one;
    case HALNORM_ACT_HARDSIGMOID: {
        const long double t = alpha * v + 0.5L;
        return t <= 0 || t >= 1 ? 0 : alpha;
    }
    default:
        break;
    }
    if (isnan(v))
        return v;
    switch (activation) {
    case HALNORM_ACT_ELU:
        return v > 0 ? 1 : alpha * expl(v);
    case HALNORM_ACT_SIGMOID:
        return sigmoid(v) * sigmoid(-v);
    case HALNORM_ACT_TANH:
        return 4 * sigmoid(2 * v) * sigmoid(-2 * v);
    case HALNORM_ACT_SILU:
    case HALNORM_ACT_SWISH:
        return bottom ? 0 : top ? 1 : sigmoid(v) * (1 + v * sigmoid(-v));
    case HALNORM_ACT_HARDSWISH:
        return v <= -3 ? 0 : v >= 3 ? 1 : (2 * v + 3) / 6;
    case HALNORM_ACT_GELU: {
        const long double density = expl(-v * v / 2) / sqrtl(2 * pi);
        return bottom ? 0 : top ? 1 : erfcl(-v * sqrtl(0.5L)) / 2 + v * density;
    }
    case HALNORM_ACT_GELU_TANH: {
        const long double t = sqrtl(2 / pi) * (v + 0.044715L * v * v * v);
        const long double rise = sqrtl(2 / pi) * (1 + 3 * 0.044715L * v * v);
        // v (1 + tanh t) / 2 = v sigmoid(2 t). Beyond 1000 the second term is 0, and could be 0 *
        // inf.
        const long double second =
            fabsl(v) > 1000 ? 0 : v * sigmoid(2 * t) * sigmoid(-2 * t) * 2 * rise;
        return fabsl(v) > 1000 ? (v > 0 ? 1 : 0) : sigmoid(2 * t) + second;
    }
    case HALNORM_ACT_SOFTPLUS:
        return v > 20 ? 1 : sigmoid(v);
    case HALNORM_ACT_MISH: {
        if (bottom || top)
            return top ? 1 : 0;
        // tanh(s) has the derivative 1 / cosh(s)^2 = 4 sigmoid(2 s) sigmoid(-2 s).
        const long double s = softplus(v);
        return tanhl(s) + v * (4 * sigmoid(v) * sigmoid(2 * s) * sigmoid(-2 * s));  // no overflow
    }
    default:
        break;
    }
    abort();
}

long double inverse(halnorm_activation activation, double alpha, long double y, double u) {
    switch (activation) {
    case HALNORM_ACT_NONE:
        return y;
    case HALNORM_ACT_LEAKY_RELU:
        return y > 0 ? y : y / alpha;
    case HALNORM_ACT_ELU:
        return y > 0 ? y : log1pl(fmaxl(y / alpha, u - 1.0L));
    default:
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

double steepest_curvature(halnorm_activation activation, double alpha) {
    switch (activation) {
    case HALNORM_ACT_ELU:
        return fabs(alpha);  // at v = 0
    case HALNORM_ACT_SIGMOID:
        return 0.0963;  // 1 / (6 sqrt 3)
    case HALNORM_ACT_TANH:
        return 0.77;  // 4 / (3 sqrt 3)
    case HALNORM_ACT_HARDSWISH:
        return 1.0 / 3;
    case HALNORM_ACT_SILU:
    case HALNORM_ACT_SWISH:
        return 0.5;  // at v = 0
    case HALNORM_ACT_GELU:
    case HALNORM_ACT_GELU_TANH:
        return 0.8;  // 2 / sqrt(2 pi) = 0.798 at v = 0
    case HALNORM_ACT_SOFTPLUS:
        return 0.25;  // at v = 0
    case HALNORM_ACT_MISH:
        return 0.65;  // 0.64 at v = 0
    default:
        return 0;
    }
}

std::vector<Corner> corners(halnorm_activation activation, double alpha) {
    switch (activation) {
    case HALNORM_ACT_RELU:
        return {{0, 1}};
    case HALNORM_ACT_RELU6:
        return {{0, 1}, {6, 1}};
    case HALNORM_ACT_LEAKY_RELU:
    case HALNORM_ACT_ELU:
        return {{0, fabs(1 - alpha)}};
    case HALNORM_ACT_HARDSIGMOID:
        if (alpha == 0)
            return {};
        return {{-0.5 / alpha, fabs(alpha)}, {0.5 / alpha, fabs(alpha)}};
    case HALNORM_ACT_HARDSWISH:
        return {{-3, 0.5}, {3, 0.5}};
    case HALNORM_ACT_SOFTPLUS:
        return {{20, 2.1e-9}};  // 1 - sigmoid(20)
    default:
        return {};
    }
}

}  // namespace reference
