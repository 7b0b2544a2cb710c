#include "buffers.h"
#include "stages.h"

namespace halnorm {
namespace {

template<typename T>
int normalize(const Plan &plan, NormalizeKernel<T> kernel, const ForwardTensors &tensors,
              const Slice &slice, const Coefficients &coefficients) {
    View<3> x = tensor_view(plan, plan.apply, 0, tensors.x, slice);
    View<3> y = tensor_view(plan, plan.apply, 1, tensors.y, slice);
    CoefficientViews c(plan, coefficients, slice);
    const ActivationScalars &a = plan.activation;
    return kernel(&x, &c.center, &c.scale, &c.offset, a.form, static_cast<T>(a.lower),
                  static_cast<T>(a.upper), static_cast<T>(a.alpha), &y);
}

}  // namespace

int run_normalize(const Plan &plan, const ForwardTensors &tensors, const Slice &slice,
                  const Coefficients &coefficients) {
    const NormalizeRow &row = row_of(plan, normalize_kernels, &GpuKernels::normalize);
    const KernelLayout layout = plan.apply.layout;
    return plan.dtype == HALNORM_FLOAT64 ?
               normalize<double>(plan, row.f64[layout], tensors, slice, coefficients) :
               normalize<float>(plan, row.f32[layout], tensors, slice, coefficients);
}

}  // namespace halnorm
