// The forward passes as the public functions share them.
#pragma once

#include "parallel.h"
#include "stages.h"

namespace halnorm {

struct ForwardArguments {
    const halnorm_config *config;
    const halnorm_tensor *x, *y;
    bool add;  // of z
    const halnorm_tensor *z;
    const void *gamma, *beta;
    void *moving_mean, *moving_variance;
    double *saved_mean, *saved_inv_std;
    void *workspace;
    size_t workspace_bytes;
    // Statistics that the caller brings.
    bool given_statistics = false;
    int64_t count = 0;
    const double *mean = nullptr, *m2 = nullptr;

    // `cut` as in Operands, of a reduction of x.
    Operands operands(CutReduction cut) const {
        Operands o;
        o.cut = cut;
        o.add(Argument::x, x);
        o.add(Argument::y, y);
        if (add)
            o.add(Argument::z, z);
        o.result = 1;
        return o;
    }
};

// A normalization by the statistics of a batch, under way.
struct BatchCall {
    const Plan &plan;
    ForwardTensors tensors;
    Normalize normalize;
    SumsArrays sums;
    Moments moments;
    double count;
    BatchArrays batch;
    Coefficients coefficients;
    TaskCode code{};

    int run_coefficients(int64_t c, int64_t channels) const {
        return run_batch_coefficients(plan, c, channels, count, batch, coefficients);
    }
};
// Everything by the coefficients that there are, in parallel: 0, or the code of a failure.
int normalize_all(const Plan &plan, const ForwardTensors &tensors, Normalize normalize,
                  const Coefficients &coefficients);
inline int normalize_all(const BatchCall &call) {
    return normalize_all(call.plan, call.tensors, call.normalize, call.coefficients);
}

// Statistics from x, coefficients, normalization.
int reduce_and_normalize(BatchCall &call);

// Checks, and then `run` or the rule for one element per channel.
halnorm_status forward_batch(const ForwardArguments &arguments, Normalize normalize,
                             int (*run)(BatchCall &call));
halnorm_status query_forward_batch(const halnorm_config *config, const halnorm_tensor *x,
                                   bool given_statistics, size_t *bytes);

// What an inference makes of the per-channel arguments.
struct InferencePieces {
    Coefficients coefficients;
    void *gamma, *beta;  // filled where the caller gives none
};
inline InferencePieces take_inference_pieces(const Plan &plan, Workspace &workspace) {
    const auto take = [&] { return workspace.take(plan.channels(), plan.element()); };
    return {take_coefficients(plan, workspace), take(), take()};
}

inline int run_inference_coefficients(const Plan &plan, const InferencePieces &pieces,
                                      const void *gamma, const void *beta, const void *moving_mean,
                                      const void *moving_variance) {
    return run_moving_coefficients(plan, given_or_filled(plan, gamma, pieces.gamma, 1),
                                   given_or_filled(plan, beta, pieces.beta, 0), moving_mean,
                                   moving_variance, pieces.coefficients);
}

halnorm_status check_moving_statistics(const ForwardArguments &arguments);
halnorm_status forward_inference(const ForwardArguments &arguments, Normalize normalize);

// All of it that needs no elements, kept in arguments.workspace.
halnorm_status prepare_inference(const ForwardArguments &arguments, Normalize normalize,
                                 const halnorm_prepared **prepared);

}  // namespace halnorm
