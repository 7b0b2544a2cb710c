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
    const int64_t count = plan.reduce.width() * plan.blocks;
    SumsArrays sums;
    sums.shift = with_shift ? workspace.take(count, plan.element()) : nullptr;
    sums.sum1 = workspace.take_doubles(count);
    sums.sum2 = workspace.take_doubles(count);
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

void repeat_folds(const Plan &plan, const Coefficients &coefficients) {
    char *const center = static_cast<char *>(coefficients.center),
                *const scale = static_cast<char *>(coefficients.scale),
                *const offset = static_cast<char *>(coefficients.offset);
    const size_t all = static_cast<size_t>(plan.apply.width()) * plan.element();
    size_t more;
    // All three in turn, as what a copy has just written the next one waits for.
    for (size_t have = static_cast<size_t>(plan.channels()) * plan.element(); have < all;
         have += more) {
        more = have < all - have ? have : all - have;
        memcpy(center + have, center, more);
        memcpy(scale + have, scale, more);
        memcpy(offset + have, offset, more);
    }
}

halnorm_status kernel_status(const Plan &plan, int code) {
    if (code == 0) {
        set_last_variant(variants[plan.variant].name);
        return HALNORM_OK;
    }
    return fail<Message::kernel_failed>(plan.variant, code);
}

}  // namespace halnorm
