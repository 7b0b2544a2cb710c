#pragma once
#include <cstdint>

namespace halnorm {

// The formulas that the kernels contain. Several user-visible activations are the same formula with other parameters:
//
//   name                                            form              parameters
//   none, relu, relu6, leaky_relu, hardsigmoid      piecewise_linear  slope, lower, upper (hardsigmoid: its factor and
//                                                                     its 0.5 are folded into scale and offset)
//   hardswish                                       hardswish
//   sigmoid                                         sigmoid
//   silu, swish                                     silu              (two names of one function)
//   tanh                                            tanh
//   elu                                             elu               alpha
//   gelu                                            gelu
//   gelu_tanh                                       gelu_tanh
//   softplus                                        softplus
//   mish                                            mish
//
// The numbers are passed to the kernels as an int32 argument: the generators and the runtime must agree on them.
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
