#include "backward.h"
#include "buffers.h"

namespace halnorm {
int run_gradient_sums(const BackwardCall &call, const Slice &slice) {
    const Plan &plan = call.plan;
    const BackwardTensor &gradient = call.gradient();
    // Blocks count from the first row, so kernels are shown all rows.
    const Slice rows = {slice.c, slice.channels, 0, plan.reduce.n.extent};
    View<3> x = tensor_view(plan, plan.reduce, call.x.index, call.x.data, rows);
    View<3> dy = tensor_view(plan, plan.reduce, gradient.index, gradient.data, rows);
    CoefficientViews c(plan, call.coefficients, slice);
    const int64_t first = slice.n / plan.block_n,
                  blocks = (slice.rows + plan.block_n - 1) / plan.block_n;
    const auto sums = [&](double *data) {
        return sums_view(plan, HALNORM_FLOAT64, data, slice.c, slice.channels, first, blocks);
    };
    View<2> sum1 = sums(call.sums.sum1), sum2 = sums(call.sums.sum2);
    const GradientScalars &s = call.scalars;
    return with_kernel(
        plan, plan.reduce.layout, gradient_sums_kernels, &GpuKernels::gradient_sums,
        [&](auto kernel, auto type) {
            using T = decltype(type);
            return kernel(&x, &dy, &c.center, &c.scale, &c.offset, static_cast<int32_t>(s.form),
                          static_cast<T>(s.lower), static_cast<T>(s.upper), static_cast<T>(s.below),
                          static_cast<T>(s.inverse), static_cast<int32_t>(plan.block_n),
                          static_cast<int32_t>(plan.chunk_s), static_cast<int32_t>(plan.chunk_n),
                          &sum1, &sum2);
        });
}

int run_parameter_gradients(const BackwardCall &call, int64_t c, int64_t channels) {
    const Plan &plan = call.plan;
    const int64_t width = plan.reduce.fold == 1 ? channels : plan.reduce.width();
    const auto sums = [&](double *data) {
        return sums_view(plan, HALNORM_FLOAT64, data, c, width, 0, plan.blocks);
    };
    const auto view = [&](double *data) {
        return array_view(plan, HALNORM_FLOAT64, data, c, channels);
    };
    View<2> sum1 = sums(call.sums.sum1), sum2 = sums(call.sums.sum2);
    View<1> factor = view(call.factor), rest = view(call.rest);
    View<1> sum_g = view(call.sum_g), sum_g_xhat = view(call.sum_g_xhat);
    return kernel_of(plan, parameter_gradients_kernels, &GpuKernels::parameter_gradients)(
        &sum1, &sum2, &factor, &rest, static_cast<int32_t>(plan.channels()),
        static_cast<int32_t>(plan.reduce.fold), call.scalars.slope, &sum_g, &sum_g_xhat);
}

}  // namespace halnorm
