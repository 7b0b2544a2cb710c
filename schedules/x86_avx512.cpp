// variant: x86_avx512.
#include "schedule.h"

namespace halnorm {

using Halide::Func;
using Halide::MemoryType;
using Halide::Stage;
using Halide::TailStrategy;
using Halide::Target;
using Halide::Var;

namespace {

void nchw(Sums &g, int V) {
    constexpr int channels = 16;  // that share the walk over short rows
    Var co("co"), ci("ci"), lv("lv");

    // Long rows: one channel and chunk at a time, its accumulators in registers.
    g.sums.update(0).reorder(g.fulls.x, g.fulls.y, g.c, g.b);
    g.full.compute_at(g.sums, g.fulls.x).store_in(MemoryType::Stack);
    g.full.update().atomic().vectorize(g.full_lane);
    g.full_lanes.compute_at(g.sums, g.fulls.x).store_in(MemoryType::Stack).vectorize(g.l, V).unroll(g.l);
    g.full_lanes.update().split(g.l, lv, g.l, V).reorder(g.l, lv, g.in_full).vectorize(g.l).unroll(lv);

    // Short rows: 16 channels at a time, row by row in the order of memory; each channel keeps its accumulators over the
    // rows of a chunk, so there is one sum across lanes per channel and chunk, not per row.
    const auto walk = [&](Stage s) {
        s.split(g.c, co, ci, channels, TailStrategy::GuardWithIf)
            .reorder(ci, g.rests, co, g.b)
            .vectorize(ci, V, TailStrategy::Predicate);
    };
    walk(g.sums.update(1).specialize(g.row == 49));
    walk(g.sums.update(1).specialize(g.row == 196));
    walk(g.sums.update(1));
    g.shift.in(g.rest_lanes).compute_at(g.sums, co).store_in(MemoryType::Stack).bound_storage(g.c, channels);
    g.rest.compute_at(g.sums, g.rests).store_in(MemoryType::Stack).bound_storage(g.c, channels);
    g.rest.update().reorder(g.rest_lane, g.c).atomic().vectorize(g.rest_lane);
    g.rest_lanes.compute_at(g.sums, g.rests).store_in(MemoryType::Stack).bound_storage(g.c, channels);
    g.rest_lanes.vectorize(g.l, V).unroll(g.l);
    g.rest_lanes.update()
        .split(g.l, lv, g.l, V)
        .reorder(g.l, lv, g.in_rest.x, g.c, g.in_rest.y)
        .vectorize(g.l)
        .unroll(lv);
}

void nhwc(Sums &g, int V) {
    Var co("co"), ci("ci");
    g.sums.update(0).reorder(g.fulls.x, g.fulls.y, g.c, g.b);
    g.full.compute_at(g.sums, g.fulls.x).store_in(MemoryType::Stack);

    // Panels of channels over the rows of a chunk; wide panels, since the accumulators stay in registers and memory is
    // read in pieces of a panel.
    const auto panel = [&](Stage s, int vectors, TailStrategy tail) {
        s.split(g.c, co, ci, vectors * V, tail).reorder(ci, g.rests, co, g.b).vectorize(ci, V);
    };
    panel(g.sums.update(1).specialize(g.width % (8 * V) == 0), 8, TailStrategy::RoundUp);
    panel(g.sums.update(1).specialize(g.width % (4 * V) == 0), 4, TailStrategy::RoundUp);
    panel(g.sums.update(1), 1, TailStrategy::Predicate);
    g.shift.in(g.rest_lanes).compute_at(g.sums, co).store_in(MemoryType::Stack).bound_storage(g.c, 8 * V).vectorize(g.c, V, TailStrategy::Predicate);
    g.rest_lanes.compute_at(g.sums, g.rests).store_in(MemoryType::Stack).bound_storage(g.c, 8 * V).vectorize(g.c, V, TailStrategy::Predicate);
    g.rest_lanes.update().reorder(g.c, g.l, g.in_rest.x, g.in_rest.y).vectorize(g.c, V, TailStrategy::Predicate);
}

void per_channel(Func f, const Var &c, int V) {
    f.vectorize(c, V, TailStrategy::Predicate);
}

}  // namespace

void schedule(Sums &g, const Target &target) {
    const int V = target.natural_vector_size(g.type);
    g.layout == Layout::nchw ? nchw(g, V) : nhwc(g, V);
}

void schedule(Merge &g, const Target &target) {
    per_channel(g.moments, g.c, target.natural_vector_size(g.type));
}

void schedule(BatchCoefficients &g, const Target &target) {
    per_channel(g.coefficients, g.c, target.natural_vector_size(g.type));
}

void schedule(MovingCoefficients &g, const Target &target) {
    per_channel(g.coefficients, g.c, target.natural_vector_size(g.type));
}

void schedule(Normalize &g, const Target &target) {
    const int V = target.natural_vector_size(g.type);
    Var co("co"), ci("ci");
    each_activation(g, [&](Stage y, ActivationForm form) {
        const bool cheap = form == ActivationForm::piecewise_linear || form == ActivationForm::hardswish;
        if (g.layout == Layout::nchw) {
            const auto rows = [&](Stage s) { return s.reorder(g.s, g.c, g.n).vectorize(g.s, V, TailStrategy::Predicate); };
            if (cheap) rows(y.specialize(g.row == 49)).unroll(g.s);
            rows(y);
        } else {
            if (cheap) {
                y.specialize(g.width % (4 * V) == 0)
                    .split(g.c, co, ci, 4 * V, TailStrategy::RoundUp)
                    .reorder(ci, co, g.s, g.n)
                    .vectorize(ci, V)
                    .unroll(ci);
            }
            y.reorder(g.c, g.s, g.n).vectorize(g.c, V, TailStrategy::Predicate);
        }
    });
}

}  // namespace halnorm
