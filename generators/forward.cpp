// The forward pass, described once, as backward.cpp has the backward pass. Nothing there knows a
// machine: see stages.h for the stages and schedules/ for how they run. Formulas are those of
// docs/semantics.md.
#include "formulas.h"
#include "schedule.h"

namespace halnorm {
namespace {

Expr median(const Expr &a, const Expr &b, const Expr &c) {
    return Halide::max(min(a, b), min(Halide::max(a, b), c));
}

// max(v, 0) that keeps NaN.
Expr at_least_zero(const Expr &v) {
    return strict_float(select(v < 0, cast(v.type(), 0), v));
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

template<typename T>
class SumsGenerator : public Halide::Generator<SumsGenerator<T>> {
public:
    Halide::GeneratorParam<Layout> layout{"layout", Layout::nchw, layouts};
    Halide::GeneratorParam<bool> prefetch{"prefetch", false};
    Input<Buffer<T>> x{"x", 3};
    Input<Buffer<T>> shift{"shift", 2};
    Input<int> block_n{"block_n"};
    Input<int> chunk_s{"chunk_s"};
    Input<int> chunk_n{"chunk_n"};
    Output<Func> sums{"sums", {Float(64), Float(64)}, 2};

    void generate() {
        describe<T>(g, layout, this->get_target(), prefetch, {&x}, {block_n, chunk_s, chunk_n},
                    [&](const Expr &s, const Expr &row, const Expr &counts) {
                        const Expr d = select(counts, x(s, g.c, row) - shift(g.c, g.b), cast<T>(0));
                        return Tuple(d, d * d);
                    });
        sums = g.sums;
        from_zero(x);
        from_zero(shift, 1);
        from_zero(g.sums, 1);
    }

    void schedule() { schedule_and_lower(g, this->get_target(), this->get_pipeline()); }

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

// act(v), from the inputs that the stages have which end in it.
template<typename T, typename Inputs>
Expr activated(const Inputs &of, const Halide::Target &target, const Expr &v) {
    const bool max_keeps_nan = formulation(target, Halide::type_of<T>()).max_keeps_nan;
    return activate(of.form, v, {of.lower, of.upper, of.alpha, max_keeps_nan},
                    of.activations.set());
}

template<typename T>
class NormalizeGenerator : public Halide::Generator<NormalizeGenerator<T>> {
public:
    Halide::GeneratorParam<Layout> layout{"layout", Layout::nchw, layouts};
    Activations activations;
    Halide::GeneratorParam<bool> streaming{"streaming", false};
    Halide::GeneratorParam<bool> prefetch{"prefetch", false};
    Input<Buffer<T>> x{"x", 3};
    Input<Buffer<T>> center{"center", 1};
    Input<Buffer<T>> scale{"scale", 1};
    Input<Buffer<T>> offset{"offset", 1};
    Input<int> form{"form"};  // ActivationForm
    Input<T> lower{"lower"};
    Input<T> upper{"upper"};
    Input<T> alpha{"alpha"};
    Input<int> ahead{"ahead"};  // Pointwise::ahead
    Output<Buffer<T>> y{"y", 3};

    void generate() {
        g.ahead = ahead;
        g.prefetches_result = prefetch;
        g.forms = activation_forms(form, activations.set());
        place<T>(g, layout, streaming, {&x});
        define(g, y, activated<T>(*this, this->get_target(), normalized(*this, g)));
        all_from_zero(center, scale, offset);
    }

    void schedule() { schedule_and_lower(g, this->get_target(), this->get_pipeline()); }

private:
    Pointwise g;
};

template<typename T>
class NormalizeAddGenerator : public Halide::Generator<NormalizeAddGenerator<T>> {
public:
    Halide::GeneratorParam<Layout> layout{"layout", Layout::nchw, layouts};
    Activations activations;
    Halide::GeneratorParam<bool> streaming{"streaming", false};
    Halide::GeneratorParam<bool> prefetch{"prefetch", false};
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
    Input<int> ahead{"ahead"};  // Pointwise::ahead
    Output<Buffer<T>> y{"y", 3};

    void generate() {
        g.ahead = ahead;
        g.prefetches_result = prefetch;
        g.forms = activation_forms(form, activations.set());
        place<T>(g, layout, streaming, {&x, &z});
        define(g, y,
               activated<T>(*this, this->get_target(), normalized(*this, g) + at(z, g) * factor));
        all_from_zero(center, scale, offset);
    }

    void schedule() { schedule_and_lower(g, this->get_target(), this->get_pipeline()); }

private:
    Pointwise g;
};

// act alone, where a variant has some apart from normalize (schedules/CMakeLists.txt): over what
// those have left in y, which is v here.
template<typename T>
class ActivateGenerator : public Halide::Generator<ActivateGenerator<T>> {
public:
    Activations activations;
    Input<Buffer<T>> v{"v", 3};
    Input<int> form{"form"};  // ActivationForm
    Input<T> lower{"lower"};
    Input<T> upper{"upper"};
    Input<T> alpha{"alpha"};
    Output<Buffer<T>> y{"y", 3};

    void generate() {
        std::vector<ActivationForm> not_used;
        if (!activations.set().clamps())
            not_used.push_back(ActivationForm::clamp);
        place_apart<T>(g, activation_forms(form, activations.set(), not_used), {&v});
        define(g, y, activated<T>(*this, this->get_target(), at(v, g)));
    }

    void schedule() { schedule_and_lower(g, this->get_target(), this->get_pipeline()); }

private:
    Pointwise g;
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
