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

// Whether a form that a more general one covers, as relu is a piecewise linear one, has code of its
// own: faster where each form has a loop, larger, and of no use where all share one.
struct CoveredForms {
    bool apart_in_sums = true, apart_in_pointwise = true;
};
extern const CoveredForms covered_forms;

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
