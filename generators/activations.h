#pragma once
#include "Halide.h"

#include "activation_forms.h"

namespace halnorm {

// Every member has the type of the data. A form reads only its own: clamp lower and upper;
// leaky_relu and elu alpha.
struct ActivationParameters {
    Halide::Expr lower, upper, alpha;
};

// act(v) for v of type Float(32) or Float(64). NaN gives NaN, an infinity gives the limit of the
// function.
Halide::Expr activate(ActivationForm form, const Halide::Expr &v, const ActivationParameters &p);

// The same for a form known at run time: an int32 scalar. Selects among all forms; the schedule
// must specialize on form == k for every k, so that one formula remains in each branch.
Halide::Expr activate(const Halide::Expr &form, const Halide::Expr &v,
                      const ActivationParameters &p);

}  // namespace halnorm
