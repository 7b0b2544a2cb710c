#pragma once

#include <float.h>

#include "plan.h"

namespace halnorm {

// Of the finite numbers.
inline double largest(halnorm_dtype dtype) {
    return dtype == HALNORM_FLOAT32 ? static_cast<double>(FLT_MAX) : DBL_MAX;
}

// The kernel's scalars for config.activation, or why activation or activation_alpha is out of
// range.
halnorm_status activation_scalars(const halnorm_config &config, halnorm_dtype dtype,
                                  ActivationScalars *scalars);

// Whether the sums and dx contain its derivative: g = dy * act'(v) need not be made before.
bool is_piecewise_linear(halnorm_activation activation);

}  // namespace halnorm
