#pragma once
#include <cstdint>

namespace halnorm {

// The formulas that the kernels contain. Several user-visible activations are the same formula with
// other parameters:
//
//   names                               form              parameters
//   none, relu, relu6                   clamp             lower, upper
//   hardsigmoid                         clamp             lower 0, upper 1; its factor and its 0.5
//                                                         are folded into scale and offset
//   leaky_relu, elu                     of the same name  alpha
//   silu, swish                         silu              (two names of one function)
//   hardswish, sigmoid, tanh, gelu,     of the same name
//   gelu_tanh, softplus, mish
//
// The numbers are passed to the kernels as an int32 argument: the generators and the runtime must
// agree on them.
enum class ActivationForm : int32_t {
    clamp,
    leaky_relu,
    hardswish,
    sigmoid,
    silu,
    tanh,
    elu,
    gelu,
    gelu_tanh,
    softplus,
    mish,
    count
};

// How a kernel of the backward pass comes by g = dy * act'(v) and by the deviation d of x:
//
//   identity        g = dy; d of x, or of y where act is none
//   relu            from x and dy: a lower limit, and 0 below it
//   piecewise       from x and dy, for all piecewise linear activations (clamp and leaky_relu)
//   of_leaky_relu   from y and dy; x = act^-1(y)
//   of_elu          likewise
//   scaled          dx = a * dy: neither x nor the statistics matter
enum class GradientForm : int32_t { identity, relu, piecewise, of_leaky_relu, of_elu, scaled };

}  // namespace halnorm
