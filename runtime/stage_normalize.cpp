#include "buffers.h"
#include "stages.h"

namespace halnorm {

int run_normalize(const Plan &plan, const ForwardTensors &tensors, const Slice &slice,
                  const Coefficients &coefficients) {
    View<3> x = tensor_view(plan, plan.apply, 0, tensors.x, slice);
    View<3> y = tensor_view(plan, plan.apply, 1, tensors.y, slice);
    CoefficientViews c(plan, coefficients, slice);
    const ActivationScalars &a = plan.activation;
    return with_kernel(plan, plan.apply.layout, normalize_kernels, &GpuKernels::normalize,
                       [&](auto kernel, auto type) {
                           using T = decltype(type);
                           return kernel(&x, &c.center, &c.scale, &c.offset, a.form,
                                         static_cast<T>(a.lower), static_cast<T>(a.upper),
                                         static_cast<T>(a.alpha), &y);
                       });
}

}  // namespace halnorm
