// What the backward passes share: checks, memory, and how an activation's gradient is come by.
#include <math.h>

#include "../generators/activation_forms.h"
#include "activation.h"
#include "backward.h"
#include "gpu.h"
#include "status.h"

namespace halnorm {
namespace {

constexpr double none = static_cast<double>(NAN);  // no limit

halnorm_status check_args(const halnorm_backward_args *args, const BackwardPart &part) {
    if (args == nullptr)
        return fail<Message::args_null>();
    const halnorm_backward_args &a = *args;
    if (a.x == nullptr && a.y == nullptr)
        return fail<Message::args_x_null>();
    if (a.x != nullptr && a.y != nullptr)
        return fail<Message::args_x_and_y>();
    if (a.dy == nullptr)
        return fail<Message::args_dy_null>();
    if (a.z != nullptr && a.x == nullptr)
        return fail<Message::args_z_and_y>();
    if (a.dz != nullptr && a.z == nullptr && part.part != BackwardPart::reduce)
        return fail<Message::args_z_null>();

    const bool saved = a.saved_mean != nullptr || a.saved_inv_std != nullptr;
    const bool moving = a.moving_mean != nullptr || a.moving_variance != nullptr;
    if (saved && moving)
        return fail<Message::args_saved_and_moving>();
    const auto pair = [&](const void *first, const void *second) {
        return first != nullptr && second != nullptr;
    };
    if (moving && !pair(a.moving_mean, a.moving_variance)) {
        return fail<Message::args_moving_null>(
            a.moving_mean == nullptr ? Argument::moving_mean : Argument::moving_variance);
    }
    if (!moving && !pair(a.saved_mean, a.saved_inv_std)) {
        return fail<Message::args_saved_null>(a.saved_mean == nullptr ? Argument::saved_mean :
                                                                        Argument::saved_inv_std);
    }
    return HALNORM_OK;
}

GradientScalars gradient_of_dy() {
    return {GradientForm::identity, none, none, 0, 1, 1};
}

}  // namespace

GradientScalars gradient_scalars(const ActivationScalars &a, bool of_y) {
    GradientScalars g = gradient_of_dy();
    g.slope = a.lower == a.upper ? 0 : a.prescale;
    switch (static_cast<ActivationForm>(a.form)) {
    case ActivationForm::clamp:
        g.lower = isinf(a.lower) ? none : a.lower;
        g.upper = isinf(a.upper) ? none : a.upper;
        if (!isnan(g.upper))
            g.form = GradientForm::clamp;
        else if (!isnan(g.lower))
            g.form = GradientForm::relu;
        break;
    case ActivationForm::leaky_relu:
    case ActivationForm::elu:
        g.lower = 0;
        g.below = a.alpha;
        g.inverse = 1 / a.alpha;
        g.form = GradientForm::piecewise;
        if (of_y && static_cast<ActivationForm>(a.form) == ActivationForm::elu)
            g.form = GradientForm::of_elu;
        else if (of_y)
            g.form = GradientForm::of_leaky_relu;
        break;
    default:
        break;
    }
    return g;
}

namespace {

halnorm_status check_invertible(const Plan &plan) {
    const double alpha = plan.activation.alpha;
    const halnorm_activation act = plan.config->activation;
    const bool bent = act == HALNORM_ACT_LEAKY_RELU || act == HALNORM_ACT_ELU;
    if (act != HALNORM_ACT_NONE && !bent)
        return fail<Message::activation_not_invertible>(act);
    if (bent && !(alpha > 0 && 1 / alpha <= largest(plan.dtype)))
        return fail<Message::alpha_not_invertible>(alpha);
    return HALNORM_OK;
}

template<typename T>
int64_t find_zero(const void *values, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        if (static_cast<const T *>(values)[i] == 0)
            return i;
    }
    return -1;
}

// gamma where the plan's kernels see it.
halnorm_status check_gamma(const Plan &plan, halnorm_device device, const void *gamma) {
    char copy[512];
    const int64_t element = static_cast<int64_t>(plan.element());
    const int64_t step =
        device == HALNORM_CPU ? plan.channels() : static_cast<int64_t>(sizeof copy) / element;
    for (int64_t c = 0; gamma != nullptr && c < plan.channels(); c += step) {
        const int64_t count = plan.channels() - c < step ? plan.channels() - c : step;
        const void *values = static_cast<const char *>(gamma) + c * element;
        if (device != HALNORM_CPU) {
            if (!read_device_array(plan, copy, values, static_cast<size_t>(count * element)))
                break;
            values = copy;
        }
        const int64_t zero = plan.dtype == HALNORM_FLOAT64 ? find_zero<double>(values, count) :
                                                             find_zero<float>(values, count);
        if (zero >= 0)
            return fail<Message::args_gamma_zero>(c + zero);
    }
    return HALNORM_OK;
}

struct Pass {
    Plan plan;
    const halnorm_tensor *dx, *dz;  // as far as this part makes them
    int x, dy, z, at_dx, at_dz;     // indices in plan.apply
    bool makes_g, reduces;
};

halnorm_status make_pass(const halnorm_config *config, const halnorm_backward_args *args,
                         const BackwardPart &part, bool with_data, Pass *pass) {
    HALNORM_TRY(check_args(args, part));
    const halnorm_backward_args &a = *args;
    const bool results = part.part != BackwardPart::reduce;
    pass->dx = results ? a.dx : nullptr;
    pass->dz = results ? a.dz : nullptr;
    // A configuration that is out of range is reported by make_plan.
    pass->makes_g = a.x != nullptr && config != nullptr &&
                    (a.z != nullptr || !is_piecewise_linear(config->activation));
    const bool by_batch = a.saved_mean != nullptr;
    pass->reduces =
        part.part == BackwardPart::reduce ||
        (part.part == BackwardPart::whole &&
         (a.dgamma != nullptr || a.dbeta != nullptr || (pass->dx != nullptr && by_batch)));

    Operands operands;
    operands.scratch = pass->makes_g && pass->dx == nullptr && pass->dz == nullptr;
    const auto add = [&](Argument name, const halnorm_tensor *tensor) {
        if (tensor == nullptr)
            return -1;
        operands.add(name, tensor);
        return operands.count - 1;
    };
    pass->x = a.x != nullptr ? add(Argument::x, a.x) : add(Argument::y, a.y);
    pass->dy = add(Argument::dy, a.dy);
    pass->z = add(Argument::z, a.z);
    pass->at_dx = add(Argument::dx, pass->dx);
    pass->at_dz = add(Argument::dz, pass->dz);
    operands.reduced = operands.count;
    operands.cut = pass->reduces ? cut_reduction : nullptr;
    // Where g is made in dx, that is read again.
    operands.result = pass->makes_g && pass->at_dz < 0 ? -1 : pass->at_dx;
    HALNORM_TRY(make_plan(config, operands, with_data, &pass->plan));
    return a.x != nullptr ? HALNORM_OK : check_invertible(pass->plan);
}

struct Pieces {
    SumsArrays sums;
    double *mean, *inv_std, *factor, *rest, *sum_g, *sum_g_xhat;
    Coefficients coefficients;
    void *a, *b, *c, *gamma, *beta, *dgamma, *dbeta, *scratch;
};

Pieces take_pieces(const Pass &pass, Workspace &workspace) {
    const Plan &plan = pass.plan;
    const int64_t channels = plan.channels();
    Pieces p = {};
    if (pass.reduces)
        p.sums = take_sums(plan, workspace, false);
    for (double **array : {&p.mean, &p.inv_std, &p.factor, &p.rest, &p.sum_g, &p.sum_g_xhat})
        *array = workspace.take_doubles(channels);
    p.coefficients = take_coefficients(plan, workspace);
    for (void **array : {&p.a, &p.b, &p.c})
        *array = workspace.take(plan.apply.width(), plan.element());
    for (void **array : {&p.gamma, &p.beta, &p.dgamma, &p.dbeta})
        *array = workspace.take(channels, plan.element());
    if (plan.scratch > 0)
        p.scratch = workspace.take(plan.elements(), plan.element());
    return p;
}

bool works_without_elements(const BackwardPart &part) {
    return part.part == BackwardPart::apply;
}

}  // namespace

halnorm_status query_backward(const halnorm_config *config, const halnorm_backward_args *args,
                              const BackwardPart &part, size_t *bytes) {
    HALNORM_TRY(check_bytes(bytes));
    Pass pass;
    HALNORM_TRY(make_pass(config, args, part, false, &pass));
    Workspace workspace(nullptr, 0);
    take_pieces(pass, workspace);
    return workspace.report(!pass.plan.empty() || works_without_elements(part), bytes);
}

halnorm_status backward_pass(const halnorm_config *config, const halnorm_backward_args *args,
                             const BackwardPart &part, int (*run)(BackwardCall &call),
                             void *workspace, size_t workspace_bytes) {
    Pass pass;
    HALNORM_TRY(make_pass(config, args, part, true, &pass));
    const Plan &plan = pass.plan;
    const halnorm_backward_args &a = *args;
    const bool results = part.part != BackwardPart::reduce;
    if (part.part != BackwardPart::whole && (part.sum_g == nullptr || part.sum_g_xhat == nullptr)) {
        return fail<Message::doubles_null>(part.sum_g == nullptr ? Argument::sum_g :
                                                                   Argument::sum_g_xhat);
    }
    if (part.part == BackwardPart::apply && part.count < plan.count())
        return fail<Message::count_too_small>(part.count, plan.count());
    const size_t channels = static_cast<size_t>(plan.channels());
    const size_t element = plan.element(), array = channels * element,
                 doubles = channels * sizeof(double);
    enum {
        at_x,
        at_dy,
        at_z,
        at_gamma,
        at_beta,
        at_mean,
        at_inv_std,
        at_moving_mean,
        at_moving_variance,
        at_sum_g,
        at_sum_g_xhat,
        at_dx,
        at_dz,
        at_dgamma,
        at_dbeta,
        at_workspace,
        count
    };
    const halnorm_tensor &x = *(a.x != nullptr ? a.x : a.y);
    const auto vector = [&](Argument name, const void *data, bool output) {
        return Range(name, data, array, element, output);
    };
    const auto numbers = [&](Argument name, const void *data, bool output) {
        return Range(name, data, doubles, sizeof(double), output);
    };
    Range ranges[count];
    ranges[at_x] = range_of(a.x != nullptr ? Argument::x : Argument::y, &x, false);
    ranges[at_dy] = range_of(Argument::dy, a.dy, false);
    ranges[at_z] = range_of(Argument::z, a.z, false);
    ranges[at_gamma] = vector(Argument::gamma, a.gamma, false);
    ranges[at_beta] = vector(Argument::beta, a.beta, false);
    ranges[at_mean] = numbers(Argument::saved_mean, a.saved_mean, false);
    ranges[at_inv_std] = numbers(Argument::saved_inv_std, a.saved_inv_std, false);
    ranges[at_moving_mean] = vector(Argument::moving_mean, a.moving_mean, false);
    ranges[at_moving_variance] = vector(Argument::moving_variance, a.moving_variance, false);
    ranges[at_sum_g] = numbers(Argument::sum_g, part.sum_g, part.part == BackwardPart::reduce);
    ranges[at_sum_g_xhat] =
        numbers(Argument::sum_g_xhat, part.sum_g_xhat, part.part == BackwardPart::reduce);
    ranges[at_dx] = range_of(Argument::dx, pass.dx, true);
    ranges[at_dz] = range_of(Argument::dz, pass.dz, true);
    ranges[at_dgamma] = vector(Argument::dgamma, results ? a.dgamma : nullptr, true);
    ranges[at_dbeta] = vector(Argument::dbeta, results ? a.dbeta : nullptr, true);
    ranges[at_workspace] = {Argument::workspace, workspace_bytes > 0 ? workspace : nullptr,
                            workspace_bytes, 1, true};
    const InPlace pairs[] = {{at_dy, at_dx, a.dy, pass.dx}, {at_dy, at_dz, a.dy, pass.dz}};
    HALNORM_TRY(check_ranges(ranges, count, pairs, 2));
    Workspace lent(workspace, workspace_bytes);
    Pieces p = take_pieces(pass, lent);
    if (!plan.empty() || works_without_elements(part))
        HALNORM_TRY(lent.check());
    const bool by_batch = a.saved_mean != nullptr;
    const int64_t elements = part.part == BackwardPart::apply ? part.count : plan.count();
    const bool copies_g = by_batch && elements <= 1 && results;
    const bool inverts = a.y != nullptr && !plan.empty() && !copies_g;
    if (inverts && x.device == HALNORM_CPU)
        HALNORM_TRY(check_gamma(plan, HALNORM_CPU, a.gamma));

    DeviceCall device(plan);
    HALNORM_TRY(device.begin(x.device, ranges, count, at_workspace));
    if (inverts && x.device != HALNORM_CPU)
        HALNORM_TRY(check_gamma(plan, x.device, a.gamma));
    const auto at = [&](int i) { return const_cast<void *>(ranges[i].data); };
    const auto doubles_at = [&](int i) { return static_cast<double *>(at(i)); };
    if (device.has_copies()) {
        Workspace copy(at(at_workspace), workspace_bytes);
        p = take_pieces(pass, copy);
    }

    const GradientScalars activated = gradient_scalars(plan.activation, a.y != nullptr);
    BackwardCall call{plan,
                      {at(at_x), pass.x},
                      {at(at_dy), pass.dy},
                      {at(at_z), pass.z},
                      {at(at_dx), pass.at_dx},
                      {at(at_dz), pass.at_dz},
                      {nullptr, 0},
                      a.y != nullptr,
                      by_batch,
                      pass.reduces,
                      activated,
                      pass.makes_g ? gradient_of_dy() : activated,
                      at(at_gamma),
                      at(at_beta),
                      at(at_moving_mean),
                      at(at_moving_variance),
                      by_batch ? doubles_at(at_mean) : p.mean,
                      by_batch ? doubles_at(at_inv_std) : p.inv_std,
                      p.coefficients,
                      p.factor,
                      p.rest,
                      p.sums,
                      part.part == BackwardPart::whole ? p.sum_g : doubles_at(at_sum_g),
                      part.part == BackwardPart::whole ? p.sum_g_xhat : doubles_at(at_sum_g_xhat),
                      static_cast<double>(elements),
                      p.a,
                      p.b,
                      p.c,
                      at(at_dgamma) != nullptr ? at(at_dgamma) : p.dgamma,
                      at(at_dbeta) != nullptr ? at(at_dbeta) : p.dbeta};
    if (pass.makes_g) {
        call.g = call.dz.data != nullptr ? call.dz :
                 call.dx.data != nullptr ? call.dx :
                                           BackwardTensor{p.scratch, plan.scratch};
    }
    const auto fill_gradients = [&] {
        for (int i : {at_dgamma, at_dbeta}) {
            if (at(i) != nullptr)
                fill(plan, plan.dtype, at(i), plan.channels(), 0);
        }
    };
    if (part.part == BackwardPart::reduce) {
        if (plan.empty()) {
            fill_doubles(plan, call.sum_g, 0);
            fill_doubles(plan, call.sum_g_xhat, 0);
            return device.end(0);
        }
    } else if (copies_g) {
        fill_gradients();
        if (plan.empty())
            return device.end(0);
        call.by_batch = call.reduces = false;
        identity_coefficients(plan, call.coefficients);
        fill(plan, plan.dtype, call.a, plan.apply.width(), call.scalars.slope);
        return device.end(map_gradients(call));
    } else if (part.part == BackwardPart::whole && plan.empty()) {
        fill_gradients();
        return device.end(0);
    }
    call.gamma = given_or_filled(plan, call.gamma, p.gamma, 1);
    call.beta = given_or_filled(plan, call.beta, p.beta, 0);
    int code = by_batch ? 0 : run_moving_statistics(call);
    if (code == 0)
        code = run_saved_coefficients(call);
    return device.end(code != 0 ? code : run(call));
}

}  // namespace halnorm
