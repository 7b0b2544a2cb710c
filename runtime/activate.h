// Activations that a variant has in kernels of their own, apart from normalize, normalize_add and
// activation_gradient (schedules/CMakeLists.txt): one copy of each formula instead of four.
#pragma once

#include <math.h>

#include "../generators/activation_forms.h"
#include "stages.h"

namespace halnorm {

// Whether the plan's variant has the call's activation apart, in the table of a stage for it.
template<typename Row>
bool is_apart(const Plan &plan, const Row *kernels) {
    return (built::apart >> plan.config->activation & 1) != 0 && kernels[plan.variant];
}

// y = act(y) over a slice.
int run_activate(const Plan &plan, void *y, const Slice &slice);

// What normalize is to apply where the activation follows.
inline ActivationScalars no_activation() {
    const double infinity = static_cast<double>(INFINITY);
    return {static_cast<int32_t>(ActivationForm::clamp), 1, 0, -infinity, infinity, 0};
}

// What such a call takes at a time, so that y is still in the first or second level of the cache
// when the activation comes.
constexpr int64_t activated_elements = int64_t{8} * 1024;

// A stage's normalization of a slice, with the activation that its kernel is to apply.
using NormalizeWith = int (*)(const Plan &plan, const ForwardTensors &tensors, const Slice &slice,
                              const Coefficients &coefficients, const ActivationScalars &a);

// Normalizes with the call's activation; where that is apart, it follows, part by part.
inline int then_activate(const Plan &plan, const ForwardTensors &tensors, const Slice &slice,
                         const Coefficients &coefficients, NormalizeWith normalize) {
    if (!built::activate || !is_apart(plan, activate_kernels))
        return normalize(plan, tensors, slice, coefficients, plan.activation);
    const ActivationScalars none = no_activation();
    const int64_t s = plan.apply.s.extent;
    const int64_t channels = clamp(activated_elements / s, 1, slice.channels);
    const int64_t rows = clamp(activated_elements / (s * channels), 1, slice.rows);
    return for_each_part(slice, s, s, channels, rows, [&](const Slice &part, int64_t) {
        const int code = normalize(plan, tensors, part, coefficients, none);
        return code != 0 ? code : run_activate(plan, tensors.y, part);
    });
}

}  // namespace halnorm
