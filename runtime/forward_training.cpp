#include <atomic>
#include <string.h>

#include "gpu.h"
#include "parallel.h"
#include "stages.h"
#include "status.h"

namespace halnorm {
namespace {

struct Pieces {
    SumsArrays sums;
    double *mean, *m2, *excess, *inv_std;
    Coefficients coefficients;
    void *gamma, *beta, *moving_mean, *moving_variance;  // filled where the caller gives none
};

Pieces take_pieces(const Plan &plan, Workspace &workspace) {
    const size_t channels = static_cast<size_t>(plan.channels()), bytes = channels * plan.element();
    Pieces p;
    p.sums = take_sums(plan, workspace);
    for (double **array : {&p.mean, &p.m2, &p.excess, &p.inv_std})
        *array = workspace.take<double>(channels * sizeof(double));
    p.coefficients = take_coefficients(plan, workspace);
    for (void **array : {&p.gamma, &p.beta, &p.moving_mean, &p.moving_variance})
        *array = workspace.take(bytes);
    return p;
}

struct Call {
    const Plan &plan;
    const void *x;
    void *y;
    SumsArrays sums;
    Moments moments;
    BatchArrays batch;
    Coefficients coefficients;
    std::atomic<int> code{0};

    void note(int result) {
        if (result != 0)
            code.store(result, std::memory_order_relaxed);
    }
};

// A group of channels through all stages.
void channel_task(void *argument, int64_t index) {
    Call &call = *static_cast<Call *>(argument);
    const Slice slice = call.plan.reduce_slice(index);
    int code = reduce_slice(call.plan, call.x, slice, call.sums, call.moments);
    if (code == 0)
        code = run_batch_coefficients(call.plan, slice.c, slice.channels, call.batch,
                                      call.coefficients);
    const Slice all = call.plan.apply_all(slice.c, slice.channels);
    if (code == 0)
        code = run_normalize(call.plan, call.x, call.y, all, call.coefficients);
    call.note(code);
}

void normalize_task(void *argument, int64_t index) {
    Call &call = *static_cast<Call *>(argument);
    call.note(
        run_normalize(call.plan, call.x, call.y, call.plan.apply_slice(index), call.coefficients));
}

int run(Call &call) {
    const Plan &plan = call.plan;
    if (plan.by_channel) {
        parallel_for(*plan.config, plan.elements(), plan.reduce_tasks(), channel_task, &call);
    } else {
        int code = reduce_all(plan, call.x, call.sums, call.moments);
        if (code == 0)
            code = run_batch_coefficients(plan, 0, plan.channels(), call.batch, call.coefficients);
        if (code != 0)
            return code;
        parallel_for(*plan.config, plan.elements(), plan.apply_tasks(), normalize_task, &call);
    }
    return call.code.load(std::memory_order_relaxed);
}

}  // namespace
}  // namespace halnorm

using namespace halnorm;

extern "C" {

halnorm_status halnorm_forward_training_workspace(const halnorm_config *config,
                                                  const halnorm_tensor *x, size_t *bytes) {
    return query_workspace(config, x, bytes, take_pieces);
}

halnorm_status halnorm_forward_training(const halnorm_config *config, const halnorm_tensor *x,
                                        const void *gamma, const void *beta, void *moving_mean,
                                        void *moving_variance, const halnorm_tensor *y,
                                        double *saved_mean, double *saved_inv_std, void *workspace,
                                        size_t workspace_bytes) {
    if (y == nullptr)
        return Failure(HALNORM_ERROR_NULL) << "y: was NULL, should point to a halnorm_tensor";
    Plan plan;
    HALNORM_TRY(make_plan(config, x, y, true, &plan));
    if ((moving_mean == nullptr) != (moving_variance == nullptr)) {
        return Failure(HALNORM_ERROR_NULL)
               << (moving_mean == nullptr ? "moving_mean" : "moving_variance")
               << ": was NULL, should be given as the other moving statistic is";
    }
    if ((saved_mean == nullptr) != (saved_inv_std == nullptr)) {
        return Failure(HALNORM_ERROR_NULL)
               << (saved_mean == nullptr ? "saved_mean" : "saved_inv_std")
               << ": was NULL, should be given as the other saved value is";
    }
    const size_t channels = static_cast<size_t>(plan.channels());
    const size_t element = plan.element(), array = channels * element,
                 doubles = channels * sizeof(double);
    enum {
        at_x,
        at_y,
        at_gamma,
        at_beta,
        at_mean,
        at_variance,
        at_saved_mean,
        at_saved_inv_std,
        at_workspace,
        count
    };
    Range ranges[count] = {
        range_of("x", *x, false),
        range_of("y", *y, true),
        {"gamma", gamma, array, element, false},
        {"beta", beta, array, element, false},
        {"moving_mean", moving_mean, array, element, true},
        {"moving_variance", moving_variance, array, element, true},
        {"saved_mean", saved_mean, doubles, sizeof(double), true},
        {"saved_inv_std", saved_inv_std, doubles, sizeof(double), true},
        {"workspace", workspace_bytes > 0 ? workspace : nullptr, workspace_bytes, 1, true},
    };
    HALNORM_TRY(check_ranges(ranges, count, at_x, at_y, same_strides(*x, *y)));
    Workspace lent(workspace, workspace_bytes);
    take_pieces(plan, lent);
    if (!plan.reduce.empty())
        HALNORM_TRY(lent.check());

    DeviceCall device(plan);
    HALNORM_TRY(device.begin(x->device, ranges, count, at_workspace));
    const auto at = [&](int i) { return const_cast<void *>(ranges[i].data); };
    const auto doubles_at = [&](int i) { return static_cast<double *>(at(i)); };
    Workspace pieces(at(at_workspace), workspace_bytes);
    const Pieces p = take_pieces(plan, pieces);

    if (plan.count() <= 1) {
        if (saved_mean != nullptr) {
            fill_doubles(plan, doubles_at(at_saved_mean), 0);
            fill_doubles(plan, doubles_at(at_saved_inv_std), 0);
        }
        if (plan.reduce.empty())
            return device.end(0);
        identity_coefficients(plan, p.coefficients);
        return device.end(run_normalize(plan, at(at_x), at(at_y),
                                        plan.apply_all(0, plan.apply.width()), p.coefficients));
    }
    double *const mean = saved_mean != nullptr ? doubles_at(at_saved_mean) : p.mean;
    const BatchArrays batch = {
        mean,
        p.m2,
        given_or_filled(plan, at(at_gamma), p.gamma, 1),
        given_or_filled(plan, at(at_beta), p.beta, 0),
        const_cast<void *>(given_or_filled(plan, at(at_mean), p.moving_mean, 0)),
        const_cast<void *>(given_or_filled(plan, at(at_variance), p.moving_variance, 1)),
        saved_inv_std != nullptr ? doubles_at(at_saved_inv_std) : p.inv_std};
    Call call{plan, at(at_x), at(at_y), p.sums, {mean, p.m2, p.excess}, batch, p.coefficients};
    return device.end(run(call));
}

}  // extern "C"
