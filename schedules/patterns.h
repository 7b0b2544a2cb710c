// Shapes of loops that several schedules share, with what differs as constants. A schedule that
// wants another shape writes its own directives, as generic.cpp does.
//
// Loops are not partitioned (never_partition) where the other part would be a second copy of large
// code for a tail that is met once, or for nothing: of the loops over rows that are `where` in a
// block Halide keeps a last part with no iterations. Float32 sums, gradients and maps of relu for
// x86_avx2 were 168 KB with them and are 130; no time changed (2026-11-27).
#pragma once

#include <vector>

#include "schedule.h"

namespace halnorm {

// Of a processor: all forms apart, and what its instructions and vectors ask for.
Formulation of_processor(const Halide::Target &target, const Halide::Type &type);

// Adds up the `count` lanes (a power of two) that `sum` goes over, half by half in vectors of up to
// V, at a loop. Left to a vector's own sum they are added one after the other where a pipeline has
// strict arithmetic: 16 roundings instead of 4 (32 lanes had the variance 2.3e-6 wrong after an
// outlier in the first), and backward at 1x2048x7x7 takes 55 ns a channel instead of 44, at
// 8x64x56x56 9 % more (Zen 3, AVX2, float32, 2026-11-27).
void join_lanes(Halide::Func sum, Halide::RVar lane, int count, const Halide::LoopLevel &at, int V);

// Of a loop that is vectorized: a mask, where the machine has them.
Halide::TailStrategy tail_of(bool masked);

// Of a loop along rows that may be whole: one copy of what is in it, and not two. activate of
// generic on x86-64 is 5.4 KB so, and was 10.8.
Halide::TailStrategy tail_of(const Pointwise &g, Halide::TailStrategy otherwise);

// Halide 21 computes the first element alone where it is told to vectorize by 1.
void vectorize(Halide::Stage s, const Halide::VarOrRVar &v, int V,
               Halide::TailStrategy tail = Halide::TailStrategy::GuardWithIf);

// The chunks of long rows, channel by channel. Of the loops over rows a last part would have no
// iterations.
void long_rows(Halide::Stage s, const Sums &g);

// forms_share, of either tuning: the forms of a sum have all but the innermost loops in common.
// gradient_sums of none, relu and relu6 for AArch64 are 17 KB with it and 28 without. A machine of
// 16 registers then keeps accumulators in memory, and others test the form for each channel:
// backward at 1x1024x14x14 (NCHW, relu) 41 us without and 52 with it (AVX2), 40 and 41 (AVX-512),
// at 1x2048x7x7 30 and 36, 30 and 31 (Zen 5, float32, 2026-11-28).

// NCHW: V lanes along a row.
struct RowTuning {
    int V;
    int channels;       // whose sums over short rows are added together; a power of two
    bool masked_tails;  // the machine has masked loads and stores
    std::vector<int> constant_rows;  // row lengths that are worth code of their own
    int full_lanes =
        Sums::full_lane_count;  // of a long row in one pass over a chunk, two accumulators each
    int map_vectors = 1;  // of a row side by side, for a core that waits or counts instructions
    bool whole_units = false;      // of a long row, chunk_unit elements a step
    bool short_apart = false;      // loops of their own for rows shorter than all lanes
    bool constant_around = false;  // sums of constant_rows have the loops around them to themselves
    bool forms_share = false;
    int prefetch_bytes = 0;  // how far ahead, in kernels that may prefetch short rows
};
void shift_by_row(Shift &g, int V);
void sums_by_row(Sums &g, const RowTuning &t);
void map_by_row(Pointwise &g, const RowTuning &t);

// How far ahead, in bytes, a result is prefetched that is not stored past the cache. Without and
// with it, AVX-512, NCHW and NHWC, inference, training, backward: 1x1024x14x14 1.14, 1.09, 1.07;
// 1.06, 1.05, 1.02; 1x64x56x56 1.07, 1.07, 1.06; 1.11, 1.06, 1.08; 1x64x112x112 1.03, 1.20, 1.14;
// 1.05, 1.11, 1.09; 8x64x56x56 1.10, 1.24, 1.0; 1.09, 1.15, 1.0 times as fast; of 0.2 MB and less
// 0.98 to 1.02. AVX2 in NCHW 1.01 to 1.06, 1.04 to 1.07, 0.99 to 1.04, in NHWC 1.0 to 1.04, 1.02 to
// 1.05, 0.97 to 1.01, but 0.97 to 0.99 of 0.2 MB: left out. 3 KB are like 1 (relu, float32, a Xeon,
// family 6 model 207, whose L3 others load too, 2026-11-29).
constexpr int result_ahead = 1024;
// `loop` of a kernel that may do so.
void prefetch_result(Halide::Stage s, const Pointwise &g, const Halide::Var &loop);

constexpr int any_width = 1 << 30;  // for PanelTuning's limits of width

// NHWC: V channels side by side, in panels of some vectors, widest first. Widths that are no
// multiple of a panel take the next one, and in the end single vectors with a tail.
struct PanelTuning {
    int V;
    bool masked_tails;
    std::vector<int> sums_panels, map_panels;
    // Channels of a row up to which a panel keeps its coefficients over some rows.
    int narrow = 64;
    // Channels of a row, where an element needs three coefficients (fewer where it needs more),
    // above which wide_rows are taken together, wide_vectors at a time.
    int wide = any_width, wide_vectors = 4, wide_rows = 2;
    // Channels up to which a panel keeps six coefficients over some rows; 0: none does.
    int narrow_of_six = 0;
    // Channels whose accumulators for large tensors stay in L1; 0: panels for all.
    int sums_strip = 0, prefetched_strip = 0;      // the latter in kernels that may prefetch
    int strip_from = 0, strip_elements = 1 << 21;  // channels, and elements, from which on
    bool forms_share = false;
};
void shift_by_panel(Shift &g, int V);
void sums_by_panel(Sums &g, const PanelTuning &t);
void map_by_panel(Pointwise &g, const PanelTuning &t);

// One plain loop for each form. Of four tensors (activation_gradient) the rate is that of loads and
// stores: backward with relu and a z takes 0.95 to 1.02 of the time on average over seven shapes
// (NCHW, NHWC; AVX, AVX2, AVX-512; 7x7 in NCHW 1.02 to 1.09), and 8 KB less (Zen 5, 2026-11-28).
void plain_if_many_tensors(Pointwise &g);

// The small stages: V channels side by side.
void by_channel(Halide::Func f, const Halide::Var &c, int V, bool masked_tails);

}  // namespace halnorm
