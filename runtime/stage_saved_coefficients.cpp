#include "backward.h"
#include "buffers.h"

namespace halnorm {

int run_moving_statistics(const BackwardCall &call) {
    const Plan &plan = call.plan;
    const auto view = [&](halnorm_dtype dtype, const void *data) {
        return array_view(plan, dtype, data, 0, plan.channels());
    };
    View<1> moving_mean = view(plan.dtype, call.moving_mean),
            moving_variance = view(plan.dtype, call.moving_variance);
    View<1> mean = view(HALNORM_FLOAT64, call.mean), inv_std = view(HALNORM_FLOAT64, call.inv_std);
    return kernel_of(plan, moving_statistics_kernels, &GpuKernels::moving_statistics)(
        &moving_mean, &moving_variance, plan.config->epsilon, &mean, &inv_std);
}

int run_saved_coefficients(const BackwardCall &call) {
    const Plan &plan = call.plan;
    const Slice all = {0, plan.channels(), 0, 0};
    const auto view = [&](halnorm_dtype dtype, const void *data) {
        return array_view(plan, dtype, data, 0, plan.channels());
    };
    View<1> mean = view(HALNORM_FLOAT64, call.mean), inv_std = view(HALNORM_FLOAT64, call.inv_std);
    View<1> gamma = view(plan.dtype, call.gamma), beta = view(plan.dtype, call.beta);
    CoefficientViews c(plan, call.coefficients, all);
    View<1> factor = view(HALNORM_FLOAT64, call.factor), rest = view(HALNORM_FLOAT64, call.rest);
    const int code = kernel_of(plan, saved_coefficients_kernels, &GpuKernels::saved_coefficients)(
        &mean, &inv_std, &gamma, &beta, plan.activation.prescale, plan.activation.preshift,
        call.of_y, &c.center, &c.scale, &c.offset, &factor, &rest);
    if (code == 0)
        repeat_folds(plan, call.coefficients);
    return code;
}

}  // namespace halnorm
