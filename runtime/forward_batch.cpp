// What the passes over batch statistics share.
#include "forward.h"
#include "gpu.h"
#include "status.h"

namespace halnorm {
namespace {

struct Pieces {
    SumsArrays sums;
    double *mean, *m2, *excess, *inv_std;
    Coefficients coefficients;
    void *gamma, *beta, *moving_mean, *moving_variance;  // filled where the caller gives none
};

Pieces take_pieces(const Plan &plan, bool given_statistics, Workspace &workspace) {
    const int64_t channels = plan.channels();
    const auto doubles = [&] { return workspace.take_doubles(channels); };
    Pieces p = {};
    if (!given_statistics) {
        p.sums = take_sums(plan, workspace);
        p.m2 = doubles();
        p.excess = doubles();
    }
    p.mean = doubles();
    p.inv_std = doubles();
    p.coefficients = take_coefficients(plan, workspace);
    for (void **array : {&p.gamma, &p.beta, &p.moving_mean, &p.moving_variance})
        *array = workspace.take(channels, plan.element());
    return p;
}

halnorm_status check_pair(Argument name_a, const void *a, Argument name_b, const void *b) {
    if ((a == nullptr) == (b == nullptr))
        return HALNORM_OK;
    return a == nullptr ? fail<Message::one_of_a_pair>(name_a, name_b) :
                          fail<Message::one_of_a_pair>(name_b, name_a);
}

halnorm_status check_given_statistics(const ForwardArguments &a, const Plan &plan) {
    if (a.mean == nullptr)
        return fail<Message::doubles_null>(Argument::mean);
    if (a.m2 == nullptr)
        return fail<Message::doubles_null>(Argument::m2);
    if (a.count < plan.count())
        return fail<Message::count_too_small>(a.count, plan.count());
    return HALNORM_OK;
}

}  // namespace

halnorm_status query_forward_batch(const halnorm_config *config, const halnorm_tensor *x,
                                   bool given_statistics, size_t *bytes) {
    HALNORM_TRY(check_bytes(bytes));
    Plan plan;
    HALNORM_TRY(
        make_plan(config, of_x_alone(x, given_statistics ? nullptr : cut_reduction), false, &plan));
    Workspace workspace(nullptr, 0);
    take_pieces(plan, given_statistics, workspace);
    return workspace.report(!plan.empty() || given_statistics, bytes);
}

halnorm_status forward_batch(const ForwardArguments &a, Normalize normalize,
                             int (*run)(BatchCall &call)) {
    Plan plan;
    HALNORM_TRY(
        make_plan(a.config, a.operands(a.given_statistics ? nullptr : cut_reduction), true, &plan));
    HALNORM_TRY(check_pair(Argument::moving_mean, a.moving_mean, Argument::moving_variance,
                           a.moving_variance));
    HALNORM_TRY(
        check_pair(Argument::saved_mean, a.saved_mean, Argument::saved_inv_std, a.saved_inv_std));
    if (a.given_statistics)
        HALNORM_TRY(check_given_statistics(a, plan));
    const size_t channels = static_cast<size_t>(plan.channels());
    const size_t element = plan.element(), array = channels * element,
                 doubles = channels * sizeof(double);
    enum {
        at_x,
        at_z,
        at_gamma,
        at_beta,
        at_given_mean,
        at_given_m2,
        at_y,
        at_mean,
        at_variance,
        at_saved_mean,
        at_saved_inv_std,
        at_workspace,
        count
    };
    Range ranges[count];
    ranges[at_x] = range_of(Argument::x, a.x, false);
    ranges[at_z] = range_of(Argument::z, a.add ? a.z : nullptr, false);
    ranges[at_gamma] = {Argument::gamma, a.gamma, array, element, false};
    ranges[at_beta] = {Argument::beta, a.beta, array, element, false};
    ranges[at_given_mean] = {Argument::mean, a.mean, doubles, sizeof(double), false};
    ranges[at_given_m2] = {Argument::m2, a.m2, doubles, sizeof(double), false};
    ranges[at_y] = range_of(Argument::y, a.y, true);
    ranges[at_mean] = {Argument::moving_mean, a.moving_mean, array, element, true};
    ranges[at_variance] = {Argument::moving_variance, a.moving_variance, array, element, true};
    ranges[at_saved_mean] = {Argument::saved_mean, a.saved_mean, doubles, sizeof(double), true};
    ranges[at_saved_inv_std] = {Argument::saved_inv_std, a.saved_inv_std, doubles, sizeof(double),
                                true};
    ranges[at_workspace] = {Argument::workspace, a.workspace_bytes > 0 ? a.workspace : nullptr,
                            a.workspace_bytes, 1, true};
    const InPlace pairs[] = {{at_x, at_y, a.x, a.y}, {at_z, at_y, a.z, a.y}};
    HALNORM_TRY(check_ranges(ranges, count, pairs, 2));
    Workspace lent(a.workspace, a.workspace_bytes);
    Pieces p = take_pieces(plan, a.given_statistics, lent);
    if (!plan.empty() || a.given_statistics)
        HALNORM_TRY(lent.check());

    DeviceCall device(plan);
    HALNORM_TRY(device.begin(a.x->device, ranges, count, at_workspace));
    const auto at = [&](int i) { return const_cast<void *>(ranges[i].data); };
    const auto doubles_at = [&](int i) { return static_cast<double *>(at(i)); };
    if (device.has_copies()) {
        Workspace copy(at(at_workspace), a.workspace_bytes);
        p = take_pieces(plan, a.given_statistics, copy);
    }
    const ForwardTensors tensors = {at(at_x), at(at_y), at(at_z)};

    const int64_t elements = a.given_statistics ? a.count : plan.count();
    if (elements <= 1) {
        if (a.saved_mean != nullptr) {
            fill_doubles(plan, doubles_at(at_saved_mean), 0);
            fill_doubles(plan, doubles_at(at_saved_inv_std), 0);
        }
        if (plan.empty())
            return device.end(0);
        identity_coefficients(plan, p.coefficients);
        return device.end(
            normalize(plan, tensors, plan.apply_all(0, plan.apply.width()), p.coefficients));
    }
    double *mean = a.saved_mean != nullptr ? doubles_at(at_saved_mean) : p.mean;
    const BatchArrays batch = {
        a.given_statistics ? doubles_at(at_given_mean) : mean,
        a.given_statistics ? doubles_at(at_given_m2) : p.m2,
        given_or_filled(plan, at(at_gamma), p.gamma, 1),
        given_or_filled(plan, at(at_beta), p.beta, 0),
        const_cast<void *>(given_or_filled(plan, at(at_mean), p.moving_mean, 0)),
        const_cast<void *>(given_or_filled(plan, at(at_variance), p.moving_variance, 1)),
        a.saved_mean != nullptr ? doubles_at(at_saved_inv_std) : p.inv_std};
    if (a.given_statistics && a.saved_mean != nullptr)
        copy_doubles(plan, doubles_at(at_saved_mean), doubles_at(at_given_mean));
    BatchCall call{plan,
                   tensors,
                   normalize,
                   p.sums,
                   {mean, p.m2, p.excess},
                   static_cast<double>(elements),
                   batch,
                   p.coefficients};
    return device.end(run(call));
}

}  // namespace halnorm
