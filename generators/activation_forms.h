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
enum class ActivationForm : uint8_t {
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
//   clamp           likewise, and an upper limit, with 0 beyond it
//   piecewise       from x and dy, for all piecewise linear activations (clamp and leaky_relu)
//   of_leaky_relu   from y and dy; x = act^-1(y)
//   of_elu          likewise
//   scaled          dx = a * dy: neither x nor the statistics matter
enum class GradientForm : int32_t {
    identity,
    relu,
    clamp,
    piecewise,
    of_leaky_relu,
    of_elu,
    scaled
};

// The form of each halnorm_activation, in their order.
constexpr ActivationForm activation_form[] = {
    ActivationForm::clamp,  // none
    ActivationForm::clamp,  // relu
    ActivationForm::clamp,  // relu6
    ActivationForm::leaky_relu, ActivationForm::elu,  ActivationForm::sigmoid,
    ActivationForm::tanh,       ActivationForm::silu,
    ActivationForm::silu,   // swish
    ActivationForm::clamp,  // hardsigmoid
    ActivationForm::hardswish,  ActivationForm::gelu, ActivationForm::gelu_tanh,
    ActivationForm::softplus,   ActivationForm::mish,
};
constexpr int activation_count = sizeof activation_form / sizeof *activation_form;

// Activations that kernels are built for: bit k is halnorm_activation k. `none` is always there.
class ActivationSet {
public:
    static constexpr uint32_t all = (uint32_t{1} << activation_count) - 1;

    static constexpr int relu = 1, relu6 = 2, hardsigmoid = 9;  // as halnorm.h counts

    constexpr explicit ActivationSet(uint32_t bits) : bits_(bits | 1) {}

    constexpr bool has(int activation) const { return (bits_ >> activation & 1) != 0; }

    constexpr bool needs(ActivationForm form) const {
        for (int k = 0; k < activation_count; k++) {
            if (has(k) && activation_form[k] == form)
                return true;
        }
        return false;
    }

    // Whether clamp limits anything.
    constexpr bool clamps() const { return has(relu) || has(relu6) || has(hardsigmoid); }

    constexpr bool needs(GradientForm form) const {
        switch (form) {
        case GradientForm::relu:
            return has(relu);
        case GradientForm::clamp:
            return has(relu6) || has(hardsigmoid);
        case GradientForm::piecewise:
        case GradientForm::of_leaky_relu:
            return needs(ActivationForm::leaky_relu);
        case GradientForm::of_elu:
            return needs(ActivationForm::elu);
        case GradientForm::identity:
        case GradientForm::scaled:
            break;
        }
        return true;
    }

private:
    uint32_t bits_;
};

}  // namespace halnorm
