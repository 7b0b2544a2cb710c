// The stages of batch normalization: everything that a schedule may touch.
//
// The algorithm is written once, in forward.cpp and backward.cpp, over logical coordinates
// (s, c, n): s = position within a channel's row, c = channel, n = row. In NCHW memory s is
// innermost and n counts images; in NHWC memory c is innermost and, as pixels and images fold into
// one dimension, s usually has extent 1 and n counts pixels. A stage's kernel computes just the
// region of its outputs that the caller asks for and is serial: the runtime walks over regions, so
// that what a stage leaves in the cache the next one finds there.
//
// Stages of one shape share a struct: a schedule says once how all rows are summed, how all
// elements are mapped. Each schedule is a file that defines what schedules/schedule.h
// declares over these structs.
#pragma once

#include <Halide.h>

#include <string>
#include <vector>

#include "agreed.h"

namespace halnorm {

enum class Layout { nchw, nhwc };

// Where deviations are counted from, per channel and block of rows: the median of the means of 8
// elements at the block's start, middle and end (place 0, 1, 2). Near the mean of most data, and no
// single outlier moves it far. The means are summed as trees: a Func that a schedule leaves alone
// is inlined, one that it computes can be vectorized over i.
struct Shift {
    Halide::Var c{"c"}, b{"b"};      // channel, block
    Halide::Var i{"i"}, p{"place"};  // element, place
    static constexpr int neighbours = 8;
    Halide::Func differences{"differences"};  // (i, p, c, b), i < 8
    Halide::Func halves{"halves"};            // likewise, i < 4
    Halide::Func quarters{"quarters"};        // i < 2
    Halide::Func shift{"shift"};              // (c, b), output
    Halide::Expr width, row;                  // extents of x in c and s
    Layout layout = Layout::nchw;
    Halide::Type type;  // of x
};

// A formula that a stage contains, and the condition under which a call means it: the same for the
// whole call, so a schedule specializes on it.
struct Form {
    Halide::Expr condition;
    bool cheap;  // bound by memory, and worth its code; others are bound by arithmetic, or rare
    int coefficients = 3;  // numbers per channel that an element needs, of Pointwise
};

// A loop of a kernel that may prefetch, which a schedule renames so: where it loads whole vectors
// of `prefetched` tensors, or stores those of a result that is, what lies so many bytes further on,
// or as `ahead` says, is prefetched (generators/prefetch.h).
constexpr const char prefetching_loop[] = "prefetching_";
inline Halide::Var prefetching(int bytes) {
    return Halide::Var(prefetching_loop + std::to_string(bytes));
}

// Sums of two terms per element, by channel and block: the stages that read all of a tensor to
// reduce it. `terms`, of x's type, are
//
//     sums            d = x - shift: (d, d * d)
//     gradient_sums   g = dy * act', d = x - center: (g, g * d)
//
// An accumulator of x's type takes only a few dozen addends before it is added to a double: `full`
// sums chunk_s consecutive elements of one row, `rest` what remains of chunk_n rows (all of it,
// where a row is shorter than a chunk).
struct Sums {
    Halide::Var l{"l"}, c{"c"}, b{"b"};  // lane, channel, block
    Halide::Var p{"p"}, n{"n"}, q{"q"};  // part of a row, row; group of chunk_n rows
    Halide::Func full_lanes{
        "full_lanes"};  // (l, p, c, n, b) = sums of terms, x's type; update(0) over in_full
    Halide::Func full{
        "full"};  // (p, c, n, b); update(0) over full_lane; double on a GPU, like `rest`
    Halide::Func rest_lanes{
        "rest_lanes"};          // (l, c, q, b), likewise; update(0) over in_rest = (vector,
                                // row), update(1) the tails of rows, over in_tail = (row); in
                                // NCHW on a CPU update(2) rows shorter than all lanes, over
                                // in_short = (element, row)
    Halide::Func rest{"rest"};  // (c, q, b); update(0) over rest_lane
    Halide::Func sums{
        "sums"};  // (c, b), output; update(0) over fulls = (part, row), update(1) over rests
    Halide::RDom in_full, full_lane, fulls, in_rest, in_tail, in_short, rest_lane, rests;
    // The tensors, of a kernel that may prefetch them (generators/memory_hints.cpp), else none.
    std::vector<Halide::Parameter> prefetched;
    std::vector<Form> forms;
    Halide::Expr cheap = Halide::Internal::const_true();  // the form is cheap
    Halide::Expr width, row, rows;  // extents of x in c, s and n: what kernels are specialized on
    Halide::Expr chunk_s;           // elements of a row that `full` sums
    Halide::Expr stride;            // of x in n: times rows what the whole takes, not a slice of c
    Halide::Expr ahead;  // elements to what is read next, for a schedule that prefetches to set
    Layout layout = Layout::nchw;
    Halide::Type type;  // of x

    // In NCHW an accumulator is this many lanes side by side: one or two vectors of AVX-512, two to
    // eight of NEON, a warp. In NHWC channels are side by side, and there is one lane.
    static constexpr int full_lane_count = 32;
    int rest_lane_count = 0;  // Formulation's
};

// Per channel, from the sums of its blocks in double:
//
//     merge                 mean and M2 = sum((x - mean)^2), by Chan's formula, and how much larger
//                           the sums of squares were than the blocks' own M2 because a shift is not
//                           its block's mean: errors of the sums grow by the factor 1 + excess / M2
//     parameter_gradients   sums of g and of g * xhat: dbeta and dgamma
//
// Where the caller folds f rows into one row of f * C channels, blocks (c, b), (C + c, b) ...
// belong to channel c.
struct Merge {
    Halide::Var c{"c"};
    Halide::RDom blocks;            // (fold, block)
    Halide::Func total{"total"};    // (c); update(0) over blocks
    Halide::Func merged{"merged"};  // (c), output
    Halide::Type type;
};

// Per channel, from the channel's statistics and parameters: what the stages over all elements
// need.
struct PerChannel {
    Halide::Var c{"c"};
    Halide::Func values{"values"};  // (c), output
    Halide::Type type;
};

// Element by element, in one pass over all of the tensors:
//
//     normalize             y = act((x - center) * scale + offset)
//     normalize_add         y = act((x - center) * scale + offset + z * factor)
//     activate              y = act(y), of variants that have activations apart
//     activation_gradient   g = dy * act'(as above)
//     activate_backward     g = dy * act'(v), of variants that have activations apart
//     input_gradient        dx = a * g + b * (x - center) + c
struct Pointwise {
    Halide::Var s{"s"}, c{"c"}, n{"n"};
    std::vector<Form> forms;
    Halide::Func y{"y"};              // (s, c, n), output
    Halide::Expr at_s = s, at_c = c;  // where an element of it is
    Halide::RDom lines;               // (lane, line, within, channel), of a kernel by_line()
    Halide::Expr width, row, rows;    // its extents in c, s and n
    int tensors = 2;                  // that are read, and y
    Layout layout = Layout::nchw;
    Halide::Type type;

    // Rows are a multiple of row_unit elements (runtime/whole_rows.h): they have no tails.
    bool whole_rows = false;

    // A kernel whose stores go past the cache (generators/memory_hints.cpp): all of those to y have
    // to be whole vectors. In NHWC it is called where every row of y, along c, begins at a multiple
    // of 16 bytes and is as long as whole cache lines.
    //
    // In NCHW it stores the whole cache lines of images whose channels lie one behind the other,
    // and nothing else of them: `y` is undefined but for an update over `lines`, where s counts on
    // from one row into the next. A line begins at the least s that the caller shows, of channel 0
    // in the first image. A channel has the lines within its row and, unless it is cut off, the one
    // that it begins within (`within` of 1 and 0).
    bool streaming = false;
    std::vector<Halide::Parameter> prefetched;  // the tensors that such a kernel reads
    Halide::Expr ahead;  // elements to what the caller reads next; 0: it does not say

    // A kernel that may prefetch where y is stored next: the loops that are named so do.
    bool prefetches_result = false;

    // For a schedule to set that masks the tails of rows: those that are no multiple of 16 bytes
    // are stored element by element, not under their mask (tails.h).
    bool odd_tails_singly = false;

    int line() const { return 64 / type.bytes(); }  // elements
    bool by_line() const { return streaming && layout == Layout::nchw; }
};

}  // namespace halnorm
