// What a schedule file defines: one function per stage. It is linked with the algorithm into a
// generator program of its own, so there is no registry and no switch on the target.
#pragma once

#include "activation_forms.h"
#include "stages.h"

namespace halnorm {

void schedule(Shift &, const Halide::Target &);
void schedule(Sums &, const Halide::Target &);
void schedule(Merge &, const Halide::Target &);
void schedule(BatchCoefficients &, const Halide::Target &);
void schedule(MovingCoefficients &, const Halide::Target &);
void schedule(Normalize &, const Halide::Target &);

// Calls directives(stage, form) for each form of activation, on y specialized to it: the form is
// chosen once per call, and only its own arithmetic stands in the loop.
template<typename Directives>
void each_activation(Normalize &g, Directives directives) {
    for (int form = 0; form < static_cast<int>(ActivationForm::count); form++) {
        directives(g.y.specialize(g.form == form), static_cast<ActivationForm>(form));
    }
    g.y.specialize_fail("form is not an ActivationForm");
}

}  // namespace halnorm
