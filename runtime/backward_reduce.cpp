#include "backward.h"

namespace halnorm {
namespace {

void sweep_task(void *argument, int64_t index) {
    BackwardCall &call = *static_cast<BackwardCall *>(argument);
    call.code.note(reduce_task(call, call.plan.reduce_slice(index)));
}

}  // namespace

int reduce_task(const BackwardCall &call, const Slice &slice) {
    int code = call.g.data != nullptr ? run_activation_gradient(call, slice) : 0;
    if (code == 0)
        code = run_gradient_sums(call, slice);
    if (code == 0 && call.plan.by_channel)
        code = run_parameter_gradients(call, slice.c, slice.channels);
    return code;
}

int reduce_gradients(BackwardCall &call) {
    const Plan &plan = call.plan;
    parallel_for(*plan.config, plan.elements(), plan.reduce_tasks(), sweep_task, &call);
    const int code = call.code.get();
    return code != 0 || plan.by_channel ? code : run_parameter_gradients(call, 0, plan.channels());
}

}  // namespace halnorm

using namespace halnorm;

extern "C" {

halnorm_status halnorm_backward_reduce_workspace(const halnorm_config *config,
                                                 const halnorm_backward_args *args, size_t *bytes) {
    return query_backward(config, args, {BackwardPart::reduce, nullptr, nullptr, 0}, bytes);
}

halnorm_status halnorm_backward_reduce(const halnorm_config *config,
                                       const halnorm_backward_args *args, double *sum_g,
                                       double *sum_g_xhat, void *workspace,
                                       size_t workspace_bytes) {
    return backward_pass(config, args, {BackwardPart::reduce, sum_g, sum_g_xhat, 0},
                         reduce_gradients, workspace, workspace_bytes);
}

}  // extern "C"
