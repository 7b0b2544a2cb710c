#include "buffers.h"

namespace halnorm {

int run_batch_coefficients(const Plan &plan, int64_t c, int64_t channels, double count,
                           const BatchArrays &a, const Coefficients &coefficients) {
    Arrays arrays(plan, c, channels);
    const auto view = [&](const void *data) { return arrays.over(plan.dtype, data); };
    Buffer mean = arrays.doubles(a.mean), m2 = arrays.doubles(a.m2);
    Buffer gamma = view(a.gamma), beta = view(a.beta);
    Buffer moving_mean = view(a.moving_mean), moving_variance = view(a.moving_variance);
    Buffer inv_std = arrays.doubles(a.inv_std);
    Buffer center = view(coefficients.center), scale = view(coefficients.scale),
           offset = view(coefficients.offset);
    const double estimator =
        plan.config->moving_variance_estimator == HALNORM_VARIANCE_SAMPLE && count > 1 ? count - 1 :
                                                                                         count;
    const int code = kernel_of(plan, batch_coefficients_kernels, &GpuKernels::batch_coefficients)(
        &mean, &m2, &gamma, &beta, &moving_mean, &moving_variance, count, plan.config->epsilon,
        plan.config->momentum, estimator, plan.activation.prescale, plan.activation.preshift,
        &inv_std, &moving_mean, &moving_variance, &center, &scale, &offset);
    if (code == 0)
        repeat_folds(plan, coefficients);
    return code;
}

}  // namespace halnorm
