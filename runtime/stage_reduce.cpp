#include "buffers.h"
#include "stages.h"

namespace halnorm {
namespace {

View<2> sums_view(const Plan &plan, halnorm_dtype dtype, const void *data, int64_t c, int64_t channels, int64_t block,
                  int64_t blocks) {
    return View<2>(plan, dtype, data, {{c, channels, 1}, {block, blocks, plan.width()}});
}

}  // namespace

SumsArrays take_sums(const Plan &plan, Workspace &workspace) {
    const size_t count = static_cast<size_t>(plan.width() * plan.blocks);
    SumsArrays sums;
    sums.shift = workspace.take(count * plan.element());
    sums.sum1 = workspace.take<double>(count * sizeof(double));
    sums.sum2 = workspace.take<double>(count * sizeof(double));
    return sums;
}

int run_sums(const Plan &plan, const void *x, const Slice &slice, const SumsArrays &sums) {
    // Blocks count from the first row of x, so x is shown whole in n.
    View<3> in = tensor_view(plan, x, {slice.c, slice.channels, 0, plan.region.n.extent}, &Axis::stride_x);
    const int64_t block = slice.n / plan.block_n, blocks = (slice.rows + plan.block_n - 1) / plan.block_n;
    const auto view = [&](halnorm_dtype dtype, const void *data) {
        return sums_view(plan, dtype, data, slice.c, slice.channels, block, blocks);
    };
    View<2> shift = view(plan.region.dtype, sums.shift);
    View<2> sum1 = view(HALNORM_FLOAT64, sums.sum1), sum2 = view(HALNORM_FLOAT64, sums.sum2);
    const SumsRow &row = sums_kernels[plan.variant];
    const SumsKernel kernel = (plan.region.dtype == HALNORM_FLOAT64 ? row.f64 : row.f32)[plan.region.layout];
    return kernel(&in, static_cast<int32_t>(plan.block_n), static_cast<int32_t>(plan.chunk_s),
                  static_cast<int32_t>(plan.chunk_n), &shift, &sum1, &sum2);
}

int run_merge(const Plan &plan, int64_t c, int64_t channels, const SumsArrays &sums, double *mean, double *m2) {
    const int64_t width = plan.fold == 1 ? channels : plan.width();
    const auto view = [&](halnorm_dtype dtype, const void *data) {
        return sums_view(plan, dtype, data, c, width, 0, plan.blocks);
    };
    View<2> shift = view(plan.region.dtype, sums.shift);
    View<2> sum1 = view(HALNORM_FLOAT64, sums.sum1), sum2 = view(HALNORM_FLOAT64, sums.sum2);
    View<1> out_mean = array_view(plan, HALNORM_FLOAT64, mean, c, channels);
    View<1> out_m2 = array_view(plan, HALNORM_FLOAT64, m2, c, channels);
    const MergeRow &row = merge_kernels[plan.variant];
    const MergeKernel kernel = plan.region.dtype == HALNORM_FLOAT64 ? row.f64 : row.f32;
    return kernel(&shift, &sum1, &sum2, static_cast<int32_t>(plan.region.s.extent),
                  static_cast<int32_t>(plan.region.n.extent), static_cast<int32_t>(plan.block_n),
                  static_cast<int32_t>(plan.channels()), static_cast<int32_t>(plan.fold),
                  static_cast<double>(plan.count()), &out_mean, &out_m2);
}

}  // namespace halnorm
