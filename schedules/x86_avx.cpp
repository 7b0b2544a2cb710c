// variants: x86_avx and x86_avx2 (with fma).
#include "patterns.h"

namespace halnorm {

using Halide::Target;

namespace {

// NCHW. 16 channels share the walk over short rows: their accumulators fill 2 KB of L1, and a 7x7
// row of all of them is 3 KB in sequence. Code of its own for rows of 49 makes training 5 to 10 %
// faster at 8x2048x7x7 and 8x1280x7x7 and costs 4 KB; for rows of 196 it gained nothing
// (8x1024x14x14; Xeon, family 6 model 167, 2 MB of L2, float32, 2026-11-23).
RowTuning rows(const Target &target, Halide::Type type) {
    return {target.natural_vector_size(type), 16, true, {49}};
}

// NHWC. Panels as for AVX-512, in vectors half as long; a panel of 8 needs 24 values in 16
// registers and spills some, and is still as fast as 4 from L3 and faster from memory.
PanelTuning panels(const Target &target, Halide::Type type) {
    return {target.natural_vector_size(type), true, {8, 4}, {4}};
}

}  // namespace

void schedule(Shift &g, const Target &target) {
    if (g.layout == Layout::nchw)
        return shift_by_row(g);
    by_channel(g.shift, g.c, target.natural_vector_size(g.type), true);
}

void schedule(Sums &g, const Target &target) {
    g.layout == Layout::nchw ? sums_by_row(g, rows(target, g.type)) :
                               sums_by_panel(g, panels(target, g.type));
}

void schedule(Merge &g, const Target &target) {
    by_channel(g.merged, g.c, target.natural_vector_size(g.type), true);
}

void schedule(PerChannel &g, const Target &target) {
    by_channel(g.values, g.c, target.natural_vector_size(g.type), true);
}

void schedule(Pointwise &g, const Target &target) {
    g.layout == Layout::nchw ? map_by_row(g, rows(target, g.type)) :
                               map_by_panel(g, panels(target, g.type));
}

}  // namespace halnorm
