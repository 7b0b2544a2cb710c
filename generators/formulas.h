// What the stages of both passes are written with.
#pragma once

#include "activations.h"
#include "prefetch.h"
#include "schedule.h"
#include "stages.h"
#include "tails.h"

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <vector>

namespace halnorm {

using Halide::cast;
using Halide::clamp;
using Halide::Expr;
using Halide::Float;
using Halide::Func;
using Halide::min;
using Halide::RDom;
using Halide::select;
using Halide::strict_float;
using Halide::Tuple;
using Halide::Type;
template<typename T>
using Buffer = Halide::Buffer<T>;
template<typename T>
using Input = Halide::GeneratorInput<T>;
template<typename T>
using Output = Halide::GeneratorOutput<T>;

inline const std::map<std::string, Layout> layouts = {{"nchw", Layout::nchw},
                                                      {"nhwc", Layout::nhwc}};

// The bits of an ActivationSet, of the stages that know activations.
struct Activations : Halide::GeneratorParam<uint32_t> {
    Activations() : GeneratorParam("activations", ActivationSet::all) {}
    ActivationSet set() const { return ActivationSet(value()); }
};

inline Expr real(const Expr &e) {
    return cast<double>(e);
}

// The innermost dimension of x and y: s in NCHW, c in NHWC. The other strides are the caller's.
template<typename Parameter>
void dense_in(Layout layout, Parameter &&x) {
    if (layout == Layout::nhwc) {
        x.dim(0).set_stride(Expr());
        x.dim(1).set_stride(1);
    }
}

// Coordinates count from 0, but for the blocks of sums. Left open, they are subtracted buffer by
// buffer around every loop: kernels of training for AArch64 are a seventh larger, and on x86
// training in cache takes 1 to 4 % longer (2026-11-28).
template<typename T>
void from_zero(Input<Buffer<T>> &buffer, int dimensions = 3, int first = 0) {
    for (int i = first; i < std::min(dimensions, buffer.dimensions()); i++)
        buffer.dim(i).set_min(0);
}

// What is set of the first buffer of a tuple holds for all.
inline void from_zero(const Func &result, int dimensions = 3, int first = 0) {
    Halide::OutputImageParam buffer = result.output_buffers()[0];
    for (int i = first; i < std::min(dimensions, result.dimensions()); i++)
        buffer.dim(i).set_min(0);
}

template<typename... Buffers>
void all_from_zero(Buffers &...buffers) {
    (from_zero(buffers), ...);
}

// y = (x - center) * scale + offset. The double mean is split into center + rest, and the rest
// joins the offset, so that y of data at 1e6 + N(0, 1) is as good as y of N(0, 1), and nothing is
// left to reassociate.
Tuple coefficients_of(const Expr &mean, const Expr &inv_std, const Expr &gamma, const Expr &beta,
                      Type t);

// 1 / sqrt(variance + epsilon); 0 where that sum is 0 or infinite, NaN where it is negative.
Expr inverse_deviation(const Expr &variance, const Expr &epsilon);

// The parameters that cut a reduction into blocks and chunks.
struct Cut {
    Expr block_n;  // rows per block
    Expr chunk_s;  // a multiple of chunk_unit or, in NHWC, a quarter of it
    Expr chunk_n;  // rows per group of `rest`
};

using Terms = std::function<Tuple(const Expr &s, const Expr &row, const Expr &counts)>;

// g.sums, from the extents of x in s, c and n and terms(s, row, counts): two numbers of g.type for
// an element of channel g.c in block g.b, zeros where it does not count.
void describe_sums(Sums &g, const Halide::Target &target, const Expr &S, const Expr &C,
                   const Expr &N, const Cut &cut, const Terms &terms);

// What Halide's directives for an input take.
inline Halide::Parameter parameter_of(const Func &input) {
    return input.value().as<Halide::Internal::Call>()->param;
}

// The strides of the tensors that a stage reads, and whether it may prefetch them.
template<typename Described, typename T>
void read_tensors(Described &g, std::initializer_list<Input<Buffer<T>> *> tensors, bool prefetch) {
    for (Input<Buffer<T>> *tensor : tensors) {
        dense_in(g.layout, *tensor);
        if (prefetch)
            g.prefetched.push_back(parameter_of(*tensor));
    }
}

// The same, and layout and strides; x is the first of `tensors`, which are those that are read.
template<typename T>
void describe(Sums &g, Layout layout, const Halide::Target &target, bool prefetch,
              std::initializer_list<Input<Buffer<T>> *> tensors, const Cut &cut,
              const Terms &terms) {
    g.layout = layout;
    g.type = Halide::type_of<T>();
    read_tensors(g, tensors, prefetch);
    Input<Buffer<T>> &x = **tensors.begin();
    g.stride = x.dim(2).stride();
    describe_sums(g, target, x.dim(0).extent(), x.dim(1).extent(), x.dim(2).extent(), cut, terms);
}

// The schedule of a stage, which names its loops, and the lowering passes for what it cannot say.
template<typename Described>
void schedule_and_lower(Described &g, const Halide::Target &target, Halide::Pipeline pipeline) {
    schedule(g, target);
    if (!g.prefetched.empty())
        pipeline.add_custom_lowering_pass(new Prefetch(g.prefetched, g.ahead));
}

inline void schedule_and_lower(Pointwise &g, const Halide::Target &target,
                               Halide::Pipeline pipeline) {
    schedule_and_lower<Pointwise>(g, target, pipeline);
    if (g.prefetches_result)
        pipeline.add_custom_lowering_pass(new Prefetch({}, Expr(), g.y.name()));
    pipeline.add_custom_lowering_pass(new NarrowTails(g.odd_tails_singly));
}

// The forms of the activations that are built, but those that are `not_used`.
std::vector<Form> activation_forms(const Expr &form, const ActivationSet &built,
                                   std::vector<ActivationForm> not_used = {});

// Layout and extents of a stage over all elements, and where its elements are; `tensors` are those
// that it reads.
template<typename T>
void place(Pointwise &g, Layout layout, bool streaming,
           std::initializer_list<Input<Buffer<T>> *> tensors) {
    g.layout = layout;
    g.streaming = streaming;
    g.type = Halide::type_of<T>();
    g.tensors = static_cast<int>(tensors.size()) + 1;
    read_tensors(g, tensors, streaming);
    for (Input<Buffer<T>> *tensor : tensors)
        from_zero(*tensor, 3, g.by_line() ? 1 : 0);
    if (!g.by_line())
        return;
    Input<Buffer<T>> &x = **tensors.begin();
    g.width = x.dim(1).extent();
    g.row = x.dim(0).extent();
    // Lines within a row need nothing of its neighbour: `within`, a dimension, makes them a loop of
    // their own, with one image of the formula, where a schedule unrolls it.
    g.y(g.s, g.c, g.n) = Halide::undef<T>();
    const Expr image = Halide::OutputImageParam(g.y.output_buffer()).dim(2).stride();
    const int line = g.line();
    g.lines = RDom(0, line, 0, g.row / line + 1, 0, 2, 0, g.width, "lines");
    const Expr lane = g.lines.x, number = g.lines.y, within = g.lines.z;
    g.at_c = g.lines.w;
    const Expr first = (x.dim(0).min() - g.at_c * g.row - g.n * image) % line;  // in this row
    const Expr begin = first + (number + within - 1) * line;
    g.lines.where(
        select(within == 1, begin <= g.row - line, number == 0 && first > 0 && g.at_c > 0));
    g.at_s = begin + lane;
}

// A tensor's element, and a coefficient of its channel.
template<typename Tensor>
Expr at(const Tensor &tensor, const Pointwise &g) {
    return tensor(g.at_s, g.at_c, g.n);
}
template<typename Array>
Expr of_channel(const Array &array, const Pointwise &g) {
    const Expr own = array(g.at_c);
    if (!g.by_line())
        return own;
    const Expr before = array(Halide::max(g.at_c - 1, 0));
    return select(g.lines.z == 1 || g.at_s >= 0, own, before);
}

// v, what the activation is of but for a z, from the inputs that the stages have which need it.
template<typename Inputs>
Expr normalized(const Inputs &of, const Pointwise &g) {
    return (at(of.x, g) - of_channel(of.center, g)) * of_channel(of.scale, g) +
           of_channel(of.offset, g);
}

// g.y, of a stage that has a place, and the result, from the value of an element.
template<typename T>
void define(Pointwise &g, Output<Buffer<T>> &y, const Expr &value) {
    g.y(g.at_s, g.at_c, g.n) = value;
    y = g.y;
    dense_in(g.layout, y);
    from_zero(g.y, 3, g.by_line() ? 1 : 0);
    g.rows = y.dim(2).extent();
    if (g.by_line())
        return;
    g.width = y.dim(1).extent();
    g.row = y.dim(0).extent();
}

// The place of a stage that has activations apart: rows are along s, whatever the layout.
template<typename T>
void place_apart(Pointwise &g, std::vector<Form> forms,
                 std::initializer_list<Input<Buffer<T>> *> tensors) {
    g.forms = std::move(forms);
    for (Form &form : g.forms)
        form.coefficients = 0;
    g.whole_rows = true;
    place<T>(g, Layout::nchw, false, tensors);
}

}  // namespace halnorm
