#include "forward.h"

namespace halnorm {
namespace {

// A group of channels through all stages.
void channel_task(void *argument, int64_t index) {
    BatchCall &call = *static_cast<BatchCall *>(argument);
    const Plan &plan = call.plan;
    const Slice slice = plan.reduce_slice(index);
    int code = reduce_slice(plan, call.tensors.x, slice, call.sums, call.moments);
    if (code == 0)
        code = call.run_coefficients(slice.c, slice.channels);
    if (code == 0) {
        code = call.normalize(plan, call.tensors, plan.apply_all(slice.c, slice.channels),
                              call.coefficients);
    }
    call.code.note(code);
}

}  // namespace

int reduce_and_normalize(BatchCall &call) {
    const Plan &plan = call.plan;
    if (plan.by_channel) {
        parallel_for(*plan.config, plan.elements(), plan.reduce_tasks(), channel_task, &call);
        return call.code.get();
    }
    int code = reduce_all(plan, call.tensors.x, call.sums, call.moments);
    if (code == 0)
        code = call.run_coefficients(0, plan.channels());
    return code != 0 ? code : normalize_all(call);
}

}  // namespace halnorm

using namespace halnorm;

extern "C" {

halnorm_status halnorm_forward_training_workspace(const halnorm_config *config,
                                                  const halnorm_tensor *x, size_t *bytes) {
    return query_forward_batch(config, x, false, bytes);
}

halnorm_status halnorm_forward_training(const halnorm_config *config, const halnorm_tensor *x,
                                        const void *gamma, const void *beta, void *moving_mean,
                                        void *moving_variance, const halnorm_tensor *y,
                                        double *saved_mean, double *saved_inv_std, void *workspace,
                                        size_t workspace_bytes) {
    return forward_batch({config, x, y, false, nullptr, gamma, beta, moving_mean, moving_variance,
                          saved_mean, saved_inv_std, workspace, workspace_bytes},
                         run_normalize, reduce_and_normalize);
}

}  // extern "C"
