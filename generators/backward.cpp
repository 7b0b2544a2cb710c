// The backward pass.
//
// dx = gamma inv_std (g - dbeta / m - xhat dgamma / m) with g = dy act'(v) is formed as
// a g + (b d + c), d = x - center, from coefficients per channel in double, for the reason that
// coefficients_of has. Piecewise linear activations are part of the sums and of dx, which compute v
// again; for the others, and where there is a z, activation_gradient has made g of dy before.
#include "formulas.h"
#include "schedule.h"

namespace halnorm {
namespace {

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
        const auto also = [&](const Expr &condition, const Expr &of_d, const Expr &of_g) {
            e = {select(condition, of_d, e.d), select(condition, of_g, e.g)};
        };
        if (built.needs(GradientForm::of_leaky_relu)) {
            const Expr condition = covered_apart ? is(GradientForm::of_leaky_relu) : is_of_y();
            also(condition, leaky_relu_inverse(x, inverse) - center,
                 piecewise_gradient(dy, x, lower, upper, below));
        }
        if (built.needs(GradientForm::of_elu)) {
            also(is(GradientForm::of_elu), elu_inverse(x, inverse) - center,
                 elu_gradient_of_y(dy, x, below));
        }
        return e;
    }

    Expr is(GradientForm f) const { return form == static_cast<int>(f); }

    Expr is_of_y() const { return is(GradientForm::of_leaky_relu) || is(GradientForm::of_elu); }

    Expr is_cheap() const {
        return form <=
               static_cast<int>(covered_apart ? GradientForm::clamp : GradientForm::piecewise);
    }

    // Those of the elements alone, without `scaled`. Without an activation dx needs no scale and
    // offset. Where a form that covers others has their loop, those of y have one too.
    static constexpr int all_coefficients = 6;
    std::vector<Form> forms() const {
        const bool of_y =
            built.needs(GradientForm::of_leaky_relu) || built.needs(GradientForm::of_elu);
        std::vector<Form> all;
        if (!covered_apart) {
            all.push_back({is_cheap(), true, all_coefficients});
            if (of_y)
                all.push_back({is_of_y(), false, all_coefficients});
            return all;
        }
        for (GradientForm f :
             {GradientForm::identity, GradientForm::relu, GradientForm::clamp,
              GradientForm::piecewise, GradientForm::of_leaky_relu, GradientForm::of_elu}) {
            const bool rare = f >= GradientForm::piecewise;  // of leaky_relu alone, or of y
            if (built.needs(f))
                all.push_back({is(f), !rare, f == GradientForm::identity ? 4 : all_coefficients});
        }
        return all;
    }
};

// From the inputs that the generators of both passes have.
template<typename T, typename Inputs>
ElementOf element_of(const Inputs &of, const Halide::Target &target,
                     bool Formulation::*covered_apart) {
    const Formulation f = formulation(target, Halide::type_of<T>());
    return {of.form,          of.lower,     of.upper, of.below, of.inverse, of.activations.set(),
            f.*covered_apart, f.masks_loads};
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
        g.forms = activation_forms(form, activations.set(), {ActivationForm::leaky_relu});
        place<T>(g, layout, false, {&x, &z, &dy});
        const Expr addend = zero_unless(factor != cast<T>(0), at(z, g) * factor);
        define(g, g_out,
               slope * activation_gradient(form, at(dy, g), normalized(*this, g) + addend,
                                           {lower, upper, alpha}, activations.set()));
        all_from_zero(center, scale, offset);
    }

    void schedule() { schedule_and_lower(g, this->get_target(), this->get_pipeline()); }

private:
    Pointwise g;
};

// The same from v, where normalize has left it, of activations that are apart.
template<typename T>
class ActivateBackwardGenerator : public Halide::Generator<ActivateBackwardGenerator<T>> {
public:
    Activations activations;
    Input<Buffer<T>> v{"v", 3};
    Input<Buffer<T>> dy{"dy", 3};
    Input<T> slope{"slope"};  // as above
    Input<int> form{"form"};
    Input<T> lower{"lower"};
    Input<T> upper{"upper"};
    Input<T> alpha{"alpha"};
    Output<Buffer<T>> g_out{"g", 3};

    void generate() {
        std::vector<ActivationForm> not_used = {ActivationForm::leaky_relu};
        if (!activations.set().clamps() && !activations.set().needs(ActivationForm::leaky_relu))
            not_used.push_back(ActivationForm::clamp);
        place_apart<T>(g, activation_forms(form, activations.set(), not_used), {&v, &dy});
        define(g, g_out,
               slope * activation_gradient(form, at(dy, g), at(v, g), {lower, upper, alpha},
                                           activations.set()));
    }

    void schedule() { schedule_and_lower(g, this->get_target(), this->get_pipeline()); }

private:
    Pointwise g;
};

template<typename T>
class GradientSumsGenerator : public Halide::Generator<GradientSumsGenerator<T>> {
public:
    Halide::GeneratorParam<Layout> layout{"layout", Layout::nchw, layouts};
    Activations activations;
    Halide::GeneratorParam<bool> prefetch{"prefetch", false};
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
        const ElementOf element =
            element_of<T>(*this, this->get_target(), &Formulation::apart_in_sums);
        g.forms = element.forms();
        g.cheap = element.is_cheap();
        describe<T>(g, layout, this->get_target(), prefetch, {&x, &dy}, {block_n, chunk_s, chunk_n},
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

    void schedule() { schedule_and_lower(g, this->get_target(), this->get_pipeline()); }

private:
    Sums g;
};

template<typename T>
class InputGradientGenerator : public Halide::Generator<InputGradientGenerator<T>> {
public:
    Halide::GeneratorParam<Layout> layout{"layout", Layout::nchw, layouts};
    Activations activations;
    Halide::GeneratorParam<bool> streaming{"streaming", false};
    Halide::GeneratorParam<bool> prefetch{"prefetch", false};
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
    Input<int> ahead{"ahead"};        // Pointwise::ahead
    Output<Buffer<T>> dx{"dx", 3};

    void generate() {
        g.ahead = ahead;
        g.prefetches_result = prefetch;
        place<T>(g, layout, streaming, {&x, &dy});
        const Expr dy_ = at(dy, g), factor = of_channel(a, g);
        const ElementOf element =
            element_of<T>(*this, this->get_target(), &Formulation::apart_in_pointwise);
        const Element e = element(at(x, g), dy_, of_channel(center, g), of_channel(scale, g),
                                  of_channel(offset, g));
        const Expr through_statistics =
            zero_unless(by_batch != 0, e.d * of_channel(b, g) + of_channel(c, g));
        const Expr scaled = element.is(GradientForm::scaled);
        define(g, dx, select(scaled, factor * dy_, factor * e.g + through_statistics));
        g.forms = element.forms();
        g.forms.push_back({scaled, g.streaming, 1});  // else rare
        all_from_zero(center, scale, offset, a, b, c);
    }

    void schedule() { schedule_and_lower(g, this->get_target(), this->get_pipeline()); }

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
HALIDE_REGISTER_GENERATOR(ActivationGradientGenerator<float>, activation_gradient_f32)
HALIDE_REGISTER_GENERATOR(ActivationGradientGenerator<double>, activation_gradient_f64)
HALIDE_REGISTER_GENERATOR(ActivateBackwardGenerator<float>, activate_backward_f32)
HALIDE_REGISTER_GENERATOR(ActivateBackwardGenerator<double>, activate_backward_f64)
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
