#include "activate.h"
#include "whole_rows.h"

namespace halnorm {

int run_activate(const Plan &plan, void *y, const Slice &slice) {
    constexpr int index = 1;
    return for_whole_rows<1>(plan, plan.apply, slice, {{y, index}},
                             [&](const Region &r, const Slice &rows, const void *const(&data)[1]) {
                                 TensorView v(plan, r, index, data[0], rows);
                                 const ActivationScalars &a = plan.activation;
                                 return with_kernel(activate_kernels[plan.variant], plan.dtype,
                                                    [&](auto kernel, auto type) {
                                                        using T = decltype(type);
                                                        return kernel(&v, a.form,
                                                                      static_cast<T>(a.lower),
                                                                      static_cast<T>(a.upper),
                                                                      static_cast<T>(a.alpha), &v);
                                                    });
                             });
}

}  // namespace halnorm
