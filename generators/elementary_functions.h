#pragma once
#include "Halide.h"

#include <cstdint>
#include <cstring>
#include <vector>

// Elementary functions out of +, -, *, / and integer operations on the bits, so that they vectorize
// for every target and for both types. "u" below is the unit of rounding: 2^-24 in float32, 2^-53
// in float64.
//
// The compiler may reorder ordinary arithmetic, may fuse a * b + c, and may assume that no NaN or
// infinity occurs. Hence three rules.
//
// A step whose rounding matters uses the strict functions below, one operation at a time: Halide's
// strict_float() would reach down to the leaves and cost the fused multiply-adds. A strict
// operation is no shield for what is inside it: in (x - a) - b the outer subtraction must be
// strict, or the compiler makes x - (a + b) of it.
//
// Ordinary arithmetic gets finite numbers, or a last select takes something else: magnitude()
// replaces NaN and infinity, and the select or a strict product with v itself brings them back.
//
// Comparisons are strict: which operand a NaN selects is then certain.

namespace halnorm::elementary {

using Halide::Expr;
using Halide::Int;
using Halide::select;
using Halide::Type;
using Halide::UInt;
using Halide::Internal::Call;
using Halide::Internal::make_const;

inline bool is_double(const Expr &like) {
    return like.type().bits() == 64;
}

inline Expr strict(Call::IntrinsicOp op, Type result, const Expr &a, const Expr &b) {
    return Call::make(result, op, {a, b}, Call::PureIntrinsic);
}
inline Expr bits(const Expr &x) {
    return Halide::reinterpret(UInt(x.type().bits()), x);
}
inline Expr from_bits(const Expr &like, const Expr &b) {
    return Halide::reinterpret(like.type(), b);
}
inline Expr mask(const Expr &like, uint64_t f32, uint64_t f64) {
    return make_const(UInt(like.type().bits()), is_double(like) ? f64 : f32);
}

// A constant of like's type: one number for each type of data, or one for both. As bits where
// float32 does not hold it: Halide 21 rounds constants of float64 to float32 where it writes C++ or
// OpenCL.
inline Expr number(const Expr &like, double f32, double f64) {
    if (!is_double(like) || static_cast<double>(static_cast<float>(f64)) == f64) {
        return make_const(like.type(), is_double(like) ? f64 : f32);
    }
    uint64_t f64_bits;
    std::memcpy(&f64_bits, &f64, sizeof f64);
    return from_bits(like, make_const(UInt(64), f64_bits));
}
inline Expr number(const Expr &like, double both) {
    return number(like, both, both);
}

inline Expr magnitude_mask(const Expr &like) {
    return mask(like, 0x7fffffffu, 0x7fffffffffffffffu);
}

// Horner's rule on the coefficients first, first + stride, ..., constant term first.
inline Expr horner(const Expr &x, const std::vector<double> &c, size_t first, size_t stride) {
    size_t i = first + (c.size() - 1 - first) / stride * stride;
    Expr sum = number(x, c[i]);
    while (i > first) {
        i -= stride;
        sum = sum * x + number(x, c[i]);
    }
    return sum;
}

// In float64, where polynomials are long, as even(x^2) + x odd(x^2): two chains of half the length
// run side by side.
inline Expr polynomial(const Expr &x, const std::vector<double> &f32,
                       const std::vector<double> &f64) {
    const std::vector<double> &c = is_double(x) ? f64 : f32;
    return is_double(x) ? horner(x * x, c, 1, 2) * x + horner(x * x, c, 0, 2) : horner(x, c, 0, 1);
}

inline Expr strict_add(const Expr &a, const Expr &b) {
    return strict(Call::strict_add, a.type(), a, b);
}
inline Expr strict_sub(const Expr &a, const Expr &b) {
    return strict(Call::strict_sub, a.type(), a, b);
}
inline Expr strict_mul(const Expr &a, const Expr &b) {
    return strict(Call::strict_mul, a.type(), a, b);
}
inline Expr strict_max(const Expr &a, const Expr &b) {
    return strict(Call::strict_max, a.type(), a, b);
}
inline Expr strict_min(const Expr &a, const Expr &b) {
    return strict(Call::strict_min, a.type(), a, b);
}
inline Expr strict_less(const Expr &a, const Expr &b) {
    return strict(Call::strict_lt, Halide::Bool(), a, b);
}
// False for NaN, for which Halide 21's strict_le is true. LLVM makes one comparison of it.
inline Expr strict_less_equal(const Expr &a, const Expr &b) {
    return strict_less(a, b) || strict(Call::strict_eq, Halide::Bool(), a, b);
}

// |v| limited to [0, limit], finite even where v is not: NaN becomes limit.
inline Expr magnitude(const Expr &v, const Expr &limit) {
    const Expr a = from_bits(v, bits(v) & magnitude_mask(v));
    return select(strict_less(a, limit), a, limit);
}

// max and min that keep NaN.
inline Expr at_least(const Expr &v, const Expr &limit) {
    return select(strict_less(v, limit), limit, v);
}
inline Expr at_most(const Expr &v, const Expr &limit) {
    return select(strict_less(limit, v), limit, v);
}

// result, or v where v is NaN. An integer comparison: v != v could be taken for always false.
inline Expr keep_nan(const Expr &v, const Expr &result) {
    const Expr magnitude_bits =
        Halide::reinterpret(Int(v.type().bits()), bits(v) & magnitude_mask(v));
    const Expr infinity =
        Halide::reinterpret(Int(v.type().bits()), mask(v, 0x7f800000u, 0x7ff0000000000000u));
    return select(magnitude_bits > infinity, v, result);
}

// magnitude with the sign bit of v.
inline Expr with_sign_of(const Expr &v, const Expr &magnitude) {
    return from_bits(v, bits(magnitude) | (bits(v) & ~magnitude_mask(v)));
}

// Products of leading bits are exact when the lengths sum to that of the significand (24, 53) at
// most.
inline Expr leading_bits(const Expr &x, int f32, int f64) {
    return from_bits(x, bits(x) & mask(x, 0xffffffffu << (24 - f32), ~uint64_t{0} << (53 - f64)));
}

// Adding 1.5 * 2^23 (or 2^52) rounds to an integer, which then stands in the low bits of the sum.
inline Expr round_constant(const Expr &like, int extra_power) {
    return number(like, 12582912.0 + extra_power, 6755399441055744.0 + extra_power);
}

// x * 2^k, both normal numbers.
inline Expr scale_by_power(const Expr &x, const Expr &k_bits) {
    const Expr length = mask(x, 23, 52);
    return from_bits(x, bits(x) + (k_bits << length));
}

// q of exp(r) = 1 + r + r^2 q(r) on |r| <= ln(2)/2, of degree 4 (9), minimax by Remez' algorithm;
// relative error of exp(r) - 1 0.4 u plus rounding.
inline Expr exp_polynomial(const Expr &r) {
    return polynomial(r,
                      {0.499999994662698215, 0.16666566119338003589, 0.04166687667414391026,
                       0.0083649564312248672273, 0.001390204825773692878},
                      {0.50000000000000013628, 0.16666666666666636143, 0.041666666666613060838,
                       0.0083333333333622746931, 0.0013888888922597188068,
                       0.00019841269773724691371, 0.000024801513155800532364,
                       2.7557360046595818673e-6, 2.7623854650496381857e-7,
                       2.5069142504446294524e-8});
}

// k, the integer nearest to x / ln 2; plus extra_power it stands in the low bits of k_bits.
struct Multiple {
    Expr k, k_bits;
};

inline Multiple nearest_multiple(const Expr &x, int extra_power) {
    const Expr rounding = round_constant(x, extra_power);
    const Expr shifted = x * number(x, 1.4426950408889634) + rounding;
    return {strict_sub(shifted, rounding), bits(shifted)};
}

// exp of the reduced number is exp(r) * 2^k, where k stands in the low bits of k_bits.
struct Reduced {
    Expr r, k_bits;
};

// high + low = k ln 2 + r, |r| <= ln(2)/2, |k| < 1200; low, which may be undefined, is a correction
// of high. exp of the result is exp(high + low) * 2^extra_power. ln 2 in two words, the first of so
// few bits that its multiples are exact (W. J. Cody and W. Waite, Software Manual for the
// Elementary Functions).
inline Reduced reduce(const Expr &high, const Expr &low, int extra_power) {
    const Expr x = low.defined() ? strict_add(high, low) : high;
    const Multiple of_ln2 = nearest_multiple(x, extra_power);
    const Expr &k = of_ln2.k;
    Expr r = high - k * number(x, 0.693359375, 6.93147180369123816490e-01);
    if (low.defined()) {
        r = strict_add(r, low);
    }
    return {strict_sub(r, k * number(x, -2.12194440054690583e-4, 1.90821492927058781614e-10)),
            of_ln2.k_bits};
}

// Of -t^2 / 2, for which one word is not enough: the argument's absolute error becomes exp's
// relative error. The square of the leading bits of t is exact.
inline Reduced reduce_half_square(const Expr &t, int extra_power) {
    const Expr head = leading_bits(t, 12, 26);
    const Expr minus_half = number(t, -0.5);
    const Expr square = strict_mul(strict_mul(head, minus_half), head);
    const Expr rest = strict_mul(strict_mul(strict_sub(t, head), minus_half), strict_add(t, head));
    return reduce(square, rest, extra_power);
}

// Of -(high + low) ln 2; here k is subtracted without an error.
inline Reduced reduce_minus_log2(const Expr &high, const Expr &low, int extra_power) {
    const Expr rounding = round_constant(high, extra_power);
    const Expr shifted = strict_sub(rounding, strict_add(high, low));
    const Expr minus_k = strict_sub(rounding, shifted);
    return {strict_sub(strict_sub(minus_k, high), low) * number(high, 0.69314718055994530942),
            bits(shifted)};
}

// Error <= 2 u relative, the result being a normal number.
inline Expr exp_(const Reduced &x) {
    const Expr one = number(x.r, 1);
    return scale_by_power((exp_polynomial(x.r) * x.r + one) * x.r + one, x.k_bits);
}

// exp(x) - 1 for |x| <= 50, accurate near 0 too: 2^k p + (2^k - 1), p = exp(r) - 1, x = k ln 2 + r.
// One word of ln 2 will do, as what is off by k times the rest of it, and by a rounding of k ln 2
// where nothing is fused, is exp(x): 0.1 u of 1. Error <= 2 u relative for x <= 0.
inline Expr expm1_(const Expr &x) {
    const Expr one = number(x, 1);
    const Multiple of_ln2 = nearest_multiple(x, 0);
    const Expr r = x - of_ln2.k * number(x, 0.69314718055994530942);
    const Expr power = scale_by_power(one, of_ln2.k_bits);
    return power * ((r * r) * exp_polynomial(r) + r) + strict_sub(power, one);
}

// P of log((1 + z / 2) / (1 - z / 2)) = 2 artanh(z / 2) = z + z^3 P(z^2) for |z| <= 2/3; of degree
// 3 (9), minimax, error 0.25 u.
inline Expr log_polynomial(const Expr &square) {
    return polynomial(square,
                      {0.083333299928469746134, 0.012502383041279241415, 0.0022058626482708927233,
                       0.00052462935740157060699},
                      {0.083333333333333323004, 0.012500000000004629563, 0.0022321428568009951001,
                       0.00043402778755139443139, 0.000088778267549910680762,
                       0.000018781221164768594794, 4.0631248412188309574e-6,
                       9.1567506522416274269e-7, 1.6778152478110433157e-7,
                       7.7115881550689022569e-8});
}

// log(1 + e) for 0 <= e <= 1, with z = 2 e / (2 + e).
inline Expr log1p_(const Expr &e) {
    const Expr z = (e + e) / (e + number(e, 2));
    const Expr y = z * z;
    return z + (z * y) * log_polynomial(y);
}

// log(1 - t) for 0 <= t < 1: with 1 - t = 2^k (1 + e), 1 + e in [1/2, 2), k ln 2 + 2 artanh(e / (2
// + e)). Where k is 0, e is -t as it came, and small t are accurate. Error <= 3 u relative.
inline Expr log1m_(const Expr &t) {
    const Expr w = strict_sub(number(t, 1), t);
    const Type integer = Int(t.type().bits());
    const Expr exponent = Halide::reinterpret(integer, bits(w) >> mask(t, 23, 52));
    const Expr bias = make_const(integer, is_double(t) ? 1022 : 126);
    const Expr k = Halide::min(exponent - bias, make_const(integer, 0));  // 0 for [1/2, 1]
    const Expr f = scale_by_power(w, Halide::reinterpret(UInt(t.type().bits()), -k));
    const Expr e = select(k == 0, -t, strict_sub(f, number(t, 1)));
    const Expr z = (e + e) / (e + number(t, 2));
    // As a float by way of the low bits: ARMv7 calls a function for a 64-bit integer.
    const Expr rounding = round_constant(t, 0);
    const Expr k_ = strict_sub(
        from_bits(t, bits(rounding) + Halide::reinterpret(UInt(t.type().bits()), k)), rounding);
    const Expr log_f = z + (z * (z * z)) * log_polynomial(z * z);
    return k_ * number(t, 0.693359375, 6.93147180369123816490e-01) +
           (log_f + k_ * number(t, -2.12194440054690583e-4, 1.90821492927058781614e-10));
}

// exp(t^2/2) erfc(t / sqrt 2) / 2 for t in [0, 14.5] (float64: [0, 38.7]): w S(1 - 2 c w), w = 1 /
// (t + c). S minimax of degree 10 (22), error 0.4 u (0.2 u) plus rounding; its argument lies in
// [-1, 1], which keeps it well conditioned (the transformation is that of M. M. Shepherd and J. G.
// Laframboise, Math. Comp. 36, 1981).
inline Expr half_erfcx(const Expr &t) {
    const Expr c = number(t, 2, 4), one = number(t, 1);
    const Expr w = one / (t + c);
    return w * polynomial(one - (c + c) * w,
                          {0.6724079928395688, -0.33140456444127286, 0.028798397908123777,
                           0.03672159590019452, -0.00048321689051788395, -0.006751569341297449,
                           -0.0018906042221768233, 0.0008842079526693084, 0.0007241446788957668,
                           3.0760824593429044e-05, -7.630667197486927e-05},
                          {0.7552851304157515,      -0.6078966419718921,     0.3871374007422194,
                           -0.18652185795966597,    0.06039657489067022,     -0.007540188966417789,
                           -0.0034796923616838915,  0.0016308184530187577,   0.00013334424926882374,
                           -0.00023109490152420717, -1.9078479844405606e-06, 3.5144558469497434e-05,
                           7.149880160204324e-07,   -5.9199750582648935e-06, -6.252500769421874e-07,
                           1.0217828648728677e-06,  2.641705461568221e-07,   -1.564981921144455e-07,
                           -7.720369616327233e-08,  1.6002742484962813e-08,  1.4599809102921252e-08,
                           -3.188503144296695e-10,  -1.1873448870027758e-09});
}

}  // namespace halnorm::elementary
