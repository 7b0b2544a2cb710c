#include "forward.h"

namespace halnorm {
namespace {

struct Call {
    const Plan &plan;
    const ForwardTensors &tensors;
    Normalize normalize;
    const Coefficients &coefficients;
    TaskCode code{};
};

void normalize_task(void *argument, int64_t index) {
    Call &call = *static_cast<Call *>(argument);
    call.code.note(
        call.normalize(call.plan, call.tensors, call.plan.apply_slice(index), call.coefficients));
}

}  // namespace

int normalize_all(const Plan &plan, const ForwardTensors &tensors, Normalize normalize,
                  const Coefficients &coefficients) {
    if (plan.empty())
        return 0;
    Call call{plan, tensors, normalize, coefficients};
    parallel_for(*plan.config, plan.elements(), plan.apply_tasks(), normalize_task, &call);
    return call.code.get();
}

}  // namespace halnorm
