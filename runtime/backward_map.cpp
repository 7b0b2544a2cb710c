#include "backward.h"

namespace halnorm {
namespace {

void map_task(void *argument, int64_t index) {
    BackwardCall &call = *static_cast<BackwardCall *>(argument);
    const Slice slice = call.plan.apply_slice(index);
    int code = 0;
    if (call.g.data != nullptr && !call.reduces)
        code = run_activation_gradient(call, slice);
    if (code == 0 && call.dx.data != nullptr)
        code = run_input_gradient(call, slice);
    call.code.note(code);
}

}  // namespace

int map_gradients(BackwardCall &call) {
    const Plan &plan = call.plan;
    const bool wanted = call.dx.data != nullptr || (call.dz.data != nullptr && !call.reduces);
    if (wanted && !plan.apply.empty())
        parallel_for(*plan.config, plan.elements(), plan.apply_tasks(), map_task, &call);
    return call.code.get();
}

}  // namespace halnorm
