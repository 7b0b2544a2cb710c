#include "buffers.h"
#include "stages.h"

namespace halnorm {
namespace {

template<typename T>
int normalize_add(const Plan &plan, NormalizeAddKernel<T> kernel, const ForwardTensors &tensors,
                  const Slice &slice, const Coefficients &coefficients) {
    View<3> x = tensor_view(plan, plan.apply, 0, tensors.x, slice);
    View<3> y = tensor_view(plan, plan.apply, 1, tensors.y, slice);
    View<3> z = tensor_view(plan, plan.apply, 2, tensors.z, slice);
    CoefficientViews c(plan, coefficients, slice);
    const ActivationScalars &a = plan.activation;
    return kernel(&x, &z, &c.center, &c.scale, &c.offset, static_cast<T>(a.prescale), a.form,
                  static_cast<T>(a.lower), static_cast<T>(a.upper), static_cast<T>(a.alpha), &y);
}

}  // namespace

int run_normalize_add(const Plan &plan, const ForwardTensors &tensors, const Slice &slice,
                      const Coefficients &coefficients) {
    const NormalizeAddRow &row = row_of(plan, normalize_add_kernels, &GpuKernels::normalize_add);
    const KernelLayout layout = plan.apply.layout;
    return plan.dtype == HALNORM_FLOAT64 ?
               normalize_add<double>(plan, row.f64[layout], tensors, slice, coefficients) :
               normalize_add<float>(plan, row.f32[layout], tensors, slice, coefficients);
}

}  // namespace halnorm
