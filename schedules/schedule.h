// What a schedule file defines: one function per stage. It is linked with the algorithm into a
// generator program of its own, so there is no registry and no switch on the target.
#pragma once

#include "stages.h"

namespace halnorm {

void schedule(Shift &, const Halide::Target &);
void schedule(Sums &, const Halide::Target &);
void schedule(Merge &, const Halide::Target &);
void schedule(PerChannel &, const Halide::Target &);
void schedule(Pointwise &, const Halide::Target &);

// How the formulas are written down, where that is the machine's to say.
struct Formulation {
    // Whether a form that a more general one covers, as relu is a piecewise linear one, has code of
    // its own: faster where each form has a loop, larger, and of no use where all share one.
    bool apart_in_sums = true, apart_in_pointwise = true;
    // Whether Halide's max and min are NaN where an operand is, so that a limit is one operation
    // and not a comparison and a selection.
    bool max_keeps_nan = false;
    // Whether the selection of dy or 0 becomes a load of dy under a mask, which waits for x: relu's
    // gradient is then written so that it does not.
    bool masks_loads = false;
    // Of the accumulators of what rows leave in NCHW (Sums::rest_lane_count).
    int rest_lanes = 16;
    // Lanes are threads: as many of them work as there are elements, and adding doubles costs them
    // nothing.
    bool lanes_are_threads = false;
};
Formulation formulation(const Halide::Target &, const Halide::Type &);

// Calls directives(stage, form) for each form, on the stage specialized to it: the form is chosen
// once per call, and only its own arithmetic stands in the loop.
template<typename Directives>
void each_form(Halide::Stage stage, const std::vector<Form> &forms, Directives directives) {
    if (forms.empty())
        return directives(stage, Form{Halide::Internal::const_true(), true});
    for (const Form &form : forms)
        directives(stage.specialize(form.condition), form);
    stage.specialize_fail("the form is none of the stage's");
}

}  // namespace halnorm
