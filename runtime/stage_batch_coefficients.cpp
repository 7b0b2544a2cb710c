#include "buffers.h"

namespace halnorm {

int run_batch_coefficients(const Plan &plan, int64_t c, int64_t channels, double count,
                           const BatchArrays &a, const Coefficients &coefficients) {
    const halnorm_dtype dtype = plan.dtype;
    const auto view = [&](halnorm_dtype type, const void *data) {
        return array_view(plan, type, data, c, channels);
    };
    View<1> mean = view(HALNORM_FLOAT64, a.mean), m2 = view(HALNORM_FLOAT64, a.m2);
    View<1> gamma = view(dtype, a.gamma), beta = view(dtype, a.beta);
    View<1> moving_mean = view(dtype, a.moving_mean),
            moving_variance = view(dtype, a.moving_variance);
    View<1> inv_std = view(HALNORM_FLOAT64, a.inv_std);
    View<1> center = view(dtype, coefficients.center), scale = view(dtype, coefficients.scale),
            offset = view(dtype, coefficients.offset);
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
