// The calls of normalize's kernels: by the forward stages, and where a gradient needs v again.
#pragma once

#include "buffers.h"

namespace halnorm {

inline int call_normalize(const Plan &plan, const Region &r, const NormalizeRow *table,
                          TensorView &x, CoefficientViews &c, const ActivationScalars &a,
                          int32_t ahead, TensorView &y) {
    return with_kernel(plan, r.layout, table, &GpuKernels::normalize, [&](auto kernel, auto type) {
        using T = decltype(type);
        return kernel(&x, &c.center, &c.scale, &c.offset, a.form, static_cast<T>(a.lower),
                      static_cast<T>(a.upper), static_cast<T>(a.alpha), ahead, &y);
    });
}

inline int call_normalize_add(const Plan &plan, const Region &r, const NormalizeAddRow *table,
                              TensorView &x, TensorView &z, CoefficientViews &c,
                              const ActivationScalars &a, int32_t ahead, TensorView &y) {
    return with_kernel(
        plan, r.layout, table, &GpuKernels::normalize_add, [&](auto kernel, auto type) {
            using T = decltype(type);
            return kernel(&x, &z, &c.center, &c.scale, &c.offset,
                          static_cast<T>(plan.activation.prescale), a.form, static_cast<T>(a.lower),
                          static_cast<T>(a.upper), static_cast<T>(a.alpha), ahead, &y);
        });
}

}  // namespace halnorm
