#include "buffers.h"
#include "parallel.h"
#include "stages.h"

namespace halnorm {
namespace {

// The blocks of a slice. Blocks count from the first row of x, so kernels are shown all rows of x.
struct Blocks {
    Blocks(const Plan &plan, const void *x, const Slice &slice, const SumsArrays &sums)
        : first(slice.n / plan.block_n), count(ceil_div(slice.rows, plan.block_n)),
          in(plan, plan.reduce, 0, x, {slice.c, slice.channels, 0, plan.reduce.n.extent}),
          views(plan, slice.c, slice.channels, first, count),
          shift(views.over(plan.reduce.dtype, sums.shift)), sum1(views.doubles(sums.sum1)),
          sum2(views.doubles(sums.sum2)) {}
    int64_t first, count;
    TensorView in;
    SumsViews views;
    Buffer shift, sum1, sum2;
};

int run_shift(const Plan &plan, const void *x, const Slice &slice, const SumsArrays &sums) {
    Blocks b(plan, x, slice, sums);
    return with_kernel(plan, plan.reduce.layout, shift_kernels, &GpuKernels::shift,
                       [&](auto kernel, auto) {
                           return kernel(&b.in, static_cast<int32_t>(plan.block_n), &b.shift);
                       });
}

int run_sums(const Plan &plan, const void *x, const Slice &slice, const SumsArrays &sums) {
    Blocks b(plan, x, slice, sums);
    return with_kernel(plan, plan.reduce.layout, sums_kernels, &GpuKernels::sums,
                       [&](auto kernel, auto) {
                           return kernel(&b.in, &b.shift, static_cast<int32_t>(plan.block_n),
                                         static_cast<int32_t>(plan.chunk_s),
                                         static_cast<int32_t>(plan.chunk_n), &b.sum1, &b.sum2);
                       });
}

int run_merge(const Plan &plan, int64_t c, int64_t channels, const SumsArrays &sums,
              const Moments &moments) {
    const int64_t width = plan.reduce.fold == 1 ? channels : plan.reduce.width();
    SumsViews views(plan, c, width, 0, plan.blocks);
    Arrays arrays(plan, c, channels);
    Buffer shift = views.over(plan.reduce.dtype, sums.shift);
    Buffer sum1 = views.doubles(sums.sum1), sum2 = views.doubles(sums.sum2);
    Buffer mean = arrays.doubles(moments.mean), m2 = arrays.doubles(moments.m2),
           excess = arrays.doubles(moments.excess);
    return kernel_of(plan, merge_kernels, &GpuKernels::merge)(
        &shift, &sum1, &sum2, static_cast<int32_t>(plan.reduce.s.extent),
        static_cast<int32_t>(plan.reduce.n.extent), static_cast<int32_t>(plan.block_n),
        static_cast<int32_t>(plan.channels()), static_cast<int32_t>(plan.reduce.fold),
        static_cast<double>(plan.count()), &mean, &m2, &excess);
}

template<typename T>
void set_shift(const Plan &plan, void *shift, int64_t c, double mean) {
    const int64_t channels = plan.channels(), all = plan.reduce.width() * plan.blocks;
    for (int64_t i = c; i < all; i += plan.reduce.fold == 1 ? plan.reduce.width() : channels) {
        static_cast<T *>(shift)[i] = static_cast<T>(mean);
    }
}

// Shifts of the channels whose sums of squares are more than twice their M2 become their means. No
// other channel is touched: summed again it has the same bits, so a channel's result never depends
// on its neighbours.
bool recenter(const Plan &plan, int64_t c, int64_t channels, const SumsArrays &sums,
              const Moments &moments) {
    if (!plan.on_cpu())
        return false;  // the numbers are on the device
    const double *const excess = moments.excess, *const m2 = moments.m2;
    // Mostly of none, which vectors find out if the result is as wide as what is compared.
    int64_t any = 0;
    for (int64_t k = c; k < c + channels; k++)
        any |= static_cast<int64_t>(excess[k] > m2[k]);
    for (int64_t k = c; k < c + channels && any != 0; k++) {
        if (!(excess[k] > m2[k]))
            continue;
        if (plan.reduce.dtype == HALNORM_FLOAT64) {
            set_shift<double>(plan, sums.shift, k, moments.mean[k]);
        } else {
            set_shift<float>(plan, sums.shift, k, moments.mean[k]);
        }
    }
    return any != 0;
}

struct Sweep {
    const Plan &plan;
    const void *x;
    const SumsArrays &sums;
    bool with_shift;
    TaskCode code{};
};

void sweep_task(void *argument, int64_t index) {
    Sweep &sweep = *static_cast<Sweep *>(argument);
    const Slice slice = sweep.plan.reduce_slice(index);
    int code = sweep.with_shift ? run_shift(sweep.plan, sweep.x, slice, sweep.sums) : 0;
    if (code == 0)
        code = run_sums(sweep.plan, sweep.x, slice, sweep.sums);
    sweep.code.note(code);
}

int sweep_all(const Plan &plan, const void *x, const SumsArrays &sums, bool with_shift) {
    Sweep sweep{plan, x, sums, with_shift};
    parallel_for(*plan.config, plan.elements(), plan.reduce_tasks(), sweep_task, &sweep);
    return sweep.code.get();
}

}  // namespace

int reduce_slice(const Plan &plan, const void *x, const Slice &slice, const SumsArrays &sums,
                 const Moments &moments) {
    int code = run_shift(plan, x, slice, sums);
    if (code == 0)
        code = run_sums(plan, x, slice, sums);
    if (code == 0)
        code = run_merge(plan, slice.c, slice.channels, sums, moments);
    if (code != 0 || !recenter(plan, slice.c, slice.channels, sums, moments))
        return code;
    code = run_sums(plan, x, slice, sums);
    return code != 0 ? code : run_merge(plan, slice.c, slice.channels, sums, moments);
}

int reduce_all(const Plan &plan, const void *x, const SumsArrays &sums, const Moments &moments) {
    int code = sweep_all(plan, x, sums, true);
    if (code == 0)
        code = run_merge(plan, 0, plan.channels(), sums, moments);
    if (code != 0 || !recenter(plan, 0, plan.channels(), sums, moments))
        return code;
    code = sweep_all(plan, x, sums, false);
    return code != 0 ? code : run_merge(plan, 0, plan.channels(), sums, moments);
}

}  // namespace halnorm
