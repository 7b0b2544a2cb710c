#include "activations.h"

#include <cmath>
#include <cstdint>
#include <vector>

// Elementary functions out of +, -, *, / and integer operations on the bits, so that they vectorize for every target and for
// both types. "u" below is the unit of rounding: 2^-24 in float32, 2^-53 in float64.
//
// The compiler may reorder ordinary arithmetic, may fuse a * b + c, and may assume that no NaN or infinity occurs. Hence:
// - a step whose rounding matters uses the strict functions below, one operation at a time (Halide's strict_float() would reach
//   down to the leaves and cost the fused multiply-adds). A strict operation is no shield for what is inside it: in
//   (x - a) - b the outer subtraction must be strict, or the compiler makes x - (a + b) of it;
// - ordinary arithmetic gets finite numbers: magnitude() replaces NaN and infinity, and a last select or strict product with
//   v itself brings them back;
// - comparisons are strict: which operand a NaN selects is then certain.

namespace halnorm {
namespace {

using Halide::Expr;
using Halide::Int;
using Halide::select;
using Halide::Type;
using Halide::UInt;
using Halide::Internal::Call;
using Halide::Internal::make_const;

Expr strict(Call::IntrinsicOp op, Type result, const Expr &a, const Expr &b) {
    return Call::make(result, op, {a, b}, Call::PureIntrinsic);
}
Expr strict_add(const Expr &a, const Expr &b) { return strict(Call::strict_add, a.type(), a, b); }
Expr strict_sub(const Expr &a, const Expr &b) { return strict(Call::strict_sub, a.type(), a, b); }
Expr strict_mul(const Expr &a, const Expr &b) { return strict(Call::strict_mul, a.type(), a, b); }
Expr strict_less(const Expr &a, const Expr &b) { return strict(Call::strict_lt, Halide::Bool(), a, b); }

// One number for each type of data.
bool is_double(const Expr &x) { return x.type().bits() == 64; }
Expr number(const Expr &like, double f32, double f64) { return make_const(like.type(), is_double(like) ? f64 : f32); }
Expr number(const Expr &like, double both) { return number(like, both, both); }

Expr bits(const Expr &x) { return Halide::reinterpret(UInt(x.type().bits()), x); }
Expr from_bits(const Expr &like, const Expr &b) { return Halide::reinterpret(like.type(), b); }
Expr mask(const Expr &like, uint64_t f32, uint64_t f64) {
    return make_const(UInt(like.type().bits()), is_double(like) ? f64 : f32);
}
Expr magnitude_mask(const Expr &like) { return mask(like, 0x7fffffffu, 0x7fffffffffffffffu); }

// |v| limited to [0, limit], finite even where v is not: NaN becomes limit.
Expr magnitude(const Expr &v, const Expr &limit) {
    const Expr a = from_bits(v, bits(v) & magnitude_mask(v));
    return select(strict_less(a, limit), a, limit);
}

// max(v, limit) that keeps NaN; takes the infinity out of products 0 * -inf.
Expr at_least(const Expr &v, const Expr &limit) { return select(strict_less(v, limit), limit, v); }

Expr at_most(const Expr &v, const Expr &limit) { return select(strict_less(limit, v), limit, v); }

// result, or v where v is NaN. An integer comparison: one of floats could be taken for always false.
Expr keep_nan(const Expr &v, const Expr &result) {
    const Expr magnitude_bits = Halide::reinterpret(Int(v.type().bits()), bits(v) & magnitude_mask(v));
    const Expr infinity = Halide::reinterpret(Int(v.type().bits()), mask(v, 0x7f800000u, 0x7ff0000000000000u));
    return select(magnitude_bits > infinity, v, result);
}

// The leading bits of x: products of such numbers are exact when the lengths sum to the length of the significand at most.
Expr leading_bits(const Expr &x, int f32, int f64) {
    return from_bits(x, bits(x) & mask(x, 0xffffffffu << (24 - f32), ~uint64_t{0} << (53 - f64)));
}

// Horner's rule on the coefficients first, first + stride, ..., constant term first.
Expr horner(const Expr &x, const std::vector<double> &c, size_t first, size_t stride) {
    size_t i = first + (c.size() - 1 - first) / stride * stride;
    Expr sum = number(x, c[i]);
    while (i > first) {
        i -= stride;
        sum = sum * x + number(x, c[i]);
    }
    return sum;
}

// A long polynomial as even(x^2) + x odd(x^2): two chains of half the length run side by side.
Expr polynomial(const Expr &x, const std::vector<double> &f32, const std::vector<double> &f64) {
    const std::vector<double> &c = is_double(x) ? f64 : f32;
    return c.size() < 10 ? horner(x, c, 0, 1) : horner(x * x, c, 1, 2) * x + horner(x * x, c, 0, 2);
}

// exp of the reduced number is exp(r) * 2^k, where k stands in the low bits of k_bits.
struct Reduced {
    Expr r, k_bits;
};

// Adding 1.5 * 2^23 (or 2^52) rounds to an integer, which then stands in the low bits of the sum.
Expr round_constant(const Expr &like, int extra_power) {
    return number(like, 12582912.0 + extra_power, 6755399441055744.0 + extra_power);
}

// high + low = k ln 2 + r, |r| <= ln(2)/2, |k| < 1200; low, which may be undefined, is a correction of high. ln 2 in two words, the
// first of so few bits that its multiples are exact (W. J. Cody and W. Waite, Software Manual for the Elementary Functions).
// exp of the result is exp(high + low) * 2^extra_power.
Reduced reduce(const Expr &high, const Expr &low, int extra_power) {
    const Expr x = low.defined() ? strict_add(high, low) : high;
    const Expr rounding = round_constant(x, extra_power);
    const Expr shifted = x * number(x, 1.4426950408889634) + rounding;
    const Expr k = strict_sub(shifted, rounding);
    Expr r = high - k * number(x, 0.693359375, 6.93147180369123816490e-01);
    if (low.defined()) {
        r = strict_add(r, low);
    }
    return {strict_sub(r, k * number(x, -2.12194440054690583e-4, 1.90821492927058781614e-10)), bits(shifted)};
}

// x * 2^k, both normal numbers.
Expr scale_by_power(const Expr &x, const Expr &k_bits) {
    const Expr length = mask(x, 23, 52);
    return from_bits(x, bits(x) + (k_bits << length));
}

// exp(r) - 1 on |r| <= ln(2)/2: r + r^2 q(r), q of degree 4 (9), minimax by Remez' algorithm; relative error 0.4 u plus rounding.
Expr expm1_polynomial(const Expr &r) {
    const Expr q = polynomial(r,
                              {0.499999994662698215, 0.16666566119338003589, 0.04166687667414391026, 0.0083649564312248672273,
                               0.001390204825773692878},
                              {0.50000000000000013628, 0.16666666666666636143, 0.041666666666613060838, 0.0083333333333622746931,
                               0.0013888888922597188068, 0.00019841269773724691371, 0.000024801513155800532364,
                               2.7557360046595818673e-6, 2.7623854650496381857e-7, 2.5069142504446294524e-8});
    return (r * r) * q + r;
}

// Error <= 2 u relative, the result being a normal number.
Expr exp_(const Reduced &x) { return scale_by_power(expm1_polynomial(x.r) + number(x.r, 1), x.k_bits); }

// exp(x) - 1 for finite x in [-50, 0], accurate near 0 too: 2^k p + (2^k - 1), p = exp(r) - 1. Error <= 2 u relative.
Expr expm1_(const Expr &x) {
    const Reduced reduced = reduce(x, Expr(), 0);
    const Expr one = number(x, 1);
    const Expr power = scale_by_power(one, reduced.k_bits);
    return strict_add(power * expm1_polynomial(reduced.r), strict_sub(power, one));
}

// log(1 + e) on 0 <= e <= 1 as 2 artanh(z / 2) = z + z^3 P(z^2), z = 2 e / (2 + e); P of degree 3 (9), minimax, error 0.25 u.
Expr log1p_(const Expr &e) {
    const Expr z = (e + e) / (e + number(e, 2));
    const Expr y = z * z;
    const Expr p = polynomial(y,
                              {0.083333299928469746134, 0.012502383041279241415, 0.0022058626482708927233,
                               0.00052462935740157060699},
                              {0.083333333333333323004, 0.012500000000004629563, 0.0022321428568009951001,
                               0.00043402778755139443139, 0.000088778267549910680762, 0.000018781221164768594794,
                               4.0631248412188309574e-6, 9.1567506522416274269e-7, 1.6778152478110433157e-7,
                               7.7115881550689022569e-8});
    return z + (z * y) * p;
}

// exp(-t) of a magnitude t, as it is and times 2^power. A product with the multiple, scaled back at the very end, is rounded
// once even where exp(-t) itself is subnormal.
struct Decay {
    Expr e, multiple, unscale;
};

constexpr int power_f32 = 64, power_f64 = 512;
int power(const Expr &like) { return is_double(like) ? power_f64 : power_f32; }

Decay decay(const Reduced &minus_t) {
    const Expr multiple = exp_(minus_t);
    const Expr unscale = number(multiple, std::ldexp(1.0, -power_f32), std::ldexp(1.0, -power_f64));
    return {strict_mul(multiple, unscale), multiple, unscale};
}

Decay decay(const Expr &t) { return decay(reduce(-t, Expr(), power(t))); }

// v * numerator / denominator; for v < 0 the numerator holds the multiple of a Decay, and v is not below -limit.
Expr gated(const Expr &v, const Expr &limit, const Expr &quotient, const Decay &d) {
    const Expr y = strict_mul(at_least(v, -limit), quotient);
    return select(strict_less(v, number(v, 0)), strict_mul(y, d.unscale), y);
}

// v / (1 + exp(-x)) for v and x of one sign, d = exp(-|x|).
Expr gated_logistic(const Expr &v, const Expr &limit, const Decay &d) {
    const Expr one = number(v, 1);
    return gated(v, limit, select(strict_less(v, number(v, 0)), d.multiple, one) / (d.e + one), d);
}

// Beyond this magnitude exp(-t) and t exp(-t) round to 0, with and without the gradual underflow.
Expr decay_limit(const Expr &like) { return number(like, 110, 760); }

// The bounds below are relative errors measured over all float32 (every 97th) and 10^6 float64 arguments, x86 and ARM, where the
// result is a normal number; a subnormal result is within 3 of its last places.

// 3.6 u.
Expr sigmoid(const Expr &v) {
    const Expr one = number(v, 1);
    const Expr e = decay(magnitude(v, decay_limit(v))).e;
    return keep_nan(v, select(strict_less(v, number(v, 0)), e, one) / (e + one));
}

// 4.2 u.
Expr silu(const Expr &v) {
    const Expr limit = decay_limit(v);
    return gated_logistic(v, limit, decay(magnitude(v, limit)));
}

// With m = exp(-2 |v|) - 1: tanh |v| = -m / (2 + m). From |v| = 10 (20) on this is 1. 3.3 u.
Expr tanh_(const Expr &v) {
    const Expr m = expm1_(number(v, -2) * magnitude(v, number(v, 15, 25)));
    const Expr t = m / (number(v, -2) - m);
    return keep_nan(v, from_bits(v, bits(t) | (bits(v) & ~magnitude_mask(v))));
}

// 2.4 u.
Expr elu(const Expr &v, const Expr &alpha) {
    return select(strict_less(v, number(v, 0)), alpha * expm1_(-magnitude(v, number(v, 30, 50))), v);
}

// max(v, 0) + log(1 + exp(-|v|)), and v above 20. 4.3 u.
Expr softplus(const Expr &v) {
    const Expr sum = log1p_(decay(magnitude(v, decay_limit(v))).e) + at_least(v, number(v, 0));
    return select(strict_less(number(v, 20), v), v, sum);
}

// tanh(log(1 + w)) = (w^2 + 2 w) / (w^2 + 2 w + 2) with w = exp(v); numerator and denominator divided by w^2 for v >= 0.
// 5.2 u.
Expr mish(const Expr &v) {
    const Expr limit = decay_limit(v), two = number(v, 2);
    const Decay d = decay(magnitude(v, limit));
    const Expr negative = strict_less(v, number(v, 0));
    const Expr f = d.e + two;
    const Expr g = d.e + d.e + number(v, 1);
    return gated(v, limit, select(negative, d.multiple * f, g) / select(negative, d.e * f + two, two * d.e * d.e + g), d);
}

// 3 u.
Expr hardswish(const Expr &v) {
    // Kept at -3, v gives the product with 0 also for -inf.
    const Expr low = at_least(v, number(v, -3));
    return strict_mul(low, strict_mul(at_most(strict_add(low, number(v, 3)), number(v, 6)), number(v, 1.0 / 6)));
}

// v Phi(v) = max(v, 0) - t Q(t), t = |v|, Q(t) = erfc(t / sqrt 2) / 2 = exp(-t^2/2) R(t). With w = 1 / (t + c), R = w S(1 - 2 c w),
// S minimax of degree 10 (22) for t in [0, 14.5] ([0, 38.7]), error 0.4 u (0.2 u); the argument in [-1, 1] keeps it well conditioned.
// exp's argument in two words: the square of the leading bits of t is exact. 6.3 u (8.8 u): t + c and the division cost most.
Expr gelu(const Expr &v) {
    const Expr t = magnitude(v, number(v, 14.5, 38.7));
    const Expr head = leading_bits(t, 12, 26);
    const Expr minus_half = number(v, -0.5);
    const Expr square = strict_mul(strict_mul(head, minus_half), head);
    const Expr rest = strict_mul(strict_mul(strict_sub(t, head), minus_half), strict_add(t, head));
    const Decay d = decay(reduce(square, rest, power(v)));
    const Expr c = number(v, 2, 4), one = number(v, 1);
    const Expr w = one / (t + c);
    const Expr s = polynomial(one - (c + c) * w,
                              {0.6724079928395688, -0.33140456444127286, 0.028798397908123777, 0.03672159590019452,
                               -0.00048321689051788395, -0.006751569341297449, -0.0018906042221768233, 0.0008842079526693084,
                               0.0007241446788957668, 3.0760824593429044e-05, -7.630667197486927e-05},
                              {0.7552851304157515, -0.6078966419718921, 0.3871374007422194, -0.18652185795966597,
                               0.06039657489067022, -0.007540188966417789, -0.0034796923616838915, 0.0016308184530187577,
                               0.00013334424926882374, -0.00023109490152420717, -1.9078479844405606e-06,
                               3.5144558469497434e-05, 7.149880160204324e-07, -5.9199750582648935e-06, -6.252500769421874e-07,
                               1.0217828648728677e-06, 2.641705461568221e-07, -1.564981921144455e-07, -7.720369616327233e-08,
                               1.6002742484962813e-08, 1.4599809102921252e-08, -3.188503144296695e-10, -1.1873448870027758e-09});
    const Expr tail = strict_mul((t * d.multiple) * (w * s), d.unscale);
    return strict_sub(at_least(v, number(v, 0)), tail);
}

// v / (1 + exp(-x)), x = 2 sqrt(2/pi) (v + 0.044715 v^3). With t = |v|, |x| / ln 2 = t (A + B t^2) is needed to a fraction of u
// absolutely, also where it is 150 (1080): in two words, by products of leading bits, which are exact. 4.5 u.
Expr gelu_tanh(const Expr &v) {
    const Expr limit = number(v, 11, 22);
    const Expr t = magnitude(v, limit);
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
    const Expr factor_tail = strict_add(strict_add(strict_sub(a_high, factor_head), leading), small);
    const Expr high = strict_mul(head, factor_head);
    const Expr low = head * factor_tail + tail * factor;

    const Expr rounding = round_constant(v, power(v));
    const Expr shifted = strict_sub(rounding, strict_add(high, low));
    const Expr minus_k = strict_sub(rounding, shifted);
    const Expr r = strict_sub(strict_sub(minus_k, high), low) * number(v, 0.69314718055994530942);
    return gated_logistic(v, limit, decay(Reduced{r, bits(shifted)}));
}

// u = v < 0 ? slope * v : v, limited to [lower, upper]. A slope of 0 makes 0 of -inf too: its product is masked out.
Expr piecewise_linear(const Expr &v, const ActivationParameters &p) {
    const Expr keep = select(p.slope == number(v, 0), mask(v, 0, 0), mask(v, 0xffffffffu, ~uint64_t{0}));
    const Expr negative = from_bits(v, bits(strict_mul(p.slope, v)) & keep);
    return at_most(at_least(select(strict_less(v, number(v, 0)), negative, v), p.lower), p.upper);
}

}  // namespace

Expr activate(ActivationForm form, const Expr &v, const ActivationParameters &p) {
    switch (form) {
    case ActivationForm::piecewise_linear: return piecewise_linear(v, p);
    case ActivationForm::hardswish: return hardswish(v);
    case ActivationForm::sigmoid: return sigmoid(v);
    case ActivationForm::silu: return silu(v);
    case ActivationForm::tanh: return tanh_(v);
    case ActivationForm::elu: return elu(v, p.alpha);
    case ActivationForm::gelu: return gelu(v);
    case ActivationForm::gelu_tanh: return gelu_tanh(v);
    case ActivationForm::softplus: return softplus(v);
    case ActivationForm::mish: return mish(v);
    case ActivationForm::count: break;
    }
    return Expr();
}

Expr activate(const Expr &form, const Expr &v, const ActivationParameters &p) {
    Expr result = activate(ActivationForm::piecewise_linear, v, p);
    for (int32_t k = 1; k < static_cast<int32_t>(ActivationForm::count); ++k) {
        result = select(form == k, activate(static_cast<ActivationForm>(k), v, p), result);
    }
    return result;
}

}  // namespace halnorm
