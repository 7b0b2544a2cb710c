#include "patterns.h"

namespace halnorm {

using Halide::Func;
using Halide::MemoryType;
using Halide::Stage;
using Halide::TailStrategy;
using Halide::Var;

namespace {

TailStrategy tail_of(bool masked) {
    return masked ? TailStrategy::Predicate : TailStrategy::GuardWithIf;
}

}  // namespace

void shift_by_row(Shift &g) {
    // Channels are far apart in memory: gathers of vectors of them took 28 KB of code and were
    // slower than plain loads.
    g.shift.specialize(g.row >= Shift::neighbours);
}

void sums_by_row(Sums &g, const RowTuning &t) {
    Var co("co"), ci("ci"), lo("lo"), li("li"), pass("pass");
    const auto tail = tail_of(t.masked_tails);
    const auto on_stack = [&](Func f) {
        f.store_in(MemoryType::Stack).bound_storage(g.c, t.channels);
    };

    // Long rows: one channel and chunk at a time, its accumulators in registers.
    each_form(g.sums.update(0), g.forms,
              [&](Stage s, bool) { s.reorder(g.fulls.x, g.fulls.y, g.c, g.b); });
    g.full.compute_at(g.sums, g.fulls.x).store_in(MemoryType::Stack);
    g.full.update().atomic().vectorize(g.full_lane);
    g.full_lanes.compute_at(g.sums, g.fulls.x)
        .store_in(MemoryType::Stack)
        .vectorize(g.l, t.V)
        .unroll(g.l);
    g.full_lanes.update()
        .split(g.l, pass, lo, t.full_lanes)
        .split(lo, lo, li, t.V)
        .reorder(li, lo, g.in_full, pass)
        .vectorize(li)
        .unroll(lo)
        .unroll(pass);

    // Short rows: some channels at a time, whose sums are then added to the doubles as vectors.
    // Each channel keeps its accumulators in registers over the rows of a chunk, so there is one
    // sum across lanes per channel and chunk, not per row. Row by row over all of the channels,
    // with the accumulators in memory, was slower: training at 8x1280x7x7 172 us instead of 149, at
    // 4x512x7x7 35 instead of 33 (Zen 3, AVX2, 2026-11-26).
    const auto walk = [&](Stage s) {
        s.split(g.c, co, ci, t.channels, TailStrategy::GuardWithIf)
            .reorder(ci, g.rests, co, g.b)
            .vectorize(ci, t.V, tail);
    };
    each_form(g.sums.update(1), g.forms, [&](Stage s, bool) {
        // gradient_sums at 4x256x7x7 gained nothing from constant rows, which cost 9 KB.
        if (g.forms.empty()) {
            for (int row : t.constant_rows)
                walk(s.specialize(g.row == row));
        }
        walk(s);
    });
    on_stack(g.rest.compute_at(g.sums, g.rests));
    g.rest.update().reorder(g.rest_lane, g.c).atomic().vectorize(g.rest_lane);
    g.rest_lanes.compute_at(g.rest, g.c)
        .store_in(MemoryType::Stack)
        .vectorize(g.l, t.V)
        .unroll(g.l);
    g.rest_lanes.update(0)
        .split(g.l, lo, li, t.V)
        .reorder(li, lo, g.in_rest.x, g.in_rest.y)
        .vectorize(li)
        .unroll(lo);
    g.rest_lanes.update(1)
        .split(g.l, lo, li, t.V)
        .reorder(li, lo, g.in_tail)
        .vectorize(li)
        .unroll(lo);
    g.rest_lanes.update(2).unscheduled();
}

void map_by_row(Pointwise &g, const RowTuning &t) {
    Var so("so"), si("si");
    each_form(g.y, g.forms, [&](Stage y, bool cheap) {
        if (g.streaming) {
            y.split(g.s, so, si, cheap ? g.line() : t.V, TailStrategy::RoundUp)
                .reorder(si, so, g.c, g.n)
                .vectorize(si, t.V)
                .unroll(si);
            return;
        }
        const auto rows = [&](Stage s) {
            return s.reorder(g.s, g.c, g.n).vectorize(g.s, t.V, tail_of(t.masked_tails));
        };
        if (cheap) {
            for (int row : t.constant_rows) {
                if (row < 8 * t.V)
                    rows(y.specialize(g.row == row)).unroll(g.s);
            }
            if (t.map_vectors > 1) {
                const int run = t.map_vectors * t.V;
                y.specialize(g.row % run == 0)
                    .split(g.s, so, si, run, TailStrategy::RoundUp)
                    .reorder(si, so, g.c, g.n)
                    .vectorize(si, t.V)
                    .unroll(si);
            }
            y.specialize(g.row % t.V == 0)
                .reorder(g.s, g.c, g.n)
                .vectorize(g.s, t.V, TailStrategy::RoundUp);
        }
        rows(y);
    });
}

void sums_by_panel(Sums &g, const PanelTuning &t) {
    Var co("co"), ci("ci");
    const auto tail = tail_of(t.masked_tails);
    const auto on_stack = [&](Func f) {
        f.store_in(MemoryType::Stack)
            .bound_storage(g.c, t.sums_panels.front() * t.V)
            .vectorize(g.c, t.V, tail)
            .unroll(g.c);
    };

    // Rows that do not fold with the batch (padded images): right, not fast.
    each_form(g.sums.update(0), g.forms,
              [&](Stage s, bool) { s.reorder(g.fulls.x, g.fulls.y, g.c, g.b); });
    g.full.compute_at(g.sums, g.fulls.x).store_in(MemoryType::Stack);
    g.full_lanes.compute_at(g.sums, g.fulls.x).store_in(MemoryType::Stack);

    // A panel of channels over the rows of a chunk, its accumulators in registers; a loop over the
    // vectors of a panel that is not unrolled keeps them in memory. statistics of 8x196x256 (in L2)
    // and of 16x3136x256, one thread of a Xeon, GB/s: AVX-512 44 and 19, unrolled 70 and 22; AVX2
    // 31 and 15, unrolled 43 and 19.
    const auto panel = [&](Stage s, int vectors, TailStrategy panel_tail) {
        s.split(g.c, co, ci, vectors * t.V, panel_tail)
            .reorder(ci, co, g.rests, g.b)
            .vectorize(ci, t.V);
    };
    each_form(g.sums.update(1), g.forms, [&](Stage s, bool cheap) {
        for (int vectors : t.sums_panels) {
            if (cheap)
                panel(s.specialize(g.width % (vectors * t.V) == 0), vectors, TailStrategy::RoundUp);
        }
        panel(s, 1, tail);
    });
    on_stack(g.rest_lanes.compute_at(g.sums, co));
    g.rest_lanes.update(0)
        .reorder(g.c, g.l, g.in_rest.x, g.in_rest.y)
        .vectorize(g.c, t.V, tail)
        .unroll(g.c);
    g.rest_lanes.update(1).reorder(g.c, g.l, g.in_tail);
}

// Elements of NHWC rows that are narrow: a panel keeps its coefficients in registers over some
// rows, if there is room for them. In wider ones it takes a row after the other, at most so much of
// each that the coefficients stay in L1. Inference in L2, us, rows inside and outside (Zen 3, AVX2,
// 2026-11-26): 1024x64 8.1 and 9.2, 256x256 8.6 and 8.7, 98x512 7.4 and 6.8, 64x1024 18.6 and 10.3;
// 49x2048 in two strips 20, in one 25.
constexpr int rows = 8;

void map_by_panel(Pointwise &g, const PanelTuning &t) {
    Var co("co"), ci("ci"), no("no"), ni("ni");
    each_form(g.y, g.forms, [&](Stage y, bool cheap) {
        const auto panels = [&](Stage s, int channels) {
            return s.split(g.c, co, ci, channels, TailStrategy::RoundUp)
                .vectorize(ci, t.V)
                .unroll(ci);
        };
        if (g.streaming) {
            panels(y, cheap ? g.line() : t.V).reorder(ci, co, g.s, g.n);
            return;
        }
        if (cheap) {
            for (int vectors : t.map_panels) {
                const int channels = vectors * t.V;
                const auto fits = g.width % channels == 0;
                if (g.coefficients == 3) {
                    panels(y.specialize(fits && g.width <= t.narrow), channels)
                        .split(g.n, no, ni, rows, TailStrategy::GuardWithIf)
                        .reorder(ci, ni, g.s, co, no);
                }
                const int wide = 3 * 1024 / g.coefficients;
                panels(y.specialize(fits && g.width > wide), channels)
                    .split(g.n, no, ni, 2, TailStrategy::GuardWithIf)
                    .reorder(ci, ni, co, g.s, no)
                    .unroll(ni);
                panels(y.specialize(fits), channels).reorder(ci, co, g.s, g.n);
            }
        }
        y.reorder(g.c, g.s, g.n).vectorize(g.c, t.V, tail_of(t.masked_tails));
    });
}

void by_channel(Func f, const Var &c, int V, bool masked_tails) {
    f.vectorize(c, V, tail_of(masked_tails));
}

}  // namespace halnorm
