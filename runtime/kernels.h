// The generated kernels: their types, and one table per stage, so that a program that never calls a
// pipeline does not link its kernels. The tables are generated from schedules/CMakeLists.txt; rows
// are in the order of variants().
#pragma once

#include <HalideRuntime.h>

#include "halnorm/halnorm.h"

namespace halnorm {

enum KernelLayout { kernel_nchw = 0, kernel_nhwc = 1 };  // s, or c, has stride 1

// Arguments in the order of the generators' inputs and outputs (generators/batch_norm.cpp). T is
// float or double.
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
                                int32_t form, T lower, T upper, T alpha, Buffer *y);

struct ShiftRow {
    ShiftKernel f32[2], f64[2];
};  // [KernelLayout]
struct SumsRow {
    SumsKernel f32[2], f64[2];
};
struct MergeRow {
    MergeKernel f32, f64;
};
struct BatchCoefficientsRow {
    BatchCoefficientsKernel f32, f64;
};
struct MovingCoefficientsRow {
    MovingCoefficientsKernel f32, f64;
};
struct NormalizeRow {
    NormalizeKernel<float> f32[2];
    NormalizeKernel<double> f64[2];
};

extern const ShiftRow shift_kernels[];
extern const SumsRow sums_kernels[];
extern const MergeRow merge_kernels[];
extern const BatchCoefficientsRow batch_coefficients_kernels[];
extern const MovingCoefficientsRow moving_coefficients_kernels[];
extern const NormalizeRow normalize_kernels[];

// The tables of the variants for GPUs, in the order of the generated table.
struct GpuKernels {
    const ShiftRow *shift;
    const SumsRow *sums;
    const NormalizeRow *normalize;
    const MergeRow *merge;
    const BatchCoefficientsRow *batch_coefficients;
    const MovingCoefficientsRow *moving_coefficients;
};
extern const GpuKernels gpu_kernels;

}  // namespace halnorm
