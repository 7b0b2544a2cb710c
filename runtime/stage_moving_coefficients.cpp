#include "buffers.h"

namespace halnorm {

int run_moving_coefficients(const Plan &plan, const void *gamma, const void *beta,
                            const void *moving_mean, const void *moving_variance,
                            const Coefficients &coefficients) {
    Arrays arrays(plan, 0, plan.channels());
    const auto view = [&](const void *data) { return arrays.over(plan.dtype, data); };
    Buffer g = view(gamma), b = view(beta), mean = view(moving_mean),
           variance = view(moving_variance);
    Buffer center = view(coefficients.center), scale = view(coefficients.scale),
           offset = view(coefficients.offset);
    const int code = kernel_of(plan, moving_coefficients_kernels, &GpuKernels::moving_coefficients)(
        &g, &b, &mean, &variance, plan.config->epsilon, plan.activation.prescale,
        plan.activation.preshift, &center, &scale, &offset);
    if (code == 0)
        repeat_folds(plan, coefficients);
    return code;
}

}  // namespace halnorm
