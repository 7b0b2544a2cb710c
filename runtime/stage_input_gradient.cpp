#include "backward.h"
#include "buffers.h"
#include "streaming.h"

namespace halnorm {
int run_input_gradient(const BackwardCall &call, const Slice &slice) {
    const Plan &plan = call.plan;
    const GradientScalars &s = call.scalars;
    const bool scaled = s.form == GradientForm::identity && !call.by_batch;
    const auto form = static_cast<int32_t>(scaled ? GradientForm::scaled : s.form);
    return for_each_piece(
        plan, slice, call.dx.data, call.dx.index, input_gradient_streaming_kernels,
        [&](const Region &r, const Slice &piece, bool streaming) {
            const auto view = [&](const BackwardTensor &t) {
                return TensorView(plan, r, t.index, t.data, piece);
            };
            TensorView x = view(call.x), dy = view(call.gradient()), dx = view(call.dx);
            CoefficientViews v(plan, call.coefficients, piece),
                abc(plan, {call.a, call.b, call.c}, piece);
            const auto *table =
                streaming ? input_gradient_streaming_kernels : input_gradient_kernels;
            return with_kernel(
                plan, r.layout, table, &GpuKernels::input_gradient, [&](auto kernel, auto type) {
                    using T = decltype(type);
                    return kernel(&x, &dy, &v.center, &v.scale, &v.offset, &abc.center, &abc.scale,
                                  &abc.offset, form, static_cast<T>(s.lower),
                                  static_cast<T>(s.upper), static_cast<T>(s.below),
                                  static_cast<T>(s.inverse), call.by_batch, plan.ahead, &dx);
                });
        });
}

int run_input_coefficients(const BackwardCall &call, int64_t c, int64_t channels) {
    const Plan &plan = call.plan;
    Arrays arrays(plan, c, channels);
    const auto view = [&](const void *data) { return arrays.over(plan.dtype, data); };
    Buffer sum_g = arrays.doubles(call.sum_g), sum_g_xhat = arrays.doubles(call.sum_g_xhat);
    Buffer inv_std = arrays.doubles(call.inv_std), factor = arrays.doubles(call.factor),
           rest = arrays.doubles(call.rest);
    Buffer gamma = view(call.gamma);
    Buffer a = view(call.a), b = view(call.b), k = view(call.c);
    Buffer dgamma = view(call.dgamma), dbeta = view(call.dbeta);
    const int code = kernel_of(plan, input_coefficients_kernels, &GpuKernels::input_coefficients)(
        &sum_g, &sum_g_xhat, &inv_std, &factor, &rest, &gamma, call.count, call.scalars.slope, &a,
        &b, &k, &dgamma, &dbeta);
    if (code == 0)
        repeat_folds(plan, {call.a, call.b, call.c});
    return code;
}

}  // namespace halnorm
