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

}  // namespace halnorm
