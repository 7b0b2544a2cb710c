#include "activate.h"
#include "buffers.h"

namespace halnorm {

bool activates_apart(const Plan &plan) {
    const ActivateRow &row = activate_kernels[plan.variant];
    return (built::curved >> plan.config->activation & 1) != 0 &&
           (row.f32 != nullptr || row.f64 != nullptr);
}

int run_activate(const Plan &plan, void *y, const Slice &slice) {
    const Region &r = plan.apply;
    const Dimension s = {0, r.s.extent, r.s.stride[1]}, c = {0, slice.channels, r.c.stride[1]};
    Dimension d[3] = {s, c, {0, slice.rows, r.n.stride[1]}};
    if (r.layout == kernel_nhwc)
        d[0] = c, d[1] = s;
    // Rows that follow one another are one.
    for (int k = 1; k < 3; k++) {
        const bool dense = d[k].extent == 1 || d[k].stride == d[0].extent;
        if (!dense || d[0].extent > INT32_MAX / d[k].extent)
            break;
        d[0].extent *= d[k].extent;
        d[k].extent = 1;
    }
    const int64_t first = slice.c * r.c.stride[1] + slice.n * r.n.stride[1];
    char *const data = static_cast<char *>(y) + first * static_cast<int64_t>(plan.element());
    Dimensions<3> dimensions(plan, d);
    Buffer v = dimensions.over(plan.dtype, data);
    const ActivateRow &row = activate_kernels[plan.variant];
    const ActivationScalars &a = plan.activation;
    return plan.dtype == HALNORM_FLOAT64 ? row.f64(&v, a.form, a.alpha, &v) :
                                           row.f32(&v, a.form, static_cast<float>(a.alpha), &v);
}

}  // namespace halnorm
