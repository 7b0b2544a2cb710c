#include "backward.h"
#include "buffers.h"

namespace halnorm {
int run_gradient_sums(const BackwardCall &call, const Slice &slice) {
    const Plan &plan = call.plan;
    const BackwardTensor &gradient = call.gradient();
    // Blocks count from the first row, so kernels are shown all rows.
    const Slice rows = {slice.c, slice.channels, 0, plan.reduce.n.extent};
    TensorView x(plan, plan.reduce, call.x.index, call.x.data, rows);
    TensorView dy(plan, plan.reduce, gradient.index, gradient.data, rows);
    CoefficientViews c(plan, call.coefficients, slice);
    const int64_t first = slice.n / plan.block_n,
                  blocks = ceil_div(slice.rows, plan.block_n);
    SumsViews sums(plan, slice.c, slice.channels, first, blocks);
    Buffer sum1 = sums.doubles(call.sums.sum1), sum2 = sums.doubles(call.sums.sum2);
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
    SumsViews sums(plan, c, width, 0, plan.blocks);
    Arrays arrays(plan, c, channels);
    Buffer sum1 = sums.doubles(call.sums.sum1), sum2 = sums.doubles(call.sums.sum2);
    Buffer factor = arrays.doubles(call.factor), rest = arrays.doubles(call.rest);
    Buffer sum_g = arrays.doubles(call.sum_g), sum_g_xhat = arrays.doubles(call.sum_g_xhat);
    return kernel_of(plan, parameter_gradients_kernels, &GpuKernels::parameter_gradients)(
        &sum1, &sum2, &factor, &rest, static_cast<int32_t>(plan.channels()),
        static_cast<int32_t>(plan.reduce.fold), call.scalars.slope, &sum_g, &sum_g_xhat);
}

}  // namespace halnorm
