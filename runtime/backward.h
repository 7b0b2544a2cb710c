// The backward passes as the public functions share them.
#pragma once

#include "../generators/activation_forms.h"
#include "parallel.h"
#include "stages.h"

namespace halnorm {

// What the kernels of the backward pass take for an activation; see generators/backward.cpp.
struct GradientScalars {
    GradientForm form;
    double lower, upper, below, inverse;
    double slope;  // of g that is not in it yet
};

// Of dy, where what is given is x, or y.
GradientScalars gradient_scalars(const ActivationScalars &activation, bool of_y);

// A tensor of the call, and its index in plan.apply.
struct BackwardTensor {
    void *data;
    int index;
};

// A backward pass under way.
struct BackwardCall {
    const Plan &plan;
    BackwardTensor x, dy, z, dx, dz;  // x may be y; data is nullptr where there is none
    BackwardTensor g;                 // what activation_gradient makes; nullptr: dy serves
    bool of_y;
    bool by_batch;              // dx depends on the sums
    bool reduces;               // the sums are wanted
    GradientScalars activated;  // of dy
    GradientScalars scalars;    // of what the sums and dx read: g, or dy

    const void *gamma, *beta, *moving_mean, *moving_variance;
    double *mean, *inv_std;
    Coefficients coefficients;
    double *factor, *rest;  // xhat = (d - rest) * factor
    SumsArrays sums;
    double *sum_g, *sum_g_xhat;
    double count;     // elements per channel
    void *a, *b, *c;  // dx = a * g + b * d + c
    void *dgamma, *dbeta;
    TaskCode code{};

    const BackwardTensor &gradient() const { return g.data != nullptr ? g : dy; }
};

// The stages; as in stages.h. Per-channel stages work on channels [c, c + channels).
int run_moving_statistics(const BackwardCall &call);
int run_saved_coefficients(const BackwardCall &call);
int run_activation_gradient(const BackwardCall &call, const Slice &slice);
int run_gradient_sums(const BackwardCall &call, const Slice &slice);
int run_parameter_gradients(const BackwardCall &call, int64_t c, int64_t channels);
int run_input_coefficients(const BackwardCall &call, int64_t c, int64_t channels);
int run_input_gradient(const BackwardCall &call, const Slice &slice);

// All sums in parallel, and their totals.
int reduce_gradients(BackwardCall &call);
// g and the sums of one task; where a task has all rows of its channels, their totals too.
int reduce_task(const BackwardCall &call, const Slice &slice);
// dx, and g where no reduction has made it, in parallel, by the coefficients that there are.
int map_gradients(BackwardCall &call);

// Which part of the pass a public function is, and what belongs to it alone.
struct BackwardPart {
    enum { whole, reduce, apply } part;
    double *sum_g, *sum_g_xhat;  // of reduce: results; of apply: totals over `count`
    int64_t count;
};

halnorm_status query_backward(const halnorm_config *config, const halnorm_backward_args *args,
                              const BackwardPart &part, size_t *bytes);
// Checks, and then `run`, or what is left of it for tensors without elements.
halnorm_status backward_pass(const halnorm_config *config, const halnorm_backward_args *args,
                             const BackwardPart &part, int (*run)(BackwardCall &call),
                             void *workspace, size_t workspace_bytes);

}  // namespace halnorm
