#pragma once
#include <cstdint>

namespace halnorm {

// The formulas that the kernels contain. Several user-visible activations are the same formula with
// other parameters:
//
//   names                               form              parameters
//   none, relu, relu6, leaky_relu       piecewise_linear  slope, lower, upper
//   hardsigmoid                         piecewise_linear  slope 1, lower 0, upper 1; its factor and
//                                                         its 0.5 are folded into scale and offset
//   silu, swish                         silu              (two names of one function)
//   elu                                 elu               alpha
//   hardswish, sigmoid, tanh, gelu,     of the same name
//   gelu_tanh, softplus, mish
//
// The numbers are passed to the kernels as an int32 argument: the generators and the runtime must
// agree on them.
enum class ActivationForm : int32_t {
    piecewise_linear,
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

}  // namespace halnorm
