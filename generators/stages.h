// The stages of batch normalization: everything that a schedule may touch.
//
// The algorithm is written once, in batch_norm.cpp, over logical coordinates (s, c, n): s =
// position within a channel's row, c = channel, n = row. In NCHW memory s is innermost and n counts
// images; in NHWC memory c is innermost and, as pixels and images fold into one dimension, s
// usually has extent 1 and n counts pixels. A stage's kernel computes just the region of its
// outputs that the caller asks for and is serial: the runtime walks over regions, so that what a
// stage leaves in the cache the next one finds there.
//
// Each schedule is a file that defines the functions declared in schedules/schedule.h over these
// structs.
#pragma once

#include <Halide.h>

namespace halnorm {

enum class Layout { nchw, nhwc };

// Where deviations are counted from, per channel and block of rows: the median of the means of 8
// elements at the block's start, middle and end. Near the mean of most data, and no single outlier
// moves it far.
struct Shift {
    Halide::Var c{"c"}, b{"b"};   // channel, block
    Halide::Func shift{"shift"};  // (c, b), output
    Halide::Expr row;             // extent of x in s
    static constexpr int neighbours = 8;
    Layout layout = Layout::nchw;
    Halide::Type type;  // of x
};

// Sums of deviations per channel and block: the only stage that reads all of x to reduce it.
//
//     d          = x - shift
//     sums(c, b) = (sum of d, sum of d * d), double
//
// An accumulator of x's type takes only a few dozen addends before it is added to a double: `full`
// sums chunk_s consecutive elements of one row, `rest` what remains of chunk_n rows (all of it,
// where a row is shorter than a chunk).
struct Sums {
    Halide::Var l{"l"}, c{"c"}, b{"b"};  // lane, channel, block
    Halide::Var p{"p"}, n{"n"}, q{"q"};  // part of a row, row; group of chunk_n rows
    Halide::Func full_lanes{
        "full_lanes"};  // (l, p, c, n, b) = (sum d, sum d^2), x's type; update(0) over in_full
    Halide::Func full{
        "full"};  // (p, c, n, b); update(0) over full_lane; double on a GPU, like `rest`
    Halide::Func rest_lanes{
        "rest_lanes"};          // (l, c, q, b), likewise; update(0) over in_rest = (vector,
                                // row), update(1) the tails of rows, over in_tail = (row)
    Halide::Func rest{"rest"};  // (c, q, b); update(0) over rest_lane
    Halide::Func sums{
        "sums"};  // (c, b), output; update(0) over fulls = (part, row), update(1) over rests
    Halide::RDom in_full, full_lane, fulls, in_rest, in_tail, rest_lane, rests;
    Halide::Expr width, row;  // extents of x in c and in s: what kernels are specialized on
    Layout layout = Layout::nchw;
    Halide::Type type;  // of x

    // In NCHW an accumulator is this many lanes side by side: one or two vectors of AVX-512, two to
    // eight of NEON, a warp. In NHWC channels are side by side, and there is one lane.
    static constexpr int full_lane_count = 32;
    int rest_lane_count = 16;
    static constexpr int chunk_unit = 64;  // chunk_s is a multiple of this, in NHWC of a quarter
};

// Blocks of one channel to its mean and M2 = sum((x - mean)^2), by Chan's formula in double. excess
// is how much larger the sums of squares were than the blocks' own M2 because a shift is not its
// block's mean: errors of the sums grow by the factor 1 + excess / M2. Where the caller folds f
// rows into one row of f * C channels, blocks (c, b), (C + c, b) ... belong to channel c.
struct Merge {
    Halide::Var c{"c"};
    Halide::RDom blocks;              // (fold, block)
    Halide::Func total{"total"};      // (c); update(0) over blocks
    Halide::Func moments{"moments"};  // (c) = (mean, m2, excess), output
    Halide::Type type;
};

// Per channel: what normalization needs, from the statistics of the batch or from the moving ones.
struct BatchCoefficients {
    Halide::Var c{"c"};
    Halide::Func coefficients{
        "coefficients"};  // (c) = (inv_std, moving mean, moving variance, center, scale, offset)
    Halide::Type type;
};
struct MovingCoefficients {
    Halide::Var c{"c"};
    Halide::Func coefficients{"coefficients"};  // (c) = (center, scale, offset)
    Halide::Type type;
};

// y = act((x - center) * scale + offset), one read and one write.
struct Normalize {
    Halide::Var s{"s"}, c{"c"}, n{"n"};
    Halide::Expr form;        // ActivationForm, the same for the whole call: specialize on it
    Halide::Func y{"y"};      // (s, c, n), output
    Halide::Expr width, row;  // its extents in c and in s
    Layout layout = Layout::nchw;
    Halide::Type type;
};

}  // namespace halnorm
