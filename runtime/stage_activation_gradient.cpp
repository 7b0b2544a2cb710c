#include "activate.h"
#include "backward.h"
#include "normalize.h"
#include "whole_rows.h"

namespace halnorm {
namespace {

// leaky_relu is a clamp with a slope below.
int32_t form_of(const Plan &plan) {
    const bool leaky = plan.activation.form == static_cast<int32_t>(ActivationForm::leaky_relu);
    return leaky ? static_cast<int32_t>(ActivationForm::clamp) : plan.activation.form;
}

int run(const BackwardCall &call, const Slice &slice) {
    const Plan &plan = call.plan;
    const auto view = [&](const BackwardTensor &t) {
        return TensorView(plan, plan.apply, t.index, t.data, slice);
    };
    const bool add = call.z.data != nullptr;
    TensorView x = view(call.x), z = view(add ? call.z : call.x), dy = view(call.dy),
               g = view(call.g);
    CoefficientViews c(plan, call.coefficients, slice);
    const GradientScalars &s = call.activated;
    return with_kernel(plan, plan.apply.layout, activation_gradient_kernels,
                       &GpuKernels::activation_gradient, [&](auto kernel, auto type) {
                           using T = decltype(type);
                           return kernel(&x, &z, &dy, &c.center, &c.scale, &c.offset,
                                         static_cast<T>(add ? plan.activation.prescale : 0),
                                         static_cast<T>(s.slope), form_of(plan),
                                         static_cast<T>(s.lower), static_cast<T>(s.upper),
                                         static_cast<T>(s.below), &g);
                       });
}

// v of a piece.
int normalize(const BackwardCall &call, const Region &region, const Slice &piece, TensorView &v) {
    const Plan &plan = call.plan;
    TensorView x(plan, region, call.x.index, call.x.data, piece);
    CoefficientViews c(plan, call.coefficients, piece);
    const ActivationScalars none = no_activation();
    if (call.z.data == nullptr)
        return call_normalize(plan, region, normalize_kernels, x, c, none, 0, v);
    TensorView z(plan, region, call.z.index, call.z.data, piece);
    return call_normalize_add(plan, region, normalize_add_kernels, x, z, c, none, 0, v);
}

// g of a piece, from v.
int follow(const BackwardCall &call, const Region &region, const Slice &piece, const Read &v) {
    const Plan &plan = call.plan;
    return for_whole_rows<3>(
        plan, region, piece, {v, {call.dy.data, call.dy.index}, {call.g.data, call.g.index}},
        [&](const Region &r, const Slice &rows, const void *const(&data)[3]) {
            TensorView of_v(plan, r, v.index, data[0], rows);
            TensorView dy(plan, r, call.dy.index, data[1], rows);
            TensorView g(plan, r, call.g.index, data[2], rows);
            const GradientScalars &s = call.activated;
            return with_kernel(activate_backward_kernels[plan.variant], plan.dtype,
                               [&](auto kernel, auto type) {
                                   using T = decltype(type);
                                   return kernel(&of_v, &dy, static_cast<T>(s.slope), form_of(plan),
                                                 static_cast<T>(s.lower), static_cast<T>(s.upper),
                                                 static_cast<T>(s.below), &g);
                               });
        });
}

// Of v, which stays on the stack, in L1: in place of g it would overwrite a dy that is there. With
// 4096 a call takes more than 8 KB of stack (docs/bare-metal.md), and backward with silu 0.92 to
// 0.98 of the time with x86_avx, 0.96 to 1.03 with generic (a Xeon, float32, 2026-11-29).
constexpr int64_t piece_bytes = 2048;

// By way of v, of an activation whose gradient is apart.
__attribute__((noinline)) int run_apart(const BackwardCall &call, const Slice &slice) {
    alignas(64) char memory[piece_bytes];
    Region region = call.plan.apply;
    const int64_t element = static_cast<int64_t>(call.plan.element()), most = piece_bytes / element;
    const int64_t row = region.s.extent;
    int64_t s = row, channels = slice.channels;
    int64_t &inner = region.layout == kernel_nhwc ? channels : s,
            &outer = region.layout == kernel_nhwc ? s : channels;
    inner = clamp(most, 1, inner);
    outer = clamp(most / inner, 1, outer);
    const int64_t rows = clamp(most / (inner * outer), 1, slice.rows);
    region.s.extent = s;
    region.c.extent = channels;
    region.n.extent = rows;
    const int index = add_dense_tensor(&region);
    return for_each_part(slice, row, s, channels, rows, [&](const Slice &piece, int64_t extent) {
        region.s.extent = extent;
        const int64_t before = piece.s * region.s.stride[index] + piece.c * region.c.stride[index] +
                               piece.n * region.n.stride[index];
        const void *const data = whole_of(memory, before * element);
        TensorView v(call.plan, region, index, data, piece);
        const int code = normalize(call, region, piece, v);
        return code != 0 ? code : follow(call, region, piece, {data, index});
    });
}

}  // namespace

int run_activation_gradient(const BackwardCall &call, const Slice &slice) {
    if (built::activate && is_apart(call.plan, activate_backward_kernels))
        return run_apart(call, slice);
    return run(call, slice);
}

}  // namespace halnorm
