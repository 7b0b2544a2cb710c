// Batch normalization, described once. Nothing here knows a machine: see stages.h for the stages
// and schedules/ for how they run. Formulas are those of docs/semantics.md.
#include "activations.h"
#include "schedule.h"
#include "stages.h"

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

// y = (x - center) * scale + offset. The double mean is split into center + rest, and the rest
// joins the offset, so that y of data at 1e6 + N(0, 1) is as good as y of N(0, 1), and nothing is
// left to reassociate.
Tuple coefficients_of(const Expr &mean, const Expr &inv_std, const Expr &gamma, const Expr &beta,
                      Type t) {
    const Expr center = cast(t, mean);
    const Expr scale = real(gamma) * inv_std;
    // Inf - Inf is NaN and would hide an infinite mean; the difference of a mean from itself is 0.
    const Expr rest = select(real(center) == mean, Expr(0.0), mean - real(center));
    return {center, cast(t, scale), cast(t, real(beta) - rest * scale)};
}

// 1 / sqrt(v) of a positive double, within 2 ulp: the exponent halved on the bits, which is within
// 3.5 %, and four steps of Newton. Square root and division of doubles take several times as long,
// and these were most of inference at 1x2048x7x7.
Expr inverse_square_root(const Expr &v) {
    const Expr magic = Halide::Internal::make_const(Halide::UInt(64), 0x5fe6eb50c7b537a9);
    Expr y = Halide::reinterpret<double>(magic - (Halide::reinterpret<uint64_t>(v) >> 1));
    const Expr half = Expr(0.5) * v;
    for (int step = 0; step < 4; step++)
        y = y * (Expr(1.5) - half * y * y);
    return y;
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
        g.row = S;
        g.shift(g.c, g.b) = median(mean_of_neighbours(0, first, first, rows),
                                   mean_of_neighbours(S / 2, first + rows / 2, first, rows),
                                   mean_of_neighbours(S - 1, first + rows - 1, first, rows));
        shift = g.shift;
    }

    void schedule() { halnorm::schedule(g, this->get_target()); }

private:
    // The mean of the 8 elements nearest to (s, n), taken along s in NCHW and along the rows of the
    // block in NHWC. Summing differences from one of them keeps constants exact and cannot
    // overflow; strict, or fast math would undo it.
    Expr mean_of_neighbours(const Expr &s, const Expr &n, const Expr &first, const Expr &rows) {
        const int count = Shift::neighbours;
        const bool along_s = g.layout == Layout::nchw;
        const Expr low = along_s ? Expr(0) : first, extent = along_s ? x.dim(0).extent() : rows;
        const Expr start =
            clamp((along_s ? s : n) - count / 2, low, low + Halide::max(extent - count, 0));
        const auto element = [&](int i) {
            const Expr at = start + min(Expr(i), extent - 1);
            return along_s ? x(at, g.c, n) : x(s, g.c, at);
        };
        Expr sum = cast<T>(0);
        for (int i = 1; i < count; i++)
            sum += select(i < extent, element(i) - element(0), cast<T>(0));
        return strict_float(element(0) + sum / cast<T>(min(Expr(count), extent)));
    }

    Shift g;
};

template<typename T>
class SumsGenerator : public Halide::Generator<SumsGenerator<T>> {
public:
    Halide::GeneratorParam<Layout> layout{"layout", Layout::nchw, layouts};
    Input<Buffer<T>> x{"x", 3};
    Input<Buffer<T>> shift{"shift", 2};
    Input<int> block_n{"block_n"};  // rows per block
    Input<int> chunk_s{"chunk_s"};  // a multiple of Sums::chunk_unit or, in NHWC, a quarter of it
    Input<int> chunk_n{"chunk_n"};  // rows per group of `rest`
    Output<Func> sums{"sums", {Float(64), Float(64)}, 2};

    void generate() {
        g.layout = layout;
        g.type = Halide::type_of<T>();
        // On a GPU a warp has the lanes, and an addition in double per lane costs nothing.
        const bool gpu = this->get_target().has_gpu_feature();
        const Type lanes_type = gpu ? Float(64) : g.type;
        g.rest_lane_count = gpu ? 32 : this->natural_vector_size(g.type) >= 8 ? 16 : 8;
        dense_in(g.layout, x);
        g.width = x.dim(1).extent();
        g.row = x.dim(0).extent();
        const Expr S = x.dim(0).extent(), N = x.dim(2).extent();
        const Expr first = g.b * block_n;
        const Expr rows = min(Expr(block_n), N - first);
        const int unit = g.layout == Layout::nchw ? Sums::chunk_unit : Sums::chunk_unit / 4;
        const Expr row_unit = chunk_s / unit;

        const auto deviations = [&](const Expr &s, const Expr &row) {
            const Expr d = x(s, g.c, row) - shift(g.c, g.b);
            return Tuple(d, d * d);
        };
        const Tuple zeros(cast<T>(0), cast<T>(0)),
            lanes_zeros(cast(lanes_type, 0), cast(lanes_type, 0));
        const auto widened = [&](const Tuple &lane) {
            return Tuple(cast(lanes_type, lane[0]), cast(lanes_type, lane[1]));
        };

        // Element in * L + l of a chunk belongs to lane l.
        const int L = g.layout == Layout::nchw ? Sums::full_lane_count : 1;
        g.in_full = RDom(0, row_unit * (unit / L), "in_full");
        g.full_lane = RDom(0, L, "full_lane");
        g.full_lanes(g.l, g.p, g.c, g.n, g.b) = zeros;
        g.full_lanes(g.l, g.p, g.c, g.n, g.b) +=
            deviations(g.p * row_unit * unit + g.in_full * L + g.l, first + g.n);
        g.full(g.p, g.c, g.n, g.b) = lanes_zeros;
        g.full(g.p, g.c, g.n, g.b) += widened(g.full_lanes(g.full_lane, g.p, g.c, g.n, g.b));

        // Likewise R lanes, whole vectors first; of the tail only lanes l < tail have an element.
        const int R = g.layout == Layout::nchw ? g.rest_lane_count : 1;
        const Expr rest = S % chunk_s, tail = rest % R;
        g.in_rest = RDom(0, rest / R, 0, chunk_n, "in_rest");
        g.in_tail = RDom(0, select(tail > 0, Expr(chunk_n), 0), "in_tail");
        g.rest_lane = RDom(0, R, "rest_lane");
        const Expr rest_row = g.q * chunk_n + g.in_rest.y, tail_row = g.q * chunk_n + g.in_tail;
        g.in_rest.where(rest_row < rows);
        g.in_tail.where(tail_row < rows && g.l < tail);
        g.rest_lanes(g.l, g.c, g.q, g.b) = zeros;
        g.rest_lanes(g.l, g.c, g.q, g.b) +=
            deviations(S - rest + g.in_rest.x * R + g.l, first + rest_row);
        g.rest_lanes(g.l, g.c, g.q, g.b) += deviations(S - tail + g.l, first + tail_row);
        g.rest(g.c, g.q, g.b) = lanes_zeros;
        g.rest(g.c, g.q, g.b) += widened(g.rest_lanes(g.rest_lane, g.c, g.q, g.b));

        g.fulls = RDom(0, S / chunk_s, 0, block_n, "fulls");
        g.fulls.where(g.fulls.y < rows);
        g.rests = RDom(0, (block_n + chunk_n - 1) / chunk_n, "rests");
        g.sums(g.c, g.b) = Tuple(Expr(0.0), Expr(0.0));
        const auto add = [&](const Tuple &chunk) {
            g.sums(g.c, g.b) += Tuple(real(chunk[0]), real(chunk[1]));
        };
        add(g.full(g.fulls.x, g.c, g.fulls.y, g.b));
        add(g.rest(g.c, g.rests, g.b));
        sums = g.sums;
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
        g.moments(g.c) = Tuple(real(shift(g.c, 0)) + mean_d,
                               at_least_zero(g.total(g.c)[1] - g.total(g.c)[0] * mean_d + overflow),
                               g.total(g.c)[2]);
        moments = g.moments;
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
        g.coefficients(g.c) =
            Tuple(inv_std, moved(moving_mean(g.c), mean(g.c)),
                  moved(moving_variance(g.c), m2(g.c) / estimator_count), xyz[0], xyz[1], xyz[2]);
        coefficients = g.coefficients;
    }

    void schedule() { halnorm::schedule(g, this->get_target()); }

private:
    BatchCoefficients g;
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
        g.coefficients(g.c) = coefficients_of(
            real(moving_mean(g.c)), inverse_deviation(real(moving_variance(g.c)), epsilon),
            prescale * real(gamma(g.c)), prescale * real(beta(g.c)) + preshift, g.type);
        coefficients = g.coefficients;
    }

    void schedule() { halnorm::schedule(g, this->get_target()); }

private:
    MovingCoefficients g;
};

template<typename T>
class NormalizeGenerator : public Halide::Generator<NormalizeGenerator<T>> {
public:
    Halide::GeneratorParam<Layout> layout{"layout", Layout::nchw, layouts};
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
        g.layout = layout;
        g.type = Halide::type_of<T>();
        g.form = form;
        const Expr v = (x(g.s, g.c, g.n) - center(g.c)) * scale(g.c) + offset(g.c);
        g.y(g.s, g.c, g.n) = activate(g.form, v, {lower, upper, alpha});
        y = g.y;
        dense_in(g.layout, x);
        dense_in(g.layout, y);
        g.width = y.dim(1).extent();
        g.row = y.dim(0).extent();
    }

    void schedule() { halnorm::schedule(g, this->get_target()); }

private:
    Normalize g;
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
