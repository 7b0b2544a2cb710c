// Activations that a variant has in a kernel of their own, apart from normalize and normalize_add
// (schedules/CMakeLists.txt): one copy of each formula instead of four.
#pragma once

#include <math.h>

#include "../generators/activation_forms.h"
#include "stages.h"

namespace halnorm {

// Whether the plan's kernels of normalize do not contain the call's activation.
bool activates_apart(const Plan &plan);

// y = act(y) over a slice.
int run_activate(const Plan &plan, void *y, const Slice &slice);

// What such a call takes at a time, so that y is still in the first or second level of the cache
// when the activation comes.
constexpr int64_t activated_elements = int64_t{8} * 1024;

// A stage's normalization of a slice, with the activation that its kernel is to apply.
using NormalizeWith = int (*)(const Plan &plan, const ForwardTensors &tensors, const Slice &slice,
                              const Coefficients &coefficients, const ActivationScalars &a);

// Normalizes with the call's activation; where that is apart, it follows, part by part.
inline int then_activate(const Plan &plan, const ForwardTensors &tensors, const Slice &slice,
                         const Coefficients &coefficients, NormalizeWith normalize) {
    if (!built::activate || !activates_apart(plan))
        return normalize(plan, tensors, slice, coefficients, plan.activation);
    const double infinity = static_cast<double>(INFINITY);
    const ActivationScalars none = {
        static_cast<int32_t>(ActivationForm::clamp), 1, 0, -infinity, infinity, 0};
    const int64_t s = plan.apply.s.extent;
    const int64_t channels = clamp(activated_elements / s, 1, slice.channels);
    const int64_t rows = clamp(activated_elements / (s * channels), 1, slice.rows);
    Slice part;
    for (part.n = slice.n; part.n < slice.n + slice.rows; part.n += rows) {
        part.rows = clamp(slice.n + slice.rows - part.n, 0, rows);
        for (part.c = slice.c; part.c < slice.c + slice.channels; part.c += channels) {
            part.channels = clamp(slice.c + slice.channels - part.c, 0, channels);
            int code = normalize(plan, tensors, part, coefficients, none);
            if (code == 0)
                code = run_activate(plan, tensors.y, part);
            if (code != 0)
                return code;
        }
    }
    return 0;
}

}  // namespace halnorm
