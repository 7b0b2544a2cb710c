#include "../generators/activation_forms.h"
#include "backward.h"
#include "buffers.h"

namespace halnorm {
namespace {

template<typename T>
int activation_gradient(const BackwardCall &call, ActivationGradientKernel<T> kernel,
                        const Slice &slice) {
    const Plan &plan = call.plan;
    const auto view = [&](const BackwardTensor &t) {
        return tensor_view(plan, plan.apply, t.index, t.data, slice);
    };
    const bool add = call.z.data != nullptr;
    View<3> x = view(call.x), z = view(add ? call.z : call.x), dy = view(call.dy), g = view(call.g);
    CoefficientViews c(plan, call.coefficients, slice);
    const GradientScalars &s = call.activated;
    // leaky_relu is a clamp with a slope below.
    const bool leaky = call.activation == static_cast<int32_t>(ActivationForm::leaky_relu);
    const int32_t form = leaky ? static_cast<int32_t>(ActivationForm::clamp) : call.activation;
    return kernel(&x, &z, &dy, &c.center, &c.scale, &c.offset,
                  static_cast<T>(add ? plan.activation.prescale : 0), static_cast<T>(s.slope), form,
                  static_cast<T>(s.lower), static_cast<T>(s.upper), static_cast<T>(s.below), &g);
}

}  // namespace

int run_activation_gradient(const BackwardCall &call, const Slice &slice) {
    const Plan &plan = call.plan;
    const ActivationGradientRow &row =
        row_of(plan, activation_gradient_kernels, &GpuKernels::activation_gradient);
    const KernelLayout layout = plan.apply.layout;
    return plan.dtype == HALNORM_FLOAT64 ?
               activation_gradient<double>(call, row.f64[layout], slice) :
               activation_gradient<float>(call, row.f32[layout], slice);
}

}  // namespace halnorm
