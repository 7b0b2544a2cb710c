// Batch normalization, described once. Nothing here knows a machine: see stages.h for the stages
// and schedules/ for how they run. Formulas are those of docs/semantics.md.
#include "activations.h"
#include "schedule.h"
#include "stages.h"

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <vector>

namespace halnorm {
namespace {

using Halide::cast;
using Halide::clamp;
using Halide::Expr;
using Halide::Float;
using Halide::Func;
using Halide::min;
using Halide::RDom;
using Halide::select;
using Halide::strict_float;
using Halide::Tuple;
using Halide::Type;
template<typename T>
using Buffer = Halide::Buffer<T>;
template<typename T>
using Input = Halide::GeneratorInput<T>;
template<typename T>
using Output = Halide::GeneratorOutput<T>;

const std::map<std::string, Layout> layouts = {{"nchw", Layout::nchw}, {"nhwc", Layout::nhwc}};

// The bits of an ActivationSet, of the stages that know activations.
struct Activations : Halide::GeneratorParam<uint32_t> {
    Activations() : GeneratorParam("activations", ActivationSet::all) {}
    ActivationSet set() const { return ActivationSet(value()); }
};

Expr real(const Expr &e) {
    return cast<double>(e);
}

Expr median(const Expr &a, const Expr &b, const Expr &c) {
    return Halide::max(min(a, b), min(Halide::max(a, b), c));
}

// max(v, 0) that keeps NaN.
Expr at_least_zero(const Expr &v) {
    return strict_float(select(v < 0, cast(v.type(), 0), v));
}

// The innermost dimension of x and y: s in NCHW, c in NHWC. The other strides are the caller's.
template<typename Parameter>
void dense_in(Layout layout, Parameter &&x) {
    if (layout == Layout::nhwc) {
        x.dim(0).set_stride(Expr());
        x.dim(1).set_stride(1);
    }
}

// Coordinates count from 0, but for the blocks of sums. Left open, they are subtracted buffer by
// buffer around every loop: kernels of training for AArch64 are a seventh larger, and on x86
// training in cache takes 1 to 4 % longer (2026-11-28).
template<typename T>
void from_zero(Input<Buffer<T>> &buffer, int dimensions = 3) {
    for (int i = 0; i < std::min(dimensions, buffer.dimensions()); i++)
        buffer.dim(i).set_min(0);
}

// What is set of the first buffer of a tuple holds for all.
void from_zero(const Func &result, int dimensions = 3) {
    Halide::OutputImageParam first = result.output_buffers()[0];
    for (int i = 0; i < std::min(dimensions, result.dimensions()); i++)
        first.dim(i).set_min(0);
}

template<typename... Buffers>
void all_from_zero(Buffers &...buffers) {
    (from_zero(buffers), ...);
}

// y = (x - center) * scale + offset. The double mean is split into center + rest, and the rest
// joins the offset, so that y of data at 1e6 + N(0, 1) is as good as y of N(0, 1), and nothing is
// left to reassociate.
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

// 1 / sqrt(variance + epsilon); 0 where that sum is 0 or infinite, NaN where it is negative.
Expr inverse_deviation(const Expr &variance, const Expr &epsilon) {
    const Expr v = variance + epsilon;
    const Expr positive = strict_float(v > 0), zero = strict_float(v == 0);
    const Expr finite = strict_float(v < Expr(std::numeric_limits<double>::infinity()));
    const Expr nan = Halide::reinterpret<double>(
        Halide::Internal::make_const(Halide::UInt(64), 0x7ff8000000000000));
    return select(positive, select(finite, inverse_square_root(v), Expr(0.0)),
                  select(zero, Expr(0.0), nan));
}

template<typename T>
class ShiftGenerator : public Halide::Generator<ShiftGenerator<T>> {
public:
    Halide::GeneratorParam<Layout> layout{"layout", Layout::nchw, layouts};
    Input<Buffer<T>> x{"x", 3};
    Input<int> block_n{"block_n"};  // rows per block
    Output<Func> shift{"shift", {Halide::type_of<T>()}, 2};

    void generate() {
        g.layout = layout;
        g.type = Halide::type_of<T>();
        dense_in(g.layout, x);
        const Expr S = x.dim(0).extent(), N = x.dim(2).extent();
        const Expr first = g.b * block_n, rows = min(Expr(block_n), N - first);
        g.width = x.dim(1).extent();
        g.row = S;
        const bool along_s = g.layout == Layout::nchw;
        const auto at = [&](const Expr &start, const Expr &middle, const Expr &end) {
            return select(g.p == 0, start, g.p == 1, middle, end);
        };
        const Expr s = at(0, S / 2, S - 1);
        const Expr n = at(first, first + rows / 2, first + rows - 1);

        // The elements nearest to (s, n), taken along s in NCHW and along the rows of the block in
        // NHWC. Summing differences from one of them keeps constants exact and cannot overflow;
        // strict, or fast math would undo it.
        const int count = Shift::neighbours;
        const Expr low = along_s ? Expr(0) : first, extent = along_s ? S : rows;
        const Expr start =
            clamp((along_s ? s : n) - count / 2, low, low + Halide::max(extent - count, 0));
        const auto element = [&](const Expr &i) {
            const Expr k = start + min(i, extent - 1);
            return along_s ? x(k, g.c, n) : x(s, g.c, k);
        };
        g.differences(g.i, g.p, g.c, g.b) =
            strict_float(select(g.i < extent, element(g.i) - element(0), cast<T>(0)));
        const auto folded = [&](Func wide, Func half, int to) {
            half(g.i, g.p, g.c, g.b) =
                strict_float(wide(g.i, g.p, g.c, g.b) + wide(g.i + to, g.p, g.c, g.b));
        };
        folded(g.differences, g.halves, count / 2);
        folded(g.halves, g.quarters, count / 4);
        Func mean("mean");
        const Expr sum = g.quarters(0, g.p, g.c, g.b) + g.quarters(1, g.p, g.c, g.b);
        mean(g.p, g.c, g.b) = strict_float(element(0) + sum / cast<T>(min(Expr(count), extent)));
        g.shift(g.c, g.b) = median(mean(0, g.c, g.b), mean(1, g.c, g.b), mean(2, g.c, g.b));
        shift = g.shift;
        from_zero(x);
        from_zero(g.shift, 1);
    }

    void schedule() { halnorm::schedule(g, this->get_target()); }

private:
    Shift g;
};

// The parameters that cut a reduction into blocks and chunks.
struct Cut {
    Expr block_n;  // rows per block
    Expr chunk_s;  // a multiple of Sums::chunk_unit or, in NHWC, a quarter of it
    Expr chunk_n;  // rows per group of `rest`
};

// g.sums, from the extents of x in s, c and n and terms(s, row, counts): two numbers of g.type for
// an element of channel g.c in block g.b, zeros where it does not count.
template<typename Terms>
void describe_sums(Sums &g, const Halide::Target &target, const Expr &S, const Expr &C,
                   const Expr &N, const Cut &cut, Terms terms) {
    // On a GPU a warp has the lanes, and an addition in double per lane costs nothing.
    const bool gpu = target.has_gpu_feature();
    const Type lanes_type = gpu ? Float(64) : g.type;
    // Rows of up to 256 elements give each of 16 lanes at most 16 addends. With eight, an outlier
    // before 31 small ones made the variance of float32 1.7e-6 wrong.
    const bool few = g.type == Float(64) && target.natural_vector_size(g.type) < 8;
    g.rest_lane_count = gpu ? 32 : few ? 8 : 16;
    g.width = C;
    g.row = S;
    g.rows = N;
    g.chunk_s = cut.chunk_s;
    const Expr &chunk_s = cut.chunk_s, &chunk_n = cut.chunk_n;
    const Expr first = g.b * cut.block_n;
    const Expr rows = min(cut.block_n, N - first);
    const int unit = g.layout == Layout::nchw ? Sums::chunk_unit : Sums::chunk_unit / 4;
    const Expr row_unit = chunk_s / unit;

    const Expr all = Halide::Internal::const_true();
    const Expr zero = cast(g.type, 0), lanes_zero = cast(lanes_type, 0);
    const auto widened = [&](const Tuple &lane) {
        return Tuple(cast(lanes_type, lane[0]), cast(lanes_type, lane[1]));
    };

    // Element in * L + l of a chunk belongs to lane l.
    const int L = g.layout == Layout::nchw ? Sums::full_lane_count : 1;
    g.in_full = RDom(0, row_unit * (unit / L), "in_full");
    g.full_lane = RDom(0, L, "full_lane");
    g.full_lanes(g.l, g.p, g.c, g.n, g.b) = Tuple(zero, zero);
    g.full_lanes(g.l, g.p, g.c, g.n, g.b) +=
        terms(g.p * row_unit * unit + g.in_full * L + g.l, first + g.n, all);
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
    const Expr counted = gpu ? Expr(0) : R - tail;
    g.in_tail = RDom(0, select(tail > 0 && (gpu || S >= R), chunk_n, 0), "in_tail");
    g.in_tail.where(row(g.in_tail) < rows);
    if (gpu)
        g.in_tail.where(g.l < tail);
    g.rest_lanes(g.l, g.c, g.q, g.b) +=
        terms(S - tail - counted + g.l, first + row(g.in_tail), gpu ? all : g.l >= counted);
    if (g.layout == Layout::nchw && !gpu) {
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

template<typename T>
class SumsGenerator : public Halide::Generator<SumsGenerator<T>> {
public:
    Halide::GeneratorParam<Layout> layout{"layout", Layout::nchw, layouts};
    Input<Buffer<T>> x{"x", 3};
    Input<Buffer<T>> shift{"shift", 2};
    Input<int> block_n{"block_n"};
    Input<int> chunk_s{"chunk_s"};
    Input<int> chunk_n{"chunk_n"};
    Output<Func> sums{"sums", {Float(64), Float(64)}, 2};

    void generate() {
        g.layout = layout;
        g.type = Halide::type_of<T>();
        dense_in(g.layout, x);
        describe_sums(
            g, this->get_target(), x.dim(0).extent(), x.dim(1).extent(), x.dim(2).extent(),
            {block_n, chunk_s, chunk_n}, [&](const Expr &s, const Expr &row, const Expr &counts) {
                const Expr d = select(counts, x(s, g.c, row) - shift(g.c, g.b), cast<T>(0));
                return Tuple(d, d * d);
            });
        sums = g.sums;
        from_zero(x);
        from_zero(shift, 1);
        from_zero(g.sums, 1);
    }

    void schedule() { halnorm::schedule(g, this->get_target()); }

private:
    Sums g;
};

template<typename T>
class MergeGenerator : public Halide::Generator<MergeGenerator<T>> {
public:
    Input<Buffer<T>> shift{"shift", 2};
    Input<Buffer<double>> sum1{"sum1", 2};
    Input<Buffer<double>> sum2{"sum2", 2};
    Input<int> s_extent{"s_extent"};  // of x, as `sums` saw it
    Input<int> n_extent{"n_extent"};
    Input<int> block_n{"block_n"};
    Input<int> channels{"channels"};  // C; the sums have fold * C
    Input<int> fold{"fold"};
    Input<double> count{"count"};  // of elements per channel
    Output<Func> moments{"moments", {Float(64), Float(64), Float(64)}, 1};

    void generate() {
        g.type = Halide::type_of<T>();
        g.blocks = RDom(0, fold, 0, shift.dim(1).extent(), "blocks");
        const Expr c = g.blocks.x * channels + g.c, b = g.blocks.y;
        const Expr n = real(s_extent) * real(min(Expr(block_n), n_extent - b * block_n));
        const Expr dk = real(shift(c, b)) - real(shift(g.c, 0));
        g.total(g.c) = Tuple(Expr(0.0), Expr(0.0), Expr(0.0));
        g.total(g.c) += Tuple(sum1(c, b) + n * dk, sum2(c, b) + dk * (2 * sum1(c, b) + n * dk),
                              sum1(c, b) * sum1(c, b) / n);
        const Expr mean_d = g.total(g.c)[0] / count;
        // Squares that overflowed make the channel NaN: 1 / sqrt(Inf) would make it a constant.
        const Expr overflow = strict_float(g.total(g.c)[1] - g.total(g.c)[1]);
        g.merged(g.c) = Tuple(real(shift(g.c, 0)) + mean_d,
                              at_least_zero(g.total(g.c)[1] - g.total(g.c)[0] * mean_d + overflow),
                              g.total(g.c)[2]);
        moments = g.merged;
        all_from_zero(shift, sum1, sum2, g.merged);
    }

    void schedule() { halnorm::schedule(g, this->get_target()); }

private:
    Merge g;
};

template<typename T>
class BatchCoefficientsGenerator : public Halide::Generator<BatchCoefficientsGenerator<T>> {
public:
    Input<Buffer<double>> mean{"mean", 1};
    Input<Buffer<double>> m2{"m2", 1};
    Input<Buffer<T>> gamma{"gamma", 1};
    Input<Buffer<T>> beta{"beta", 1};
    Input<Buffer<T>> moving_mean{"moving_mean", 1};
    Input<Buffer<T>> moving_variance{"moving_variance", 1};
    Input<double> count{"count"};
    Input<double> epsilon{"epsilon"};
    Input<double> momentum{"momentum"};  // weight of the old value
    Input<double> estimator_count{
        "estimator_count"};              // count, or count - 1 for the sample variance
    Input<double> prescale{"prescale"};  // of the activation: act(prescale * v + preshift)
    Input<double> preshift{"preshift"};
    Output<Func> coefficients{"coefficients",
                              {Float(64), Halide::type_of<T>(), Halide::type_of<T>(),
                               Halide::type_of<T>(), Halide::type_of<T>(), Halide::type_of<T>()},
                              1};

    void generate() {
        g.type = Halide::type_of<T>();
        const auto moved = [&](const Expr &old, const Expr &now) {
            return cast<T>(real(old) * momentum + now * (Expr(1.0) - momentum));
        };
        const Expr inv_std = inverse_deviation(m2(g.c) / count, epsilon);
        const Tuple xyz = coefficients_of(mean(g.c), inv_std, prescale * real(gamma(g.c)),
                                          prescale * real(beta(g.c)) + preshift, g.type);
        g.values(g.c) =
            Tuple(inv_std, moved(moving_mean(g.c), mean(g.c)),
                  moved(moving_variance(g.c), m2(g.c) / estimator_count), xyz[0], xyz[1], xyz[2]);
        coefficients = g.values;
        all_from_zero(mean, m2, gamma, beta, moving_mean, moving_variance, g.values);
    }

    void schedule() { halnorm::schedule(g, this->get_target()); }

private:
    PerChannel g;
};

template<typename T>
class MovingCoefficientsGenerator : public Halide::Generator<MovingCoefficientsGenerator<T>> {
public:
    Input<Buffer<T>> gamma{"gamma", 1};
    Input<Buffer<T>> beta{"beta", 1};
    Input<Buffer<T>> moving_mean{"moving_mean", 1};
    Input<Buffer<T>> moving_variance{"moving_variance", 1};
    Input<double> epsilon{"epsilon"};
    Input<double> prescale{"prescale"};
    Input<double> preshift{"preshift"};
    Output<Func> coefficients{
        "coefficients", {Halide::type_of<T>(), Halide::type_of<T>(), Halide::type_of<T>()}, 1};

    void generate() {
        g.type = Halide::type_of<T>();
        g.values(g.c) = coefficients_of(
            real(moving_mean(g.c)), inverse_deviation(real(moving_variance(g.c)), epsilon),
            prescale * real(gamma(g.c)), prescale * real(beta(g.c)) + preshift, g.type);
        coefficients = g.values;
        all_from_zero(gamma, beta, moving_mean, moving_variance, g.values);
    }

    void schedule() { halnorm::schedule(g, this->get_target()); }

private:
    PerChannel g;
};

// Cheap forms are bound by memory.
bool cheap(ActivationForm form) {
    return form == ActivationForm::clamp || form == ActivationForm::leaky_relu ||
           form == ActivationForm::hardswish;
}

// The forms of the activations that are built, but those that are `not_used`.
std::vector<Form> activation_forms(const Expr &form, const ActivationSet &built,
                                   std::vector<ActivationForm> not_used = {}) {
    std::vector<Form> forms;
    for (int k = 0; k < static_cast<int>(ActivationForm::count); k++) {
        const auto f = static_cast<ActivationForm>(k);
        if (built.needs(f) && std::find(not_used.begin(), not_used.end(), f) == not_used.end())
            forms.push_back({form == k, cheap(f)});
    }
    return forms;
}

// Layout, extents and strides of a stage over all elements; `tensors` are those that are read.
template<typename T>
void describe(Pointwise &g, Layout layout, bool streaming, Output<Buffer<T>> &y,
              std::initializer_list<Input<Buffer<T>> *> tensors) {
    g.layout = layout;
    g.streaming = streaming;
    g.type = Halide::type_of<T>();
    y = g.y;
    for (Input<Buffer<T>> *tensor : tensors)
        dense_in(g.layout, *tensor);
    dense_in(g.layout, y);
    g.tensors = static_cast<int>(tensors.size()) + 1;
    g.width = y.dim(1).extent();
    g.row = y.dim(0).extent();
}

template<typename T>
class NormalizeGenerator : public Halide::Generator<NormalizeGenerator<T>> {
public:
    Halide::GeneratorParam<Layout> layout{"layout", Layout::nchw, layouts};
    Activations activations;
    Halide::GeneratorParam<bool> streaming{"streaming", false};
    Input<Buffer<T>> x{"x", 3};
    Input<Buffer<T>> center{"center", 1};
    Input<Buffer<T>> scale{"scale", 1};
    Input<Buffer<T>> offset{"offset", 1};
    Input<int> form{"form"};  // ActivationForm
    Input<T> lower{"lower"};
    Input<T> upper{"upper"};
    Input<T> alpha{"alpha"};
    Output<Buffer<T>> y{"y", 3};

    void generate() {
        const Expr v = (x(g.s, g.c, g.n) - center(g.c)) * scale(g.c) + offset(g.c);
        g.y(g.s, g.c, g.n) = activate(
            form, v, {lower, upper, alpha, max_keeps_nan(this->get_target(), Halide::type_of<T>())},
            activations.set());
        g.forms = activation_forms(form, activations.set());
        describe<T>(g, layout, streaming, y, {&x});
        all_from_zero(x, center, scale, offset, g.y);
    }

    void schedule() { halnorm::schedule(g, this->get_target()); }

private:
    Pointwise g;
};

template<typename T>
class NormalizeAddGenerator : public Halide::Generator<NormalizeAddGenerator<T>> {
public:
    Halide::GeneratorParam<Layout> layout{"layout", Layout::nchw, layouts};
    Activations activations;
    Halide::GeneratorParam<bool> streaming{"streaming", false};
    Input<Buffer<T>> x{"x", 3};
    Input<Buffer<T>> z{"z", 3};
    Input<Buffer<T>> center{"center", 1};
    Input<Buffer<T>> scale{"scale", 1};
    Input<Buffer<T>> offset{"offset", 1};
    Input<T> factor{"factor"};  // of z: prescale
    Input<int> form{"form"};    // ActivationForm
    Input<T> lower{"lower"};
    Input<T> upper{"upper"};
    Input<T> alpha{"alpha"};
    Output<Buffer<T>> y{"y", 3};

    void generate() {
        const Expr v = (x(g.s, g.c, g.n) - center(g.c)) * scale(g.c) + offset(g.c);
        g.y(g.s, g.c, g.n) =
            activate(form, v + z(g.s, g.c, g.n) * factor,
                     {lower, upper, alpha, max_keeps_nan(this->get_target(), Halide::type_of<T>())},
                     activations.set());
        g.forms = activation_forms(form, activations.set());
        describe<T>(g, layout, streaming, y, {&x, &z});
        all_from_zero(x, z, center, scale, offset, g.y);
    }

    void schedule() { halnorm::schedule(g, this->get_target()); }

private:
    Pointwise g;
};

// act alone, where a variant has it apart from normalize (schedules/CMakeLists.txt): over what
// those have left in y, which is v here. Rows are along s, whatever the layout.
template<typename T>
class ActivateGenerator : public Halide::Generator<ActivateGenerator<T>> {
public:
    Activations activations;
    Input<Buffer<T>> v{"v", 3};
    Input<int> form{"form"};  // ActivationForm, not clamp
    Input<T> alpha{"alpha"};
    Output<Buffer<T>> y{"y", 3};

    void generate() {
        const Expr zero = cast<T>(0);
        g.y(g.s, g.c, g.n) =
            activate(form, v(g.s, g.c, g.n), {zero, zero, alpha}, activations.set());
        g.forms = activation_forms(form, activations.set(), {ActivationForm::clamp});
        g.coefficients = 0;
        describe<T>(g, Layout::nchw, false, y, {&v});
        all_from_zero(v, g.y);
    }

    void schedule() { halnorm::schedule(g, this->get_target()); }

private:
    Pointwise g;
};

// ---- Backward ----
//
// dx = gamma inv_std (g - dbeta / m - xhat dgamma / m) with g = dy act'(v) is formed as
// a g + (b d + c), d = x - center, from coefficients per channel in double, for the reason that
// coefficients_of has. Piecewise linear activations are part of the sums and of dx, which compute v
// again; for the others, and where there is a z, activation_gradient has made g of dy before.

// d and g of one element, by what the tensor `x` is: the forward pass's x, or its y, from which it
// is recovered but for gamma and beta, which stand in the coefficients.
struct Element {
    Expr d, g;
};
struct ElementOf {
    Expr form;  // GradientForm
    Expr lower, upper, below;
    Expr inverse;  // of alpha, where x is y
    ActivationSet built;
    bool covered_apart;  // identity, relu and clamp, which are piecewise linear too
    bool masks_loads;

    Element operator()(const Expr &x, const Expr &dy, const Expr &center, const Expr &scale,
                       const Expr &offset) const {
        const Expr d = x - center, v = d * scale + offset;
        Expr of_x = piecewise_gradient(dy, v, lower, upper, below);
        if (covered_apart) {
            of_x = select(is(GradientForm::identity), dy, is(GradientForm::relu),
                          relu_gradient(dy, v, lower, masks_loads), is(GradientForm::clamp),
                          clamp_gradient(dy, v, lower, upper, masks_loads), of_x);
        }
        Element e = {d, of_x};
        const auto also = [&](GradientForm f, const Expr &of_d, const Expr &of_g) {
            if (built.needs(f))
                e = {select(is(f), of_d, e.d), select(is(f), of_g, e.g)};
        };
        also(GradientForm::of_elu, elu_inverse(x, inverse) - center,
             elu_gradient_of_y(dy, x, below));
        also(GradientForm::of_leaky_relu, leaky_relu_inverse(x, inverse) - center,
             piecewise_gradient(dy, x, lower, upper, below));
        return e;
    }

    Expr is(GradientForm f) const { return form == static_cast<int>(f); }

    Expr is_cheap() const {
        return form <=
               static_cast<int>(covered_apart ? GradientForm::clamp : GradientForm::piecewise);
    }

    // Those of the elements alone, without `scaled`.
    std::vector<Form> forms() const {
        std::vector<Form> all;
        if (!covered_apart)
            all.push_back({is_cheap(), true});
        for (GradientForm f :
             {GradientForm::identity, GradientForm::relu, GradientForm::clamp,
              GradientForm::piecewise, GradientForm::of_leaky_relu, GradientForm::of_elu}) {
            const bool from_y = f == GradientForm::of_leaky_relu || f == GradientForm::of_elu;
            const bool rare = from_y || f == GradientForm::piecewise;  // of leaky_relu alone
            if (built.needs(f) && (covered_apart || from_y))
                all.push_back({is(f), !rare});
        }
        return all;
    }
};

// From the inputs that the generators of both passes have.
template<typename Inputs>
ElementOf element_of(const Inputs &of, const Halide::Target &target, bool covered_apart) {
    return {of.form,       of.lower,           of.upper, of.below, of.inverse, of.activations.set(),
            covered_apart, masks_loads(target)};
}

template<typename T>
class ActivationGradientGenerator : public Halide::Generator<ActivationGradientGenerator<T>> {
public:
    Halide::GeneratorParam<Layout> layout{"layout", Layout::nchw, layouts};
    Activations activations;
    Input<Buffer<T>> x{"x", 3};
    Input<Buffer<T>> z{"z", 3};  // x where there is none
    Input<Buffer<T>> dy{"dy", 3};
    Input<Buffer<T>> center{"center", 1};
    Input<Buffer<T>> scale{"scale", 1};
    Input<Buffer<T>> offset{"offset", 1};
    Input<T> factor{"factor"};  // of z, or 0
    Input<T> slope{"slope"};    // of g: prescale
    Input<int> form{"form"};    // ActivationForm; leaky_relu is clamp with a slope `below`
    Input<T> lower{"lower"};
    Input<T> upper{"upper"};
    Input<T> alpha{"alpha"};  // of elu; of clamp the slope below
    Output<Buffer<T>> g_out{"g", 3};

    void generate() {
        const Expr v = (x(g.s, g.c, g.n) - center(g.c)) * scale(g.c) + offset(g.c);
        const Expr addend = zero_unless(factor != cast<T>(0), z(g.s, g.c, g.n) * factor);
        g.y(g.s, g.c, g.n) = slope * activation_gradient(form, dy(g.s, g.c, g.n), v + addend,
                                                         {lower, upper, alpha}, activations.set());
        g.forms = activation_forms(form, activations.set(), {ActivationForm::leaky_relu});
        describe<T>(g, layout, false, g_out, {&x, &z, &dy});
        all_from_zero(x, z, dy, center, scale, offset, g.y);
    }

    void schedule() { halnorm::schedule(g, this->get_target()); }

private:
    Pointwise g;
};

template<typename T>
class GradientSumsGenerator : public Halide::Generator<GradientSumsGenerator<T>> {
public:
    Halide::GeneratorParam<Layout> layout{"layout", Layout::nchw, layouts};
    Activations activations;
    Input<Buffer<T>> x{"x", 3};  // or y
    Input<Buffer<T>> dy{"dy", 3};
    Input<Buffer<T>> center{"center", 1};
    Input<Buffer<T>> scale{"scale", 1};
    Input<Buffer<T>> offset{"offset", 1};
    Input<int> form{"form"};  // GradientForm
    Input<T> lower{"lower"};
    Input<T> upper{"upper"};
    Input<T> below{"below"};
    Input<T> inverse{"inverse"};
    Input<int> block_n{"block_n"};
    Input<int> chunk_s{"chunk_s"};
    Input<int> chunk_n{"chunk_n"};
    Output<Func> sums{"sums", {Float(64), Float(64)}, 2};

    void generate() {
        g.layout = layout;
        g.type = Halide::type_of<T>();
        dense_in(g.layout, x);
        dense_in(g.layout, dy);
        const ElementOf element =
            element_of(*this, this->get_target(), covered_forms.apart_in_sums);
        g.forms = element.forms();
        g.cheap = element.is_cheap();
        describe_sums(g, this->get_target(), x.dim(0).extent(), x.dim(1).extent(),
                      x.dim(2).extent(), {block_n, chunk_s, chunk_n},
                      [&](const Expr &s, const Expr &row, const Expr &counts) {
                          const Element e = element(x(s, g.c, row), dy(s, g.c, row), center(g.c),
                                                    scale(g.c), offset(g.c));
                          const Expr gradient = select(counts, e.g, cast<T>(0));
                          return Tuple(gradient, gradient * e.d);
                      });
        sums = g.sums;
        all_from_zero(x, dy, center, scale, offset);
        from_zero(g.sums, 1);
    }

    void schedule() { halnorm::schedule(g, this->get_target()); }

private:
    Sums g;
};

template<typename T>
class InputGradientGenerator : public Halide::Generator<InputGradientGenerator<T>> {
public:
    Halide::GeneratorParam<Layout> layout{"layout", Layout::nchw, layouts};
    Activations activations;
    Halide::GeneratorParam<bool> streaming{"streaming", false};
    Input<Buffer<T>> x{"x", 3};  // or y
    Input<Buffer<T>> dy{"dy", 3};
    Input<Buffer<T>> center{"center", 1};
    Input<Buffer<T>> scale{"scale", 1};
    Input<Buffer<T>> offset{"offset", 1};
    Input<Buffer<T>> a{"a", 1};
    Input<Buffer<T>> b{"b", 1};
    Input<Buffer<T>> c{"c", 1};
    Input<int> form{"form"};  // GradientForm
    Input<T> lower{"lower"};
    Input<T> upper{"upper"};
    Input<T> below{"below"};
    Input<T> inverse{"inverse"};
    Input<int> by_batch{"by_batch"};  // 0: dx = a * g, whatever x is
    Output<Buffer<T>> dx{"dx", 3};

    void generate() {
        const Expr dy_ = dy(g.s, g.c, g.n);
        const ElementOf element =
            element_of(*this, this->get_target(), covered_forms.apart_in_pointwise);
        const Element e = element(x(g.s, g.c, g.n), dy_, center(g.c), scale(g.c), offset(g.c));
        const Expr through_statistics = zero_unless(by_batch != 0, e.d * b(g.c) + c(g.c));
        const Expr scaled = element.is(GradientForm::scaled);
        g.y(g.s, g.c, g.n) = select(scaled, a(g.c) * dy_, a(g.c) * e.g + through_statistics);
        g.forms = element.forms();
        g.forms.push_back({scaled, false});
        g.coefficients = 6;
        describe<T>(g, layout, streaming, dx, {&x, &dy});
        all_from_zero(x, dy, center, scale, offset, a, b, c, g.y);
    }

    void schedule() { halnorm::schedule(g, this->get_target()); }

private:
    Pointwise g;
};

// The moving statistics in the form of the saved ones.
template<typename T>
class MovingStatisticsGenerator : public Halide::Generator<MovingStatisticsGenerator<T>> {
public:
    Input<Buffer<T>> moving_mean{"moving_mean", 1};
    Input<Buffer<T>> moving_variance{"moving_variance", 1};
    Input<double> epsilon{"epsilon"};
    Output<Func> statistics{"statistics", {Float(64), Float(64)}, 1};  // (c) = (mean, inv_std)

    void generate() {
        g.type = Halide::type_of<T>();
        g.values(g.c) =
            Tuple(real(moving_mean(g.c)), inverse_deviation(real(moving_variance(g.c)), epsilon));
        statistics = g.values;
        all_from_zero(moving_mean, moving_variance, g.values);
    }

    void schedule() { halnorm::schedule(g, this->get_target()); }

private:
    PerChannel g;
};

// What computes v again, and xhat = (d - rest) * factor.
template<typename T>
class SavedCoefficientsGenerator : public Halide::Generator<SavedCoefficientsGenerator<T>> {
public:
    Input<Buffer<double>> mean{"mean", 1};
    Input<Buffer<double>> inv_std{"inv_std", 1};
    Input<Buffer<T>> gamma{"gamma", 1};
    Input<Buffer<T>> beta{"beta", 1};
    Input<double> prescale{"prescale"};
    Input<double> preshift{"preshift"};
    Input<int> of_y{"of_y"};  // y is there in place of x: act^-1(y) = gamma * xhat + beta
    Output<Func> coefficients{
        "coefficients",
        {Halide::type_of<T>(), Halide::type_of<T>(), Halide::type_of<T>(), Float(64), Float(64)},
        1};  // (c) = (center, scale, offset, factor, rest)

    void generate() {
        g.type = Halide::type_of<T>();
        const Tuple xyz = coefficients_of(mean(g.c), inv_std(g.c), prescale * real(gamma(g.c)),
                                          prescale * real(beta(g.c)) + preshift, g.type);
        const Expr y = of_y != 0;
        const Expr center = select(y, beta(g.c), xyz[0]);
        const Expr rest =
            select(y || real(center) == mean(g.c), Expr(0.0), mean(g.c) - real(center));
        g.values(g.c) = Tuple(center, xyz[1], xyz[2],
                              select(y, Expr(1.0) / real(gamma(g.c)), inv_std(g.c)), rest);
        coefficients = g.values;
        all_from_zero(mean, inv_std, gamma, beta, g.values);
    }

    void schedule() { halnorm::schedule(g, this->get_target()); }

private:
    PerChannel g;
};

// Blocks of one channel to the sums of g and of g * xhat: dbeta and dgamma.
template<typename T>
class ParameterGradientsGenerator : public Halide::Generator<ParameterGradientsGenerator<T>> {
public:
    Input<Buffer<double>> sum1{"sum1", 2};
    Input<Buffer<double>> sum2{"sum2", 2};
    Input<Buffer<double>> factor{"factor", 1};
    Input<Buffer<double>> rest{"rest", 1};
    Input<int> channels{"channels"};  // C; the sums have fold * C
    Input<int> fold{"fold"};
    Input<double> slope{"slope"};  // of g: prescale
    Output<Func> gradients{"gradients", {Float(64), Float(64)}, 1};

    void generate() {
        g.type = Halide::type_of<T>();
        g.blocks = RDom(0, fold, 0, sum1.dim(1).extent(), "blocks");
        const Expr c = g.blocks.x * channels + g.c, b = g.blocks.y;
        g.total(g.c) = Tuple(Expr(0.0), Expr(0.0));
        g.total(g.c) += Tuple(sum1(c, b), sum2(c, b));
        const Expr sum_g = g.total(g.c)[0], sum_gd = g.total(g.c)[1];
        g.merged(g.c) = Tuple(slope * sum_g, slope * factor(g.c) * (sum_gd - rest(g.c) * sum_g));
        gradients = g.merged;
        all_from_zero(sum1, sum2, factor, rest, g.merged);
    }

    void schedule() { halnorm::schedule(g, this->get_target()); }

private:
    Merge g;
};

// The coefficients of dx, and the gradients in the type of the data.
template<typename T>
class InputCoefficientsGenerator : public Halide::Generator<InputCoefficientsGenerator<T>> {
public:
    Input<Buffer<double>> sum_g{"sum_g", 1};
    Input<Buffer<double>> sum_g_xhat{"sum_g_xhat", 1};
    Input<Buffer<double>> inv_std{"inv_std", 1};
    Input<Buffer<double>> factor{"factor", 1};
    Input<Buffer<double>> rest{"rest", 1};
    Input<Buffer<T>> gamma{"gamma", 1};
    Input<double> count{"count"};  // of elements per channel
    Input<double> slope{"slope"};  // of g: prescale
    Output<Func> coefficients{"coefficients",
                              {Halide::type_of<T>(), Halide::type_of<T>(), Halide::type_of<T>(),
                               Halide::type_of<T>(), Halide::type_of<T>()},
                              1};  // (c) = (a, b, c, dgamma, dbeta)

    void generate() {
        g.type = Halide::type_of<T>();
        const Expr scale = real(gamma(g.c)) * inv_std(g.c);
        const Expr b = -(scale * factor(g.c) * (sum_g_xhat(g.c) / count));
        const Expr c = -(scale * (sum_g(g.c) / count)) - b * rest(g.c);
        g.values(g.c) = Tuple(cast<T>(scale * slope), cast<T>(b), cast<T>(c),
                              cast<T>(sum_g_xhat(g.c)), cast<T>(sum_g(g.c)));
        coefficients = g.values;
        all_from_zero(sum_g, sum_g_xhat, inv_std, factor, rest, gamma, g.values);
    }

    void schedule() { halnorm::schedule(g, this->get_target()); }

private:
    PerChannel g;
};

}  // namespace
}  // namespace halnorm

using namespace halnorm;
HALIDE_REGISTER_GENERATOR(ShiftGenerator<float>, shift_f32)
HALIDE_REGISTER_GENERATOR(ShiftGenerator<double>, shift_f64)
HALIDE_REGISTER_GENERATOR(SumsGenerator<float>, sums_f32)
HALIDE_REGISTER_GENERATOR(SumsGenerator<double>, sums_f64)
HALIDE_REGISTER_GENERATOR(MergeGenerator<float>, merge_f32)
HALIDE_REGISTER_GENERATOR(MergeGenerator<double>, merge_f64)
HALIDE_REGISTER_GENERATOR(BatchCoefficientsGenerator<float>, batch_coefficients_f32)
HALIDE_REGISTER_GENERATOR(BatchCoefficientsGenerator<double>, batch_coefficients_f64)
HALIDE_REGISTER_GENERATOR(MovingCoefficientsGenerator<float>, moving_coefficients_f32)
HALIDE_REGISTER_GENERATOR(MovingCoefficientsGenerator<double>, moving_coefficients_f64)
HALIDE_REGISTER_GENERATOR(NormalizeGenerator<float>, normalize_f32)
HALIDE_REGISTER_GENERATOR(NormalizeGenerator<double>, normalize_f64)
HALIDE_REGISTER_GENERATOR(NormalizeAddGenerator<float>, normalize_add_f32)
HALIDE_REGISTER_GENERATOR(NormalizeAddGenerator<double>, normalize_add_f64)
HALIDE_REGISTER_GENERATOR(ActivateGenerator<float>, activate_f32)
HALIDE_REGISTER_GENERATOR(ActivateGenerator<double>, activate_f64)
HALIDE_REGISTER_GENERATOR(ActivationGradientGenerator<float>, activation_gradient_f32)
HALIDE_REGISTER_GENERATOR(ActivationGradientGenerator<double>, activation_gradient_f64)
HALIDE_REGISTER_GENERATOR(GradientSumsGenerator<float>, gradient_sums_f32)
HALIDE_REGISTER_GENERATOR(GradientSumsGenerator<double>, gradient_sums_f64)
HALIDE_REGISTER_GENERATOR(InputGradientGenerator<float>, input_gradient_f32)
HALIDE_REGISTER_GENERATOR(InputGradientGenerator<double>, input_gradient_f64)
HALIDE_REGISTER_GENERATOR(MovingStatisticsGenerator<float>, moving_statistics_f32)
HALIDE_REGISTER_GENERATOR(MovingStatisticsGenerator<double>, moving_statistics_f64)
HALIDE_REGISTER_GENERATOR(SavedCoefficientsGenerator<float>, saved_coefficients_f32)
HALIDE_REGISTER_GENERATOR(SavedCoefficientsGenerator<double>, saved_coefficients_f64)
HALIDE_REGISTER_GENERATOR(ParameterGradientsGenerator<float>, parameter_gradients_f32)
HALIDE_REGISTER_GENERATOR(ParameterGradientsGenerator<double>, parameter_gradients_f64)
HALIDE_REGISTER_GENERATOR(InputCoefficientsGenerator<float>, input_coefficients_f32)
HALIDE_REGISTER_GENERATOR(InputCoefficientsGenerator<double>, input_coefficients_f64)
