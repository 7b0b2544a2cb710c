// variant: x86_avx512.
#include "patterns.h"

namespace halnorm {

using Halide::Target;

namespace {

// NCHW. Code of its own for rows of 49 made training 5 to 10 % faster at 8x2048x7x7 and 8x1280x7x7
// and cost 4 KB (Xeon, family 6 model 167, 2 MB of L2, float32, 2026-11-23, with the loops of that
// time). For rows of 196: training at 1x1024x14x14 31.9 us, now 29.8, 8x1024x14x14 213, 192,
// 32x1024x14x14 1877, 1368, also for 4 KB. In gradient_sums left out: 1.07 for 38 KB, or 0.96 to
// 0.99. Without loops of their own around them these sums are 3 KB smaller, and training 1.02 times
// as fast (1x1024x14x14 30.0 and 28.2, 8x2048x7x7 120 and 115); with 16 registers 0.97, AVX2 24.2
// and 25.1 at 1x2048x7x7 (Zen 5, float32, 2026-11-28). Two steps of 128 bytes at once in long rows:
// x86_avx.cpp (Zen 5, float32, 2026-11-27).
//
// Rows shorter than the lanes apart: where one loop serves all, accumulators are in memory for the
// sake of the short. backward at 1x2048x7x7 29.3 us, now 26.9, 1x1024x14x14 40.2 and 39.9
// (AVX-512), 28.9 and 27.2, 40.4 and 39.3 (AVX2), for 1 KB (Zen 5, float32, 2026-11-28).
RowTuning rows(const Target &target, Halide::Type type) {
    RowTuning t = {target.natural_vector_size(type), 16, true, {49, 196}};
    t.whole_units = true;
    t.short_apart = true;
    t.prefetch_bytes = 1536;
    return t;
}

// NHWC. 512 bytes of a row at a time over the rows of a chunk: 16 accumulators and 8 shifts in zmm
// registers. The panel of 5 is for C = 100, folded to rows of 400. Normalize: one row at a time, 4
// vectors. What Zen 3 gained by (x86_avx.cpp) lost here: inference at 8x2048x7x7 with rows in pairs
// 75 to 88 % of memcpy, one at a time 95 to 98; training at 8x32x112x112 with sums in strips 57 %,
// in panels 65 (Xeon with 2 MB of L2, 2026-11-27). Six coefficients of 32 channels in registers
// over eight rows: backward at 1x64x112x112 151 us, now 143 (relu, Zen 5, 2026-11-28).
//
// Coefficients of more than 30 KB do not stay in L1 beside the rows, and are loaded for four rows
// at once: inference of 64x4096 40 us, now 28, 4x4096x7x7 120 and 83, training 173 and 137,
// backward 261 and 249, 8x2048x7x7 268 and 244; of 8x1280x7x7 it would be 0.94 times as fast. Two
// or four vectors of four rows gain 2 to 4 % more and cost 4 and 8 KB (relu, Zen 5, 2026-11-28).
PanelTuning panels(const Target &target, Halide::Type type) {
    PanelTuning t = {target.natural_vector_size(type), true, {8, 5, 4}, {4}};
    t.wide = 10240 / type.bytes();
    t.wide_vectors = 1;
    t.wide_rows = 4;
    t.narrow_of_six = 64;
    t.prefetched_strip = 4096 / type.bytes();
    t.strip_from = 256;
    return t;
}

}  // namespace

Formulation formulation(const Target &target, const Halide::Type &type) {
    return of_processor(target, type);
}

void schedule(Shift &g, const Target &target) {
    if (g.layout == Layout::nchw)
        return shift_by_row(g, target.natural_vector_size(g.type));
    by_channel(g.shift, g.c, target.natural_vector_size(g.type), true);
}

void schedule(Sums &g, const Target &target) {
    if (g.layout == Layout::nchw)
        return sums_by_row(g, rows(target, g.type));
    PanelTuning t = panels(target, g.type);
    if (g.forms.empty())
        t.strip_elements *= 2;
    sums_by_panel(g, t);
}

void schedule(Merge &g, const Target &target) {
    by_channel(g.merged, g.c, target.natural_vector_size(g.type), true);
}

void schedule(PerChannel &g, const Target &target) {
    by_channel(g.values, g.c, target.natural_vector_size(g.type), true);
}

void schedule(Pointwise &g, const Target &target) {
    plain_if_many_tensors(g);
    g.layout == Layout::nchw ? map_by_row(g, rows(target, g.type)) :
                               map_by_panel(g, panels(target, g.type));
}

}  // namespace halnorm
