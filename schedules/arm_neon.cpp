// variant: arm_neon, 64- and 32-bit.
#include "patterns.h"

namespace halnorm {

using Halide::Target;

namespace {

RowTuning rows(const Target &target, Halide::Type type) {
    return {target.natural_vector_size(type), 8, false, {}};
}

PanelTuning panels(const Target &target, Halide::Type type) {
    return {target.natural_vector_size(type), false, {4}, {4}};
}

}  // namespace

void schedule(Shift &g, const Target &target) {
    if (g.layout == Layout::nchw) return shift_by_row(g);
    by_channel(g.shift, g.c, target.natural_vector_size(g.type), false);
}

void schedule(Sums &g, const Target &target) {
    g.layout == Layout::nchw ? sums_by_row(g, rows(target, g.type)) : sums_by_panel(g, panels(target, g.type));
}

void schedule(Merge &g, const Target &target) {
    by_channel(g.moments, g.c, target.natural_vector_size(g.type), false);
}

void schedule(BatchCoefficients &g, const Target &target) {
    by_channel(g.coefficients, g.c, target.natural_vector_size(g.type), false);
}

void schedule(MovingCoefficients &g, const Target &target) {
    by_channel(g.coefficients, g.c, target.natural_vector_size(g.type), false);
}

void schedule(Normalize &g, const Target &target) {
    g.layout == Layout::nchw ? normalize_by_row(g, rows(target, g.type)) : normalize_by_panel(g, panels(target, g.type));
}

}  // namespace halnorm
