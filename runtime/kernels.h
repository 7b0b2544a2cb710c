// The generated kernels: their types, and one table per stage, so that a program that never calls a
// pipeline does not link its kernels. The tables are generated from schedules/CMakeLists.txt; rows
// are in the order of variants().
#pragma once

#include <HalideRuntime.h>

#include "halnorm/halnorm.h"

namespace halnorm {

enum KernelLayout { kernel_nchw = 0, kernel_nhwc = 1 };  // s, or c, has stride 1

// Arguments in the order of the generators' inputs and outputs (generators/forward.cpp and
// backward.cpp). T is float or double.
using Buffer = struct halide_buffer_t;
using ShiftKernel = int (*)(Buffer *x, int32_t block_n, Buffer *shift);
using SumsKernel = int (*)(Buffer *x, Buffer *shift, int32_t block_n, int32_t chunk_s,
                           int32_t chunk_n, Buffer *sum1, Buffer *sum2);
using MergeKernel = int (*)(Buffer *shift, Buffer *sum1, Buffer *sum2, int32_t s_extent,
                            int32_t n_extent, int32_t block_n, int32_t channels, int32_t fold,
                            double count, Buffer *mean, Buffer *m2, Buffer *excess);
using BatchCoefficientsKernel = int (*)(Buffer *mean, Buffer *m2, Buffer *gamma, Buffer *beta,
                                        Buffer *moving_mean, Buffer *moving_variance, double count,
                                        double epsilon, double momentum, double estimator_count,
                                        double prescale, double preshift, Buffer *inv_std,
                                        Buffer *new_moving_mean, Buffer *new_moving_variance,
                                        Buffer *center, Buffer *scale, Buffer *offset);
using MovingCoefficientsKernel = int (*)(Buffer *gamma, Buffer *beta, Buffer *moving_mean,
                                         Buffer *moving_variance, double epsilon, double prescale,
                                         double preshift, Buffer *center, Buffer *scale,
                                         Buffer *offset);
template<typename T>
using NormalizeKernel = int (*)(Buffer *x, Buffer *center, Buffer *scale, Buffer *offset,
                                int32_t form, T lower, T upper, T alpha, int32_t ahead, Buffer *y);

template<typename T>
using NormalizeAddKernel = int (*)(Buffer *x, Buffer *z, Buffer *center, Buffer *scale,
                                   Buffer *offset, T factor, int32_t form, T lower, T upper,
                                   T alpha, int32_t ahead, Buffer *y);
// v and y are the same memory.
template<typename T>
using ActivateKernel = int (*)(Buffer *v, int32_t form, T lower, T upper, T alpha, Buffer *y);
template<typename T>
using ActivateBackwardKernel = int (*)(Buffer *v, Buffer *dy, T slope, int32_t form, T lower,
                                       T upper, T alpha, Buffer *g);
template<typename T>
using ActivationGradientKernel = int (*)(Buffer *x, Buffer *z, Buffer *dy, Buffer *center,
                                         Buffer *scale, Buffer *offset, T factor, T slope,
                                         int32_t form, T lower, T upper, T alpha, Buffer *g);
template<typename T>
using GradientSumsKernel = int (*)(Buffer *x, Buffer *dy, Buffer *center, Buffer *scale,
                                   Buffer *offset, int32_t form, T lower, T upper, T below,
                                   T inverse, int32_t block_n, int32_t chunk_s, int32_t chunk_n,
                                   Buffer *sum1, Buffer *sum2);
template<typename T>
using InputGradientKernel = int (*)(Buffer *x, Buffer *dy, Buffer *center, Buffer *scale,
                                    Buffer *offset, Buffer *a, Buffer *b, Buffer *c, int32_t form,
                                    T lower, T upper, T below, T inverse, int32_t by_batch,
                                    int32_t ahead, Buffer *dx);
using MovingStatisticsKernel = int (*)(Buffer *moving_mean, Buffer *moving_variance, double epsilon,
                                       Buffer *mean, Buffer *inv_std);
using SavedCoefficientsKernel = int (*)(Buffer *mean, Buffer *inv_std, Buffer *gamma, Buffer *beta,
                                        double prescale, double preshift, int32_t of_y,
                                        Buffer *center, Buffer *scale, Buffer *offset,
                                        Buffer *factor, Buffer *rest);
using ParameterGradientsKernel = int (*)(Buffer *sum1, Buffer *sum2, Buffer *factor, Buffer *rest,
                                         int32_t channels, int32_t fold, double slope,
                                         Buffer *sum_g, Buffer *sum_g_xhat);
using InputCoefficientsKernel = int (*)(Buffer *sum_g, Buffer *sum_g_xhat, Buffer *inv_std,
                                        Buffer *factor, Buffer *rest, Buffer *gamma, double count,
                                        double slope, Buffer *a, Buffer *b, Buffer *c,
                                        Buffer *dgamma, Buffer *dbeta);

// A stage's kernels of one variant: for each layout where it sees x, for each dtype.
template<typename F32, typename F64>
struct LayoutRow {
    F32 f32[2];
    F64 f64[2];
};
template<typename Kernel>
struct ChannelRow {
    Kernel f32, f64;
};
template<typename F32, typename F64>
struct DtypeRow {
    F32 f32;
    F64 f64;
    explicit operator bool() const { return f32 != nullptr || f64 != nullptr; }
};
using ActivateRow = DtypeRow<ActivateKernel<float>, ActivateKernel<double>>;
using ActivateBackwardRow = DtypeRow<ActivateBackwardKernel<float>, ActivateBackwardKernel<double>>;
using ShiftRow = LayoutRow<ShiftKernel, ShiftKernel>;
using SumsRow = LayoutRow<SumsKernel, SumsKernel>;
using NormalizeRow = LayoutRow<NormalizeKernel<float>, NormalizeKernel<double>>;
using NormalizeAddRow = LayoutRow<NormalizeAddKernel<float>, NormalizeAddKernel<double>>;
using ActivationGradientRow =
    LayoutRow<ActivationGradientKernel<float>, ActivationGradientKernel<double>>;
using GradientSumsRow = LayoutRow<GradientSumsKernel<float>, GradientSumsKernel<double>>;
using InputGradientRow = LayoutRow<InputGradientKernel<float>, InputGradientKernel<double>>;
using MergeRow = ChannelRow<MergeKernel>;
using BatchCoefficientsRow = ChannelRow<BatchCoefficientsKernel>;
using MovingCoefficientsRow = ChannelRow<MovingCoefficientsKernel>;
using MovingStatisticsRow = ChannelRow<MovingStatisticsKernel>;
using SavedCoefficientsRow = ChannelRow<SavedCoefficientsKernel>;
using ParameterGradientsRow = ChannelRow<ParameterGradientsKernel>;
using InputCoefficientsRow = ChannelRow<InputCoefficientsKernel>;

extern const ShiftRow shift_kernels[];
extern const SumsRow sums_kernels[];
extern const NormalizeRow normalize_kernels[];
extern const NormalizeAddRow normalize_add_kernels[];
extern const ActivationGradientRow activation_gradient_kernels[];
extern const GradientSumsRow gradient_sums_kernels[];
extern const InputGradientRow input_gradient_kernels[];
extern const MergeRow merge_kernels[];
extern const BatchCoefficientsRow batch_coefficients_kernels[];
extern const MovingCoefficientsRow moving_coefficients_kernels[];
extern const MovingStatisticsRow moving_statistics_kernels[];
extern const SavedCoefficientsRow saved_coefficients_kernels[];
extern const ParameterGradientsRow parameter_gradients_kernels[];
extern const InputCoefficientsRow input_coefficients_kernels[];

// Kernels whose stores go past the cache, of the variants that have such; the others' are nullptr.
extern const NormalizeRow normalize_streaming_kernels[];
extern const NormalizeAddRow normalize_add_streaming_kernels[];
extern const InputGradientRow input_gradient_streaming_kernels[];

// The activations of the variants that have some apart; the others' are nullptr.
extern const ActivateRow activate_kernels[];
extern const ActivateBackwardRow activate_backward_kernels[];

// The tables of the variants for GPUs, in the order of the generated table.
struct GpuKernels {
    const ShiftRow *shift;
    const SumsRow *sums;
    const NormalizeRow *normalize;
    const NormalizeAddRow *normalize_add;
    const ActivationGradientRow *activation_gradient;
    const GradientSumsRow *gradient_sums;
    const InputGradientRow *input_gradient;
    const MergeRow *merge;
    const BatchCoefficientsRow *batch_coefficients;
    const MovingCoefficientsRow *moving_coefficients;
    const MovingStatisticsRow *moving_statistics;
    const SavedCoefficientsRow *saved_coefficients;
    const ParameterGradientsRow *parameter_gradients;
    const InputCoefficientsRow *input_coefficients;
};
extern const GpuKernels gpu_kernels;

}  // namespace halnorm
