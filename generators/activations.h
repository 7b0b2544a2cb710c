#pragma once
#include "Halide.h"

#include "activation_forms.h"

namespace halnorm {

// Every Expr has the type of the data. A form reads only its own: clamp lower and upper; leaky_relu
// and elu alpha.
struct ActivationParameters {
    Halide::Expr lower, upper, alpha;
    bool max_keeps_nan = false;  // Formulation's
};

// act(v) for v of type Float(32) or Float(64). NaN gives NaN, an infinity gives the limit of the
// function.
Halide::Expr activate(ActivationForm form, const Halide::Expr &v, const ActivationParameters &p);

// The same for a form known at run time: an int32 scalar. Selects among the forms of `built`; the
// schedule must specialize on form == k for every such k, so that one formula remains in each
// branch.
Halide::Expr activate(const Halide::Expr &form, const Halide::Expr &v,
                      const ActivationParameters &p, const ActivationSet &built);

// dy * act'(v) of those forms but leaky_relu, for a form known at run time. Of clamp alpha is the
// slope below `lower`, so that it serves leaky_relu too.
Halide::Expr activation_gradient(const Halide::Expr &form, const Halide::Expr &dy,
                                 const Halide::Expr &v, const ActivationParameters &p,
                                 const ActivationSet &built);

// dy times `below` where v <= lower, 0 where v >= upper, else dy; no limit where that is NaN. What
// a slope of 0 cuts off may be NaN or infinite.
Halide::Expr piecewise_gradient(const Halide::Expr &dy, const Halide::Expr &v,
                                const Halide::Expr &lower, const Halide::Expr &upper,
                                const Halide::Expr &below);

// The same with 0 below, and without the upper limit. Where masks_loads (Formulation's), a minimum
// of bits, which LLVM does not see through, cuts dy off.
Halide::Expr clamp_gradient(const Halide::Expr &dy, const Halide::Expr &v,
                            const Halide::Expr &lower, const Halide::Expr &upper, bool masks_loads);
Halide::Expr relu_gradient(const Halide::Expr &dy, const Halide::Expr &v, const Halide::Expr &lower,
                           bool masks_loads);

// v of y = act(v), and dy * act'(v) from y, with inverse = 1 / alpha, alpha > 0.
Halide::Expr leaky_relu_inverse(const Halide::Expr &y, const Halide::Expr &inverse);
Halide::Expr elu_inverse(const Halide::Expr &y, const Halide::Expr &inverse);
Halide::Expr elu_gradient_of_y(const Halide::Expr &dy, const Halide::Expr &y,
                               const Halide::Expr &alpha);

// x, or 0 (for NaN and infinity too) where keep, a scalar, is false.
Halide::Expr zero_unless(const Halide::Expr &keep, const Halide::Expr &x);

}  // namespace halnorm
