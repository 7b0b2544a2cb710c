// One function per stage: from a plan and a slice to a kernel call. Each lives in a file of its
// own, so that a program links only the kernels of the pipelines that it calls. All return the
// kernel's status: 0, or what a device reported.
#pragma once

#include "gpu.h"
#include "plan.h"

namespace halnorm {

// The row of the plan's variant in the table of a stage.
template<typename Row>
const Row &row_of(const Plan &plan, const Row *cpu, const Row *GpuKernels::*gpu) {
    return (plan.on_cpu() ? cpu : enabled_gpu_kernels()->*gpu)[plan.variant];
}

// The kernel of the plan's variant and dtype in the table of a per-channel stage.
template<typename Kernel>
Kernel kernel_of(const Plan &plan, const ChannelRow<Kernel> *cpu,
                 const ChannelRow<Kernel> *GpuKernels::*gpu) {
    const ChannelRow<Kernel> &row = row_of(plan, cpu, gpu);
    return plan.dtype == HALNORM_FLOAT64 ? row.f64 : row.f32;
}

// call(kernel, T()) with a row's kernel, T being the data's type.
template<typename F32, typename F64, typename Call>
int with_kernel(const DtypeRow<F32, F64> &row, halnorm_dtype dtype, Call call) {
    return dtype == HALNORM_FLOAT64 ? call(row.f64, double()) : call(row.f32, float());
}

// The same with that of a stage over tensors.
template<typename Row, typename Call>
int with_kernel(const Plan &plan, KernelLayout layout, const Row *cpu, const Row *GpuKernels::*gpu,
                Call call) {
    const Row &row = row_of(plan, cpu, gpu);
    return plan.dtype == HALNORM_FLOAT64 ? call(row.f64[layout], double()) :
                                           call(row.f32[layout], float());
}

// Per-channel arrays between the stages; x's dtype where void. Sums are per folded channel and
// block.
struct SumsArrays {
    void *shift;
    double *sum1, *sum2;
};
struct Moments {
    double *mean, *m2, *excess;  // per channel
};
struct Coefficients {
    void *center, *scale, *offset;  // per folded channel
};
struct BatchArrays {
    const double *mean, *m2;
    const void *gamma, *beta;
    void *moving_mean, *moving_variance;
    double *inv_std;
};

SumsArrays take_sums(const Plan &plan, Workspace &workspace, bool with_shift = true);
inline Coefficients take_coefficients(const Plan &plan, Workspace &workspace) {
    const auto take = [&] { return workspace.take(plan.apply.width(), plan.element()); };
    return {take(), take(), take()};
}

// mean and m2 of a slice that holds all rows of its channels (where plan.by_channel), or of the
// whole tensor, in parallel. Where a shift turns out to be so far from its channel's mean that
// rounding errors would grow, the channel is summed once more around its mean.
int reduce_slice(const Plan &plan, const void *x, const Slice &slice, const SumsArrays &sums,
                 const Moments &moments);
int reduce_all(const Plan &plan, const void *x, const SumsArrays &sums, const Moments &moments);

// Coefficients of channels [c, c + channels). Where rows are folded, c is 0 and they are repeated
// for each fold.
int run_batch_coefficients(const Plan &plan, int64_t c, int64_t channels, double count,
                           const BatchArrays &arrays, const Coefficients &coefficients);
int run_moving_coefficients(const Plan &plan, const void *gamma, const void *beta,
                            const void *moving_mean, const void *moving_variance,
                            const Coefficients &coefficients);

// Tensors of a forward pass, in the order of plan.apply: x, y and, for _add, z.
struct ForwardTensors {
    const void *x;
    void *y;
    const void *z;
};
using Normalize = int (*)(const Plan &plan, const ForwardTensors &tensors, const Slice &slice,
                          const Coefficients &coefficients);
int run_normalize(const Plan &plan, const ForwardTensors &tensors, const Slice &slice,
                  const Coefficients &coefficients);
int run_normalize_add(const Plan &plan, const ForwardTensors &tensors, const Slice &slice,
                      const Coefficients &coefficients);

// values[0, count) = value.
void fill(const Plan &plan, halnorm_dtype dtype, void *values, int64_t count, double value);

// num_channels copies of `value`, for a gamma or beta that is not given; the caller's pointer where
// it is.
const void *given_or_filled(const Plan &plan, const void *given, void *filled, double value);

void fill_doubles(const Plan &plan, double *values, double value);
void copy_doubles(const Plan &plan, double *to, const double *from);

// y = act(x), the rule for one element per channel: center 0, scale and offset of the activation
// alone.
void identity_coefficients(const Plan &plan, const Coefficients &coefficients);

// The first C of fold * C values are there; the others become copies. (On a GPU fold is 1.)
void repeat_folds(const Plan &plan, const Coefficients &coefficients);
}  // namespace halnorm
