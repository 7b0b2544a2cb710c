// variant: arm_neon, 64- and 32-bit.
#include "patterns.h"

namespace halnorm {

using Halide::Target;

namespace {

// Cycles by llvm-mca 14 of inner loops in float32, for whole rows and panels; no machine was
// measured.
//
// 16 registers hold the accumulators of 4 vectors, 32 those of 8. On ARMv7 sums of 32 elements in
// one pass, which spills, and in two: Cortex-A9 79, 47; Cortex-A57 32, 21. 4 vectors of relu side
// by side, as Cortex-A9 and Cortex-A55 do nothing while they wait. One vector, 4 at a time:
// Cortex-A9 30, 11; Cortex-A55 21, 9.0; Cortex-A57 4.5, 4.3; Cortex-A76 6.0, 5.8.
//
// Beside the accumulators of 8 vectors the numbers of a gradient's form do not fit either: of relu
// 96 instructions per 8 vectors in one pass, 76 in two, of relu6 113 and 88; of none 36 and 41.
RowTuning rows(const Target &target, Halide::Type type) {
    const int V = target.natural_vector_size(type);
    RowTuning t = {V, 8, false, {}, (target.bits == 64 ? 8 : 4) * V, 4};
    t.forms_share = target.bits == 64;
    return t;
}

// Sums of 16 channels on ARMv7 with a panel of 4, which spills, and two of 2: Cortex-A9 35, 28;
// Cortex-A57 18, 10. On AArch64 with a panel of 4: Cortex-A55 21, Cortex-A76 12.
//
// relu of 16 channels with the coefficients in registers over some rows, and loaded with each row:
// Cortex-A55 37, 63; Cortex-A76 23, 29. On ARMv7 two vectors and their coefficients fit. Gradients
// of relu for 16 channels (six coefficients, panels of 2): Cortex-A55 72, 113; Cortex-A76 30, 42;
// Neoverse N1 26, 41. On ARMv7 with panels of 1: Cortex-A9 96, 72; Cortex-A57 24, 42; left out. So
// for every width: wide rows in pairs, as x86 takes them, cost a vector of relu 11.6 cycles instead
// of 9.3 (Cortex-A55) or 6.1 instead of 5.8 (Cortex-A76), and 3 KB.
//
// Panels of half as many vectors are for 24, 40, 56 channels and what folds to such: 3 KB of
// training. Statistics of 1800 x 17 then take 2.4 instructions an element, 3.9 vector by vector.
PanelTuning panels(const Target &target, Halide::Type type) {
    const bool wide = target.bits == 64;
    PanelTuning t = {target.natural_vector_size(type), false, {2}, {2}, any_width};
    if (wide)
        t.sums_panels = t.map_panels = {4, 2};
    t.narrow_of_six = wide ? any_width : 0;
    t.forms_share = wide;
    return t;
}

}  // namespace

Formulation formulation(const Target &target, const Halide::Type &type) {
    return of_processor(target, type);
}

void schedule(Shift &g, const Target &target) {
    if (g.layout == Layout::nchw)
        return shift_by_row(g, target.natural_vector_size(g.type));
    shift_by_panel(g, target.natural_vector_size(g.type));
}

void schedule(Sums &g, const Target &target) {
    if (g.layout == Layout::nhwc)
        return sums_by_panel(g, panels(target, g.type));
    RowTuning t = rows(target, g.type);
    if (!g.forms.empty())
        t.full_lanes = 4 * t.V;
    sums_by_row(g, t);
}

// They compute in double. Vectors of as many as there are float32 are two registers each: 5 KB more
// for what training calls.
void schedule(Merge &g, const Target &target) {
    by_channel(g.merged, g.c, target.natural_vector_size(Halide::Float(64)), false);
}

void schedule(PerChannel &g, const Target &target) {
    by_channel(g.values, g.c, target.natural_vector_size(Halide::Float(64)), false);
}

void schedule(Pointwise &g, const Target &target) {
    g.layout == Layout::nchw ? map_by_row(g, rows(target, g.type)) :
                               map_by_panel(g, panels(target, g.type));
}

}  // namespace halnorm
