// Per-channel arrays: filled, repeated, reported.
#include <string.h>

#include "stages.h"
#include "status.h"

namespace halnorm {
namespace {

template<typename T>
void fill_host(void *values, int64_t count, double value) {
    for (int64_t i = 0; i < count; i++)
        static_cast<T *>(values)[i] = static_cast<T>(value);
}

}  // namespace

void fill(const Plan &plan, halnorm_dtype dtype, void *values, int64_t count, double value) {
    if (!plan.on_cpu()) {
        fill_device_array(plan, dtype, values, count, value);
    } else if (dtype == HALNORM_FLOAT64) {
        fill_host<double>(values, count, value);
    } else {
        fill_host<float>(values, count, value);
    }
}

SumsArrays take_sums(const Plan &plan, Workspace &workspace, bool with_shift) {
    const size_t count = static_cast<size_t>(plan.reduce.width() * plan.blocks);
    SumsArrays sums;
    sums.shift = with_shift ? workspace.take(count * plan.element()) : nullptr;
    sums.sum1 = workspace.take<double>(count * sizeof(double));
    sums.sum2 = workspace.take<double>(count * sizeof(double));
    return sums;
}

const void *given_or_filled(const Plan &plan, const void *given, void *filled, double value) {
    if (given != nullptr)
        return given;
    fill(plan, plan.dtype, filled, plan.channels(), value);
    return filled;
}

void fill_doubles(const Plan &plan, double *values, double value) {
    fill(plan, HALNORM_FLOAT64, values, plan.channels(), value);
}

void copy_doubles(const Plan &plan, double *to, const double *from) {
    const size_t bytes = static_cast<size_t>(plan.channels()) * sizeof(double);
    if (!plan.on_cpu())
        copy_device_array(plan, to, from, bytes);
    else
        memcpy(to, from, bytes);
}

void identity_coefficients(const Plan &plan, const Coefficients &coefficients) {
    fill(plan, plan.dtype, coefficients.center, plan.apply.width(), 0);
    fill(plan, plan.dtype, coefficients.scale, plan.apply.width(), plan.activation.prescale);
    fill(plan, plan.dtype, coefficients.offset, plan.apply.width(), plan.activation.preshift);
}

void repeat_folds(const Plan &plan, void *values) {
    const int64_t all = plan.apply.width();
    for (int64_t have = plan.channels(); have < all;) {
        const int64_t more = have < all - have ? have : all - have;
        const size_t bytes = plan.element();
        memcpy(static_cast<char *>(values) + static_cast<size_t>(have) * bytes, values,
               static_cast<size_t>(more) * bytes);
        have += more;
    }
}

void repeat_folds(const Plan &plan, const Coefficients &coefficients) {
    for (void *array : {coefficients.center, coefficients.scale, coefficients.offset})
        repeat_folds(plan, array);
}

halnorm_status kernel_status(const Plan &plan, int code) {
    if (code == 0) {
        set_last_variant(variants[plan.variant].name);
        return HALNORM_OK;
    }
    return Failure(HALNORM_ERROR_KERNEL)
           << "variant " << variants[plan.variant].name << ": a kernel failed with code "
           << static_cast<int64_t>(code);
}

}  // namespace halnorm
