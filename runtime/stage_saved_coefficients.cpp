#include "backward.h"
#include "buffers.h"

namespace halnorm {

int run_moving_statistics(const BackwardCall &call) {
    const Plan &plan = call.plan;
    Arrays arrays(plan, 0, plan.channels());
    Buffer moving_mean = arrays.over(plan.dtype, call.moving_mean),
           moving_variance = arrays.over(plan.dtype, call.moving_variance);
    Buffer mean = arrays.doubles(call.mean), inv_std = arrays.doubles(call.inv_std);
    return kernel_of(plan, moving_statistics_kernels, &GpuKernels::moving_statistics)(
        &moving_mean, &moving_variance, plan.config->epsilon, &mean, &inv_std);
}

int run_saved_coefficients(const BackwardCall &call) {
    const Plan &plan = call.plan;
    const Slice all = {0, plan.channels(), 0, 0};
    CoefficientViews c(plan, call.coefficients, all);
    Arrays &arrays = c.arrays;
    Buffer mean = arrays.doubles(call.mean), inv_std = arrays.doubles(call.inv_std);
    Buffer gamma = arrays.over(plan.dtype, call.gamma), beta = arrays.over(plan.dtype, call.beta);
    Buffer factor = arrays.doubles(call.factor), rest = arrays.doubles(call.rest);
    const int code = kernel_of(plan, saved_coefficients_kernels, &GpuKernels::saved_coefficients)(
        &mean, &inv_std, &gamma, &beta, plan.activation.prescale, plan.activation.preshift,
        call.of_y, &c.center, &c.scale, &c.offset, &factor, &rest);
    if (code == 0)
        repeat_folds(plan, call.coefficients);
    return code;
}

}  // namespace halnorm
