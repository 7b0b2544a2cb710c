#include "formulas.h"

#include <algorithm>
#include <limits>

namespace halnorm {
namespace {

// 1 / sqrt(v) of a positive double, within 2 ulp: the exponent halved on the bits, which is within
// 3.5 %, and four steps of Newton. Square root and division of doubles take several times as long,
// and these were most of inference at 1x2048x7x7. A subnormal v, whose bits have no exponent to
// halve, is first made a normal one.
Expr inverse_square_root(const Expr &v) {
    const Expr magic = Halide::Internal::make_const(Halide::UInt(64), 0x5fe6eb50c7b537a9);
    // By its bits: a limit of double is written into C and OpenCL by way of float, which has none.
    const Expr limit = Halide::Internal::make_const(Halide::UInt(64), uint64_t{1} << 52);
    const Expr subnormal = Halide::reinterpret<uint64_t>(v) < limit;
    const Expr w = v * select(subnormal, Expr(0x1p+108), Expr(1.0));
    Expr y = Halide::reinterpret<double>(magic - (Halide::reinterpret<uint64_t>(w) >> 1));
    const Expr half = Expr(0.5) * w;
    for (int step = 0; step < 4; step++)
        y = y * (Expr(1.5) - half * y * y);
    return y * select(subnormal, Expr(0x1p+54), Expr(1.0));
}

// Cheap forms are bound by memory.
bool cheap(ActivationForm form) {
    return form == ActivationForm::clamp || form == ActivationForm::leaky_relu ||
           form == ActivationForm::hardswish;
}

}  // namespace

Tuple coefficients_of(const Expr &mean, const Expr &inv_std, const Expr &gamma, const Expr &beta,
                      Type t) {
    const Expr center = cast(t, mean);
    Expr scale = real(gamma) * inv_std;
    if (t.bits() == 32) {
        // With a tiny epsilon float32 has no such scale, and an infinite one would make NaN of a
        // constant channel, whose x - center is 0. Compared as bits: in a strict comparison all of
        // inv_std would be strict, and computed once more than it is elsewhere.
        const auto bits = [](int64_t b) {
            return Halide::Internal::make_const(Halide::Int(64), b);
        };
        const Expr largest = bits(0x47efffffe0000000), infinity = bits(0x7ff0000000000000);
        const Expr of_scale = Halide::reinterpret<int64_t>(scale);
        const Expr sign = of_scale & bits(std::numeric_limits<int64_t>::min());
        const Expr magnitude = of_scale & bits(std::numeric_limits<int64_t>::max());
        scale = select(magnitude > largest && magnitude < infinity,
                       Halide::reinterpret<double>(largest | sign), scale);
    }
    // Inf - Inf is NaN and would hide an infinite mean; the difference of a mean from itself is 0.
    const Expr rest = select(real(center) == mean, Expr(0.0), mean - real(center));
    return {center, cast(t, scale), cast(t, real(beta) - rest * scale)};
}

Expr inverse_deviation(const Expr &variance, const Expr &epsilon) {
    const Expr v = variance + epsilon;
    const Expr positive = strict_float(v > 0), zero = strict_float(v == 0);
    const Expr finite = strict_float(v < Expr(std::numeric_limits<double>::infinity()));
    const Expr nan = Halide::reinterpret<double>(
        Halide::Internal::make_const(Halide::UInt(64), 0x7ff8000000000000));
    return select(positive, select(finite, inverse_square_root(v), Expr(0.0)),
                  select(zero, Expr(0.0), nan));
}

void describe_sums(Sums &g, const Halide::Target &target, const Expr &S, const Expr &C,
                   const Expr &N, const Cut &cut, const Terms &terms) {
    const Formulation f = formulation(target, g.type);
    const bool threads = f.lanes_are_threads;
    const Type lanes_type = threads ? Float(64) : g.type;
    g.rest_lane_count = f.rest_lanes;
    g.width = C;
    g.row = S;
    g.rows = N;
    g.chunk_s = cut.chunk_s;
    const Expr &chunk_s = cut.chunk_s, &chunk_n = cut.chunk_n;
    const Expr first = g.b * cut.block_n;
    const Expr rows = min(cut.block_n, N - first);
    const int unit = g.layout == Layout::nchw ? chunk_unit : chunk_unit / 4;
    const Expr units = chunk_s / unit;

    const Expr all = Halide::Internal::const_true();
    const Expr zero = cast(g.type, 0), lanes_zero = cast(lanes_type, 0);
    const auto widened = [&](const Tuple &lane) {
        return Tuple(cast(lanes_type, lane[0]), cast(lanes_type, lane[1]));
    };

    // Element in * L + l of a chunk belongs to lane l.
    const int L = g.layout == Layout::nchw ? Sums::full_lane_count : 1;
    g.in_full = RDom(0, units * (unit / L), "in_full");
    g.full_lane = RDom(0, L, "full_lane");
    g.full_lanes(g.l, g.p, g.c, g.n, g.b) = Tuple(zero, zero);
    g.full_lanes(g.l, g.p, g.c, g.n, g.b) +=
        terms(g.p * units * unit + g.in_full * L + g.l, first + g.n, all);
    g.full(g.p, g.c, g.n, g.b) = Tuple(lanes_zero, lanes_zero);
    g.full(g.p, g.c, g.n, g.b) += widened(g.full_lanes(g.full_lane, g.p, g.c, g.n, g.b));

    // Likewise R lanes, whole vectors first. The tail is the last R elements of the row, of which
    // the lanes that were in a whole vector add 0: nothing is masked in memory. A row that is
    // shorter gives its elements to a lane each, one after the other. Where lanes are threads, as
    // many of those work as there are elements in the tail.
    const int R = g.layout == Layout::nchw ? g.rest_lane_count : 1;
    // Said so that a constant row in one chunk has a constant rest.
    const Expr rest = select(S < chunk_s, S, S % chunk_s), tail = rest % R;
    const auto row = [&](const Expr &n) { return g.q * chunk_n + n; };
    g.in_rest = RDom(0, rest / R, 0, chunk_n, "in_rest");
    g.in_rest.where(row(g.in_rest.y) < rows);
    g.rest_lane = RDom(0, R, "rest_lane");
    g.rest_lanes(g.l, g.c, g.q, g.b) = Tuple(zero, zero);
    g.rest_lanes(g.l, g.c, g.q, g.b) +=
        terms(S - rest + g.in_rest.x * R + g.l, first + row(g.in_rest.y), all);
    const Expr counted = threads ? Expr(0) : R - tail;
    g.in_tail = RDom(0, select(tail > 0 && (threads || S >= R), chunk_n, 0), "in_tail");
    g.in_tail.where(row(g.in_tail) < rows);
    if (threads)
        g.in_tail.where(g.l < tail);
    g.rest_lanes(g.l, g.c, g.q, g.b) +=
        terms(S - tail - counted + g.l, first + row(g.in_tail), threads ? all : g.l >= counted);
    if (g.layout == Layout::nchw && !threads) {
        g.in_short = RDom(0, select(S < R, S, 0), 0, select(S < R, chunk_n, 0), "in_short");
        g.in_short.where(row(g.in_short.y) < rows);
        g.rest_lanes(clamp(g.in_short.x, 0, R - 1), g.c, g.q, g.b) +=
            terms(g.in_short.x, first + row(g.in_short.y), all);
    }
    g.rest(g.c, g.q, g.b) = Tuple(lanes_zero, lanes_zero);
    g.rest(g.c, g.q, g.b) += widened(g.rest_lanes(g.rest_lane, g.c, g.q, g.b));

    // Where forms share the loop over rows, LLVM does not see that it is empty for short ones:
    // backward in NHWC at 1x1024x14x14 76 us, now 74 (AVX2). Sums without forms gained nothing, and
    // training in NCHW at 14x14 took 1.02 times as long (AVX-512; Zen 5, 2026-11-28).
    const Expr full_rows = g.forms.empty() ? cut.block_n : select(S < chunk_s, 0, cut.block_n);
    g.fulls = RDom(0, S / chunk_s, 0, full_rows, "fulls");
    g.fulls.where(g.fulls.y < rows);
    g.rests = RDom(0, (cut.block_n + chunk_n - 1) / chunk_n, "rests");
    g.sums(g.c, g.b) = Tuple(Expr(0.0), Expr(0.0));
    const auto add = [&](const Tuple &chunk) {
        g.sums(g.c, g.b) += Tuple(real(chunk[0]), real(chunk[1]));
    };
    add(g.full(g.fulls.x, g.c, g.fulls.y, g.b));
    add(g.rest(g.c, g.rests, g.b));
}

std::vector<Form> activation_forms(const Expr &form, const ActivationSet &built,
                                   std::vector<ActivationForm> not_used) {
    std::vector<Form> forms;
    for (int k = 0; k < static_cast<int>(ActivationForm::count); k++) {
        const auto f = static_cast<ActivationForm>(k);
        if (built.needs(f) && std::find(not_used.begin(), not_used.end(), f) == not_used.end())
            forms.push_back({form == k, cheap(f)});
    }
    return forms;
}

}  // namespace halnorm
