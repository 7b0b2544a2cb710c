#include "activations.h"

#include <cmath>

#include "elementary_functions.h"

// Error bounds below: relative, in units u of 2^-24 (float32) or 2^-53 (float64), as measured on
// x86 and ARM over the whole range of arguments where the result is a normal number. A subnormal
// result is within 3 of its last places, except where the hardware flushes it to 0.

namespace halnorm {
namespace {

using namespace elementary;

// exp(-t) of a magnitude t, as it is and times 2^power. A product with the multiple, scaled back at
// the very end, is rounded once even where exp(-t) itself is subnormal.
struct Decay {
    Expr e, multiple, unscale;
};

constexpr int power_f32 = 64, power_f64 = 512;
int power(const Expr &like) {
    return is_double(like) ? power_f64 : power_f32;
}

Decay decay(const Reduced &minus_t) {
    const Expr multiple = exp_(minus_t);
    const Expr unscale = number(multiple, std::ldexp(1.0, -power_f32), std::ldexp(1.0, -power_f64));
    return {strict_mul(multiple, unscale), multiple, unscale};
}

Decay decay(const Expr &t) {
    return decay(reduce(-t, Expr(), power(t)));
}

// Beyond this magnitude exp(-t) and t exp(-t) round to 0, with and without the gradual underflow.
Expr decay_limit(const Expr &like) {
    return number(like, 110, 760);
}

// From here on 1 + exp(-v) rounds to 1.
Expr saturation(const Expr &like) {
    return number(like, 18, 38);
}

// y where v < high, beyond which it is v to the last bit; v also where that is NaN.
Expr up_to(const Expr &high, const Expr &v, const Expr &y) {
    return select(strict_less(v, high), y, v);
}

// Below this y is 0, and its steps would overflow.
Expr not_too_low(const Expr &v) {
    return at_least(v, -decay_limit(v));
}

// exp(-x) times 2^-shift, so that 1 + exp(-x) = (e + unscale) / unscale does not overflow where x
// is far below 0.
struct Growth {
    Expr e, unscale;
};

constexpr int shift_f32 = 40, shift_f64 = 200;
int minus_shift(const Expr &like) {
    return is_double(like) ? -shift_f64 : -shift_f32;
}

Growth growth(const Reduced &minus_x) {
    const Expr e = exp_(minus_x);
    return {e, number(e, std::ldexp(1.0, -shift_f32), std::ldexp(1.0, -shift_f64))};
}

Growth growth(const Expr &x) {
    return growth(reduce(-x, Expr(), minus_shift(x)));
}

// v / (1 + exp(-x)). The quotient is not subnormal: scaled back at the very end, it is rounded
// once.
Expr gated(const Expr &v, const Growth &g) {
    return strict_mul(v / (g.e + g.unscale), g.unscale);
}

// 2.8 u.
Expr sigmoid(const Expr &v) {
    const Growth g = growth(not_too_low(v));
    return select(strict_less(v, saturation(v)), g.unscale / (g.e + g.unscale),
                  at_most(v, number(v, 1)));
}

// 2.9 u.
Expr silu(const Expr &v) {
    const Expr low = not_too_low(v);
    return up_to(saturation(v), v, gated(low, growth(low)));
}

// m / (m + 2) with m = exp(2 v) - 1. From |v| = 10 (20) on this is 1. 3.9 u.
Expr tanh_(const Expr &v) {
    const Expr limit = number(v, 15, 25), two = number(v, 2);
    const Expr m = expm1_(strict_mul(two, at_least(v, -limit)));
    return select(strict_less(v, limit), m / (m + two), at_most(v, number(v, 1)));
}

// 2.5 u.
Expr elu(const Expr &v, const Expr &alpha) {
    return up_to(number(v, 0), v, alpha * expm1_(at_least(v, -number(v, 30, 50))));
}

// max(v, 0) + log(1 + exp(-|v|)), and v above 20. 3.9 u.
Expr softplus(const Expr &v) {
    const Expr sum = log1p_(decay(magnitude(v, decay_limit(v))).e) + at_least(v, number(v, 0));
    return select(strict_less(number(v, 20), v), v, sum);
}

// tanh(log(1 + w)) = n / (n + 2) with w = exp(v), n = w (w + 2). 5.6 u.
Expr mish(const Expr &v) {
    const Expr low = not_too_low(v), two = number(v, 2);
    const Decay w = decay(reduce(low, Expr(), power(v)));
    const Expr f = w.e + two;
    const Expr multiple = low * (w.multiple * f) / (w.e * f + two);
    return up_to(saturation(v), v, strict_mul(multiple, w.unscale));
}

// 3 u.
Expr hardswish(const Expr &v) {
    // Kept at -3, v gives the product with 0 also for -inf.
    const Expr low = at_least(v, number(v, -3));
    return strict_mul(
        low, strict_mul(at_most(strict_add(low, number(v, 3)), number(v, 6)), number(v, 1.0 / 6)));
}

// v Phi(v) = max(v, 0) - t Q(t), t = |v|, Q(t) = erfc(t / sqrt 2) / 2: no cancellation on either
// side. 6.4 u (8.7 u).
Expr gelu(const Expr &v) {
    const Expr t = magnitude(v, number(v, 14.5, 38.7));
    const Decay d = decay(reduce_half_square(t, power(v)));
    const Expr tail = strict_mul((t * d.multiple) * half_erfcx(t), d.unscale);
    return strict_sub(at_least(v, number(v, 0)), tail);
}

// v / (1 + exp(-x)), x = 2 sqrt(2/pi) (v + 0.044715 v^3). x / ln 2 = t (A + B t^2), t = v, is
// needed to a fraction of u absolutely, also where it is -150 (-1080): in two words, by products of
// leading bits, which are exact. 4.4 u.
Expr gelu_tanh(const Expr &v) {
    const Expr t = at_least(v, number(v, -11, -22));
    const Expr a_high = number(v, 2.296875, 2.30218505859375);
    const Expr a_low = number(v, 0.00533319814432488913, 0.00002313955057488913389477);
    const Expr b = number(v, 0.1029432395800234874176);
    const Expr b_high = number(v, 0.1025390625, 0.10294246673583984375);
    const Expr b_low = number(v, 0.00040417708002348741762, 7.728441836436676221e-7);

    const Expr head = leading_bits(t, 8, 17), tail = strict_sub(t, head);
    const Expr square = strict_mul(head, head);
    const Expr leading = strict_mul(b_high, square);
    const Expr small = b * strict_mul(tail, strict_add(t, head)) + (b_low * square + a_low);
    const Expr factor = strict_add(strict_add(a_high, leading), small);
    const Expr factor_head = leading_bits(factor, 16, 36);
    const Expr factor_tail =
        strict_add(strict_add(strict_sub(a_high, factor_head), leading), small);
    const Expr high = strict_mul(head, factor_head);
    const Expr low = head * factor_tail + tail * factor;

    return up_to(number(v, 5.5, 7.5), v,
                 gated(t, growth(reduce_minus_log2(high, low, minus_shift(v)))));
}

// A slope of 0 makes 0 of -inf too.
Expr leaky_relu(const Expr &v, const Expr &slope) {
    const Expr negative = zero_unless(slope != number(v, 0), strict_mul(slope, v));
    return select(strict_less(v, number(v, 0)), negative, v);
}

// ---- Derivatives. Of those that follow, f' itself is within about 8 u of 1 + |f'|.

// 1 / (1 + e), e / (1 + e) for e = exp(-|v|): the logistic function and its complement, by sign.
struct Logistic {
    Expr sigmoid, complement;
};
Logistic logistic(const Expr &negative, const Expr &e) {
    const Expr large = number(e, 1) / (e + number(e, 1)), small = e * large;
    return {select(negative, small, large), select(negative, large, small)};
}

Expr negative(const Expr &v) {
    return strict_less(v, number(v, 0));
}

// v kept within [-limit, limit], from its magnitude t.
Expr limited(const Expr &v, const Expr &t) {
    return with_sign_of(v, t);
}

Expr sigmoid_slope(const Expr &v) {
    const Logistic s = logistic(negative(v), decay(magnitude(v, decay_limit(v))).e);
    return s.sigmoid * s.complement;
}

// 1 / cosh^2.
Expr tanh_slope(const Expr &v) {
    const Expr e = decay(number(v, 2) * magnitude(v, number(v, 50, 375))).e;
    const Expr r = number(v, 1) / (e + number(v, 1));
    return (number(v, 4) * e) * (r * r);
}

Expr silu_slope(const Expr &v) {
    const Expr t = magnitude(v, decay_limit(v));
    const Logistic s = logistic(negative(v), decay(t).e);
    return s.sigmoid * (number(v, 1) + limited(v, t) * s.complement);
}

Expr elu_slope(const Expr &v, const Expr &alpha) {
    return select(strict_less(number(v, 0), v), number(v, 1),
                  alpha * decay(magnitude(v, decay_limit(v))).e);
}

Expr softplus_slope(const Expr &v) {
    const Logistic s = logistic(negative(v), decay(magnitude(v, decay_limit(v))).e);
    return select(strict_less(number(v, 20), v), number(v, 1), s.sigmoid);
}

// With w = exp(v) and n = w^2 + 2 w: n / (n + 2) + 4 v w (w + 1) / (n + 2)^2; for v >= 0 in terms
// of 1 / w.
Expr mish_slope(const Expr &v) {
    const Expr one = number(v, 1), two = number(v, 2);
    const Expr t = magnitude(v, decay_limit(v)), e = decay(t).e, below = negative(v);
    const Expr n = select(below, e * (e + two), two * e + one);
    const Expr r = one / (n + select(below, two, two * (e * e)));
    const Expr w = select(below, e * (e + one), (e * e) * (e + one));
    return n * r + (number(v, 4) * limited(v, t) * w) * (r * r);
}

Expr hardswish_slope(const Expr &v) {
    const Expr inside = v * number(v, 1.0 / 3) + number(v, 0.5);
    return select(strict_less_equal(v, number(v, -3)), number(v, 0),
                  strict_less_equal(number(v, 3), v), number(v, 1), inside);
}

// Phi(v) + v phi(v) = 1/2 (1 + sign(v)) - sign(v) exp(-t^2/2) (erfcx - t / sqrt(2 pi)), t = |v|.
Expr gelu_slope(const Expr &v) {
    const Expr t = magnitude(v, number(v, 14.5, 38.7));
    const Expr e = decay(reduce_half_square(t, power(v))).e;
    const Expr tail = e * (half_erfcx(t) - t * number(v, 0.3989422804014326779));
    return select(negative(v), tail, number(v, 1) - tail);
}

// s + v s (1 - s) x', s = 1 / (1 + exp(-x)), x = 2 sqrt(2/pi) (v + 0.044715 v^3).
Expr gelu_tanh_slope(const Expr &v) {
    const Expr t = magnitude(v, number(v, 11, 22)), square = t * t;
    const Expr a = number(v, 1.595769121605730711759), b = number(v, 0.0713548162726002527220);
    const Expr x = at_most(t * (b * square + a), decay_limit(v));
    const Logistic s = logistic(negative(v), decay(x).e);
    return s.sigmoid +
           (limited(v, t) * (number(v, 3) * b * square + a)) * (s.sigmoid * s.complement);
}

Expr slope_of(ActivationForm form, const Expr &v, const ActivationParameters &p) {
    switch (form) {
    case ActivationForm::hardswish:
        return hardswish_slope(v);
    case ActivationForm::sigmoid:
        return sigmoid_slope(v);
    case ActivationForm::silu:
        return silu_slope(v);
    case ActivationForm::tanh:
        return tanh_slope(v);
    case ActivationForm::elu:
        return elu_slope(v, p.alpha);
    case ActivationForm::gelu:
        return gelu_slope(v);
    case ActivationForm::gelu_tanh:
        return gelu_tanh_slope(v);
    case ActivationForm::softplus:
        return softplus_slope(v);
    case ActivationForm::mish:
        return mish_slope(v);
    case ActivationForm::clamp:
    case ActivationForm::leaky_relu:
    case ActivationForm::count:
        break;
    }
    return Expr();
}

}  // namespace

Expr activate(ActivationForm form, const Expr &v, const ActivationParameters &p) {
    switch (form) {
    case ActivationForm::clamp:
        return p.max_keeps_nan ? strict_min(strict_max(v, p.lower), p.upper) :
                                 at_most(at_least(v, p.lower), p.upper);
    case ActivationForm::leaky_relu:
        return leaky_relu(v, p.alpha);
    case ActivationForm::hardswish:
        return hardswish(v);
    case ActivationForm::sigmoid:
        return sigmoid(v);
    case ActivationForm::silu:
        return silu(v);
    case ActivationForm::tanh:
        return tanh_(v);
    case ActivationForm::elu:
        return elu(v, p.alpha);
    case ActivationForm::gelu:
        return gelu(v);
    case ActivationForm::gelu_tanh:
        return gelu_tanh(v);
    case ActivationForm::softplus:
        return softplus(v);
    case ActivationForm::mish:
        return mish(v);
    case ActivationForm::count:
        break;
    }
    return Expr();
}

Expr activate(const Expr &form, const Expr &v, const ActivationParameters &p,
              const ActivationSet &built) {
    Expr result = activate(ActivationForm::clamp, v, p);
    for (int32_t k = 1; k < static_cast<int32_t>(ActivationForm::count); ++k) {
        const auto f = static_cast<ActivationForm>(k);
        if (built.needs(f))
            result = select(form == k, activate(f, v, p), result);
    }
    return result;
}

Expr piecewise_gradient(const Expr &dy, const Expr &v, const Expr &lower, const Expr &upper,
                        const Expr &below) {
    return select(strict_less_equal(v, lower), zero_unless(below != number(v, 0), dy * below),
                  strict_less_equal(upper, v), number(v, 0), dy);
}

Expr relu_gradient(const Expr &dy, const Expr &v, const Expr &lower, bool masks_loads) {
    const Expr cut = strict_less_equal(v, lower);
    if (!masks_loads)
        return select(cut, number(v, 0), dy);
    const Expr none = mask(v, 0, 0), all = mask(v, 0xffffffffu, ~uint64_t{0});
    return from_bits(dy, Halide::min(bits(dy), select(cut, none, all)));
}

Expr clamp_gradient(const Expr &dy, const Expr &v, const Expr &lower, const Expr &upper,
                    bool masks_loads) {
    return select(strict_less_equal(upper, v), number(v, 0),
                  relu_gradient(dy, v, lower, masks_loads));
}

Expr activation_gradient(const Expr &form, const Expr &dy, const Expr &v,
                         const ActivationParameters &p, const ActivationSet &built) {
    Expr result = piecewise_gradient(dy, v, p.lower, p.upper, p.alpha);
    for (int32_t k = 0; k < static_cast<int32_t>(ActivationForm::count); ++k) {
        const auto f = static_cast<ActivationForm>(k);
        const Expr slope = slope_of(f, v, p);
        if (slope.defined() && built.needs(f))
            result = select(form == k, strict_mul(dy, keep_nan(v, slope)), result);
    }
    return result;
}

Expr leaky_relu_inverse(const Expr &y, const Expr &inverse) {
    return select(strict_less(y, number(y, 0)), y * inverse, y);
}

Expr elu_inverse(const Expr &y, const Expr &inverse) {
    const Expr largest = number(y, 1 - 0x1p-24, 1 - 0x1p-53);
    const Expr log = log1m_(magnitude(y * inverse, largest));
    return select(strict_less(y, number(y, 0)), log, y);
}

Expr elu_gradient_of_y(const Expr &dy, const Expr &y, const Expr &alpha) {
    return select(strict_less(number(y, 0), y), dy, dy * (y + alpha));
}

Expr zero_unless(const Expr &keep, const Expr &x) {
    return from_bits(x, bits(x) & select(keep, mask(x, 0xffffffffu, ~uint64_t{0}), mask(x, 0, 0)));
}

}  // namespace halnorm
