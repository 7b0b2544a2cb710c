// variants: x86_avx and x86_avx2 (with fma).
#include "patterns.h"

namespace halnorm {

using Halide::Target;

namespace {

// NCHW. Nothing is stored under a mask: vmaskmovps to memory is microcoded on Zen 3, and a load of
// what it stored waits. Training at 4x512x7x7 86 us with masks, 34 without; 4x128x14x14 35 and 26.
// Code of its own for rows of 49: training at 4x512x7x7 34 us instead of 41, inference 13 instead
// of 20. Four vectors of a long row at a time: inference at 1x128x28x28 11.2 us instead of 12.2;
// memcpy 10.6 (all in L2, float32, 2026-11-26). Of 196: inference at 1x1024x14x14 37 us instead of
// 46, memcpy 25; training at 1x512x14x14 in float64 60 instead of 84 (2026-11-27).
//
// Long rows go two steps of 32 elements at once: a load then meets every second or fourth cache
// line only, and Zen 5's prefetchers run further ahead. One step and two, us: training at
// 32x512x28x28 4736, 3987 (AVX-512 4196, 3570), 8x256x56x56 1785, 1596 (1488, 1400), backward with
// relu 5872, 5081 (5209, 4471) and 2745, 2441 (2422, 2164); in cache the same (2026-11-27).
//
// What short and constant rows gain by loops of their own: x86_avx512.cpp.
RowTuning rows(const Target &target, Halide::Type type) {
    RowTuning t = {
        target.natural_vector_size(type), 16, false, {49, 196}, Sums::full_lane_count, 4};
    t.whole_units = true;
    t.short_apart = t.constant_around = true;
    t.prefetch_bytes = 1536;
    return t;
}

// NHWC. A panel of 4 fills 16 registers, one of 8 keeps two accumulators in memory: training on
// Zen 3, us: 512x64 9.8 instead of 11.6, 1568x1024 1410 instead of 1970. That of 2
// is for the other multiples of 16 that rows are folded to: training at 8x17x30x30 33 us, in single
// vectors 57. One of 5 for C = 100, folded to rows of 400, gained nothing beside it: training at
// 8x100x28x28 41 % of memcpy's rate with both, and 7 KB. Strips have 8 KB of sums, so that a call
// stays below 16 KB of stack; in float64, of 512 channels instead of 1024: backward at 8x1024x28x28
// 23.0 ms instead of 21.2, at 8x128x56x56 10.1 instead of 10.9 (2026-11-27).
PanelTuning panels(const Target &target, Halide::Type type) {
    PanelTuning t = {target.natural_vector_size(type), true, {4, 2}, {4}};
    t.wide = 1024;
    t.sums_strip = 4096 / type.bytes();
    return t;
}

}  // namespace

Formulation formulation(const Target &target, const Halide::Type &type) {
    return of_processor(target, type);
}

void schedule(Shift &g, const Target &target) {
    if (g.layout == Layout::nchw)
        return shift_by_row(g, target.natural_vector_size(g.type));
    // Whole cache lines: where rows are a power of two apart, 24 of them do not fit into L1 side by
    // side. At 1x2048x7x7 7.0 us; in single vectors 10.9.
    by_channel(g.shift, g.c, 2 * target.natural_vector_size(g.type), true);
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
    plain_if_many_tensors(g);
    g.layout == Layout::nchw ? map_by_row(g, rows(target, g.type)) :
                               map_by_panel(g, panels(target, g.type));
}

}  // namespace halnorm
