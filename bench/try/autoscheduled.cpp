// What stands in the place of a schedule file for ./run try --autoscheduler: every stage is given
// to one of Halide's autoschedulers, as a tensor of 8x64x56x56 and one thread would have it.
// Nothing of the algorithm is changed but that the activation is the one that is asked for: an
// autoscheduler cannot specialize, and would compute all of them for each element.
//
// Environment: HALNORM_AUTOSCHEDULER (its name), HALNORM_STAGE, HALNORM_ACTIVATION,
// HALNORM_IN_NORMALIZE (bits of the activations that normalize contains), and HALNORM_SCHEDULE_FILE,
// which gets what it made, in C++.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <map>

#include "patterns.h"

#include "../../runtime/activate.h"
#include "../../runtime/activation.h"
#include "../../runtime/backward.h"
#include "activation_forms.h"

namespace halnorm {
namespace {

using namespace Halide::Internal;
using Halide::Expr;
using Halide::Func;
using Halide::Parameter;
using Halide::Pipeline;
using Halide::Target;
using Halide::Var;

std::string environment(const char *name) {
    const char *const value = std::getenv(name);
    if (value == nullptr)
        throw std::runtime_error(std::string(name) + " is not set");
    return value;
}

// The form of this stage in a call with the activation, and with the statistics of the batch.
int32_t form_of(const std::string &stage, const std::string &name) {
    halnorm_config config = halnorm_default_config(1);
    ActivationScalars scalars;
    if (halnorm_activation_from_name(name.c_str(), &config.activation) != HALNORM_OK ||
        activation_scalars(config, HALNORM_FLOAT32, &scalars) != HALNORM_OK)
        throw std::runtime_error(halnorm_last_error());
    const unsigned long in_normalize = std::stoul(environment("HALNORM_IN_NORMALIZE"));
    if (stage.rfind("normalize", 0) == 0 && (in_normalize >> config.activation & 1) == 0)
        scalars = no_activation();  // which `activate` follows
    if (stage == "gradient_sums" || stage == "input_gradient") {
        // The others have been taken care of by activation_gradient.
        return static_cast<int32_t>(is_piecewise_linear(config.activation) ?
                                        gradient_scalars(scalars, false).form :
                                        GradientForm::identity);
    }
    const bool as_clamp = stage == "activation_gradient" &&
                          scalars.form == static_cast<int32_t>(ActivationForm::leaky_relu);
    return as_clamp ? static_cast<int32_t>(ActivationForm::clamp) : scalars.form;
}

class ChooseForm : public IRMutator {
public:
    explicit ChooseForm(int32_t form) : form_(form) {}

private:
    using IRMutator::visit;
    Expr visit(const Variable *v) override {
        return v->name == "form" && v->param.defined() ? Expr(form_) : Expr(v);
    }
    int32_t form_;
};

// 8 images of 64 channels and 56x56 pixels. The extents that a tensor has in s, c and n.
constexpr int channels = 64, images = 8, pixels = 56 * 56, blocks = 8;
std::vector<int> extents_of(int dimensions, Layout layout) {
    if (dimensions == 1)
        return {channels};
    if (dimensions == 2)
        return {channels, blocks};
    return layout == Layout::nchw ? std::vector<int>{pixels, channels, images} :
                                    std::vector<int>{1, channels, images * pixels};
}

// Tells Halide what to expect of every tensor and scalar that the stage reads.
class Estimate : public IRGraphVisitor {
public:
    explicit Estimate(Layout layout) : layout_(layout) {}

private:
    using IRGraphVisitor::visit;
    void visit(const Call *call) override {
        tensor(call->param);
        IRGraphVisitor::visit(call);
    }
    void visit(const Variable *v) override {
        if (!v->param.defined())
            return;
        if (v->param.is_buffer())
            return tensor(v->param);
        static const std::map<std::string, int> integers = {
            {"block_n", layout_ == Layout::nchw ? images : images * pixels / blocks},
            {"chunk_s", layout_ == Layout::nchw ? 448 : 32},
            {"chunk_n", 32},
            {"s_extent", pixels},
            {"n_extent", images},
            {"channels", channels},
            {"fold", 1}};
        Parameter p = v->param;
        const auto integer = integers.find(v->name);
        const Expr value = integer != integers.end() ? integer->second : 1;
        p.set_estimate(Halide::cast(p.type(), value));
    }
    void tensor(Parameter p) {
        if (!p.defined() || !p.is_buffer())
            return;
        const std::vector<int> extents = extents_of(p.dimensions(), layout_);
        for (int d = 0; d < p.dimensions(); d++) {
            p.set_min_constraint_estimate(d, 0);
            p.set_extent_constraint_estimate(d, extents[static_cast<size_t>(d)]);
        }
    }
    Layout layout_;
};

// The tails that autoschedulers leave to Halide need extents of a vector at least, and compute some
// elements twice; kernels are called for a few channels too, and in place.
void guard_tails(Definition &definition) {
    for (Split &split : definition.schedule().splits()) {
        if (split.split_type == Split::SplitVar)
            split.tail = Halide::TailStrategy::GuardWithIf;
    }
}

void autoschedule(Func f, Layout layout, const Target &target) {
    static const std::map<std::string, std::string> plugins = {
        {"Mullapudi2016", "autoschedule_mullapudi2016"},
        {"Adams2019", "autoschedule_adams2019"},
        {"Li2018", "autoschedule_li2018"}};
    const std::string name = environment("HALNORM_AUTOSCHEDULER");
    Halide::load_plugin(plugins.at(name));

    ChooseForm form(form_of(environment("HALNORM_STAGE"), environment("HALNORM_ACTIVATION")));
    Estimate estimate(layout);
    std::map<std::string, Function> functions = find_transitive_calls(f.function());
    for (auto &function : functions) {
        function.second.mutate(&form);
        function.second.accept(&estimate);
    }
    Halide::Region region;
    for (int extent : extents_of(f.dimensions(), layout))
        region.emplace_back(0, extent);
    f.set_estimates(region);
    const auto made = Pipeline(f).apply_autoscheduler(target, {name, {{"parallelism", "1"}}});
    std::ofstream(environment("HALNORM_SCHEDULE_FILE")) << made.schedule_source;
    for (auto &function : functions) {
        guard_tails(function.second.definition());
        for (size_t i = 0; i < function.second.updates().size(); i++)
            guard_tails(function.second.update(static_cast<int>(i)));
    }
}

// One line where it gives up. It may throw where nothing can catch it.
[[noreturn]] void give_up() {
    std::string why = "no reason is given";
    try {
        throw;
    } catch (const Halide::Error &e) {
        why = e.what();
    } catch (const std::exception &e) {
        why = e.what();
    } catch (...) {
    }
    std::replace(why.begin(), why.end(), '\n', ' ');
    std::fprintf(stderr, "%s\n", why.c_str());
    std::_Exit(1);
}

void autoschedule_or_exit(Func f, Layout layout, const Target &target) {
    std::set_terminate(give_up);
    try {
        autoschedule(f, layout, target);
    } catch (...) {
        give_up();
    }
}

}  // namespace

Formulation formulation(const Target &target, const Halide::Type &type) {
    return of_processor(target, type);
}

void schedule(Shift &g, const Target &target) {
    autoschedule_or_exit(g.shift, g.layout, target);
}

void schedule(Sums &g, const Target &target) {
    autoschedule_or_exit(g.sums, g.layout, target);
}

void schedule(Merge &g, const Target &target) {
    autoschedule_or_exit(g.merged, Layout::nchw, target);
}

void schedule(PerChannel &g, const Target &target) {
    autoschedule_or_exit(g.values, Layout::nchw, target);
}

void schedule(Pointwise &g, const Target &target) {
    autoschedule_or_exit(g.y, g.layout, target);
}

}  // namespace halnorm
