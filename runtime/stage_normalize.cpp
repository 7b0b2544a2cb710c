#include "buffers.h"
#include "stages.h"
#include "status.h"

namespace halnorm {
namespace {

template<typename T>
int normalize(const Plan &plan, NormalizeKernel<T> kernel, const void *x, void *y,
              const Slice &slice, const Coefficients &coefficients) {
    View<3> in = tensor_view(plan, plan.apply, x, slice, &Axis::stride_x);
    View<3> out = tensor_view(plan, plan.apply, y, slice, &Axis::stride_y);
    const auto view = [&](const void *data) {
        return array_view(plan, plan.dtype, data, slice.c, slice.channels);
    };
    View<1> center = view(coefficients.center), scale = view(coefficients.scale),
            offset = view(coefficients.offset);
    const ActivationScalars &a = plan.activation;
    return kernel(&in, &center, &scale, &offset, a.form, static_cast<T>(a.lower),
                  static_cast<T>(a.upper), static_cast<T>(a.alpha), &out);
}

template<typename T>
void fill(void *values, int64_t count, double value) {
    for (int64_t i = 0; i < count; i++)
        static_cast<T *>(values)[i] = static_cast<T>(value);
}

void fill(const Plan &plan, halnorm_dtype dtype, void *values, int64_t count, double value) {
    if (plan.device != VariantDevice::cpu) {
        fill_device_array(plan, dtype, values, count, value);
    } else if (dtype == HALNORM_FLOAT64) {
        fill<double>(values, count, value);
    } else {
        fill<float>(values, count, value);
    }
}

}  // namespace

int run_normalize(const Plan &plan, const void *x, void *y, const Slice &slice,
                  const Coefficients &coefficients) {
    const NormalizeRow &row = row_of(plan, normalize_kernels, &GpuKernels::normalize);
    return plan.dtype == HALNORM_FLOAT64 ?
               normalize<double>(plan, row.f64[plan.apply.layout], x, y, slice, coefficients) :
               normalize<float>(plan, row.f32[plan.apply.layout], x, y, slice, coefficients);
}

Coefficients take_coefficients(const Plan &plan, Workspace &workspace) {
    const size_t bytes = static_cast<size_t>(plan.apply.width()) * plan.element();
    Coefficients coefficients;
    coefficients.center = workspace.take(bytes);
    coefficients.scale = workspace.take(bytes);
    coefficients.offset = workspace.take(bytes);
    return coefficients;
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

void identity_coefficients(const Plan &plan, const Coefficients &coefficients) {
    fill(plan, plan.dtype, coefficients.center, plan.apply.width(), 0);
    fill(plan, plan.dtype, coefficients.scale, plan.apply.width(), plan.activation.prescale);
    fill(plan, plan.dtype, coefficients.offset, plan.apply.width(), plan.activation.preshift);
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
