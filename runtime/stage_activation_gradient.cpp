#include "../generators/activation_forms.h"
#include "backward.h"
#include "buffers.h"

namespace halnorm {

int run_activation_gradient(const BackwardCall &call, const Slice &slice) {
    const Plan &plan = call.plan;
    const auto view = [&](const BackwardTensor &t) {
        return TensorView(plan, plan.apply, t.index, t.data, slice);
    };
    const bool add = call.z.data != nullptr;
    TensorView x = view(call.x), z = view(add ? call.z : call.x), dy = view(call.dy),
               g = view(call.g);
    CoefficientViews c(plan, call.coefficients, slice);
    const GradientScalars &s = call.activated;
    // leaky_relu is a clamp with a slope below.
    const bool leaky = plan.activation.form == static_cast<int32_t>(ActivationForm::leaky_relu);
    const int32_t form = leaky ? static_cast<int32_t>(ActivationForm::clamp) : plan.activation.form;
    return with_kernel(plan, plan.apply.layout, activation_gradient_kernels,
                       &GpuKernels::activation_gradient, [&](auto kernel, auto type) {
                           using T = decltype(type);
                           return kernel(&x, &z, &dy, &c.center, &c.scale, &c.offset,
                                         static_cast<T>(add ? plan.activation.prescale : 0),
                                         static_cast<T>(s.slope), form, static_cast<T>(s.lower),
                                         static_cast<T>(s.upper), static_cast<T>(s.below), &g);
                       });
}

}  // namespace halnorm
