#include "backward.h"

namespace halnorm {
namespace {

// A group of channels through all stages.
void channel_task(void *argument, int64_t index) {
    BackwardCall &call = *static_cast<BackwardCall *>(argument);
    const Plan &plan = call.plan;
    const Slice slice = plan.reduce_slice(index);
    int code = reduce_task(call, slice);
    if (code == 0)
        code = run_input_coefficients(call, slice.c, slice.channels);
    if (code == 0 && call.dx.data != nullptr)
        code = run_input_gradient(call, plan.apply_all(slice.c, slice.channels));
    call.code.note(code);
}

int backward(BackwardCall &call) {
    const Plan &plan = call.plan;
    if (call.reduces && plan.by_channel) {
        parallel_for(*plan.config, plan.elements(), plan.reduce_tasks(), channel_task, &call);
        return call.code.get();
    }
    int code = 0;
    if (call.reduces) {
        code = reduce_gradients(call);
    } else {
        fill_doubles(plan, call.sum_g, 0);
        fill_doubles(plan, call.sum_g_xhat, 0);
    }
    if (code == 0)
        code = run_input_coefficients(call, 0, plan.channels());
    return code != 0 ? code : map_gradients(call);
}

}  // namespace
}  // namespace halnorm

using namespace halnorm;

extern "C" {

halnorm_status halnorm_backward_workspace(const halnorm_config *config,
                                          const halnorm_backward_args *args, size_t *bytes) {
    return query_backward(config, args, {BackwardPart::whole, nullptr, nullptr, 0}, bytes);
}

halnorm_status halnorm_backward(const halnorm_config *config, const halnorm_backward_args *args,
                                void *workspace, size_t workspace_bytes) {
    return backward_pass(config, args, {BackwardPart::whole, nullptr, nullptr, 0}, backward,
                         workspace, workspace_bytes);
}

}  // extern "C"
