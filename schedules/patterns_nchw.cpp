#include "patterns.h"

#include <algorithm>

namespace halnorm {

using Halide::Expr;
using Halide::Func;
using Halide::MemoryType;
using Halide::Stage;
using Halide::TailStrategy;
using Halide::Var;

namespace {

// The loops around the innermost ones of a sum, which have each_form: of each cheap form, unless
// they `share`, and of all others.
template<typename Directives>
void around_forms(Stage stage, const std::vector<Form> &forms, bool share, Directives directives) {
    for (const Form &form : forms) {
        if (form.cheap && !share)
            directives(stage.specialize(form.condition));
    }
    directives(stage);
}

// Four images at a time, where rows are short, share what a channel costs: backward at 64x2048x7x7
// 1.19 times as fast, 32x2048x7x7 1.14, training 1.1 (relu, AVX-512, a Xeon, family 6 model 207,
// 2026-11-29).
void map_by_line(Pointwise &g, int V) {
    Var no("no"), ni("ni");
    each_form(g.y.update(), g.forms, [&](Stage y, const Form &form) {
        // What a prefetch gains: runtime/plan_reduction.cpp. Where ahead is 0, what is loaded
        // anyway is prefetched: inference at four shapes 0.98 to 1.02 times as fast, and a loop for
        // that would take 3 to 5 KB more (Zen 5, 2026-11-28).
        const auto lines = [&](Stage s, const Var &images) {
            s.allow_race_conditions()  // no two elements have the same place
                .vectorize(g.lines.x, V)
                .unroll(g.lines.x)
                .unroll(g.lines.z);
            if (form.cheap)
                s.rename(images, prefetching(0));
        };
        if (form.cheap) {
            Stage short_rows = y.specialize(g.row < 128 && g.rows % 4 == 0);
            short_rows.split(g.n, no, ni, 4, TailStrategy::RoundUp)
                .reorder(g.lines.x, g.lines.y, ni, g.lines.z, g.lines.w, no);
            lines(short_rows, no);
        }
        y.reorder(g.lines.x, g.lines.y, g.lines.z, g.lines.w, g.n);
        lines(y, g.n);
    });
}

}  // namespace

void long_rows(Stage s, const Sums &g) {
    s.reorder(g.fulls.x, g.fulls.y, g.c, g.b).never_partition_all();
}

void shift_by_row(Shift &g, int V) {
    // Channels are far apart in memory: gathers of vectors of them took 28 KB of code and were
    // slower than plain loads. Elements are side by side: 46 instructions a channel, 70 one by one;
    // at 2048x7x7 5.9 ns and 7.5 (Zen 3, AVX2, float32, 2026-11-27).
    // Medians of a vector of channels, of means that wait on the stack, gained nothing: 42
    // instructions for 43 (AVX-512, 2026-11-29).
    const Expr whole = g.row >= Shift::neighbours;
    g.shift.specialize(whole);
    int lanes = Shift::neighbours;
    for (Func *f : {&g.differences, &g.halves, &g.quarters}) {
        f->compute_at(g.shift, g.c).store_in(MemoryType::Stack).unroll(g.p);
        Stage(*f).specialize(whole).vectorize(g.i, std::min(V, lanes)).unroll(g.i);
        f->unroll(g.i, lanes);
        lanes /= 2;
    }
}

// What a prefetch in long rows gains beyond the cache, without it and 2, 3, 4 and 8 KB ahead:
// statistics of 8x256x56x56 690 us, 594, 578, 558, 487, 32x512x28x28 1976, 1611, 1471, 1458, 1483,
// 32x32x112x112 1920, 1386, 1296, 1282, 1224; backward with relu of 32x512x28x28 4650, 4253, 4302,
// 4479, 6220, 32x32x112x112 6169, 5551, 5520, 5778, 5767. Behind the row is another channel, which
// may be another thread's: where that is more of it than the last image's row, the next image's row
// is prefetched. Two threads, without a prefetch, 3 KB ahead, so: backward with relu of
// 32x512x28x28 3210, 3718, 3131, 16x256x56x56 3405, 3610, 3153; one thread, ten cases of training
// and backward 1.19 and 1.19 times as fast as without; short rows of one thread would like the
// other better, training of 32x512x28x28 2543, 2884, but 64x256x28x28 with two 2459, 1971. In L3
// the like in C costs 3 %; of any size, 1.5 KB ahead, backward was 0.75 to 0.96 times as fast at
// six shapes of 28x28 and more. With loops around for each form gradient_sums is 3.4 KB larger,
// with forms that are rare 2 to 14 KB (Zen 5, AVX-512, float32, 2026-11-28). Images that are few
// and large, just beyond L3, are torn: backward of 2x128x112x112, 1x64x224x224, 1x256x112x112 and
// 8x128x56x56 0.9, 0.96, 0.93 to 1.01 and 0.95 to 1.13 there, 1.16, 1.03, 1.0 and 1.1 on a Xeon
// (family 6 model 207, 2026-11-29).
constexpr int long_ahead = 3072, long_from = 1 << 22;  // bytes; elements of all tensors

void sums_by_row(Sums &g, const RowTuning &t) {
    Var co("co"), ci("ci"), lo("lo"), li("li"), pass("pass");
    const auto tail = tail_of(t.masked_tails);
    const auto on_stack = [&](Func f) {
        f.store_in(MemoryType::Stack).bound_storage(g.c, t.channels);
    };

    g.sums.vectorize(g.c, t.V, tail);

    // Long rows: one channel and chunk at a time, its accumulators in registers. Between two chunks
    // is a sum across lanes, and fewer loads of memory are under way than in one long loop.
    if (!g.prefetched.empty()) {
        const int elements = long_from / static_cast<int>(g.prefetched.size());
        Stage large = g.sums.update(0).specialize(g.cheap && g.stride * g.rows >= elements);
        long_rows(large, g);
        const int ahead = long_ahead / g.type.bytes();
        g.ahead = select(g.row / ahead < g.rows, g.stride, ahead);
        large.rename(g.b, prefetching(0));
    }
    around_forms(g.sums.update(0), g.forms, t.forms_share, [&](Stage s) { long_rows(s, g); });
    g.full.compute_at(g.sums, g.fulls.x).store_in(MemoryType::Stack);
    join_lanes(g.full, g.full_lane, Sums::full_lane_count, {g.sums, g.fulls.x}, t.V);
    g.full_lanes.compute_at(g.sums, g.fulls.x)
        .store_in(MemoryType::Stack)
        .vectorize(g.l, t.V)
        .unroll(g.l);
    each_form(g.full_lanes.update(), g.forms, [&](Stage s, const Form &) {
        s.split(g.l, pass, lo, t.full_lanes)
            .split(lo, lo, li, t.V)
            .reorder(li, lo, g.in_full, pass)
            .vectorize(li)
            .unroll(lo)
            .unroll(pass);
        if (t.whole_units)
            s.unroll(g.in_full, chunk_unit / Sums::full_lane_count);
    });

    // Short rows: some channels at a time, whose sums are then added to the doubles as vectors.
    // Each channel keeps its accumulators in registers over the rows of a chunk, so there is one
    // sum across lanes per channel and chunk, not per row. Row by row over all of the channels,
    // with the accumulators in memory, was slower: training at 8x1280x7x7 172 us instead of 149, at
    // 4x512x7x7 35 instead of 33 (Zen 3, AVX2, 2026-11-26).
    // At 2048x7x7 sums take 92 instructions a channel, 127 without constant rows. gradient_sums at
    // 4x256x7x7 gained nothing from them, and 9 KB.
    const auto constant_rows = g.forms.empty() ? t.constant_rows : std::vector<int>();
    const auto is_short = [&](int row) { return g.row == row && g.chunk_s > row; };
    const auto walk = [&](Stage s) {
        s.split(g.c, co, ci, t.channels, TailStrategy::GuardWithIf)
            .reorder(ci, g.rests, co, g.b)
            .vectorize(ci, t.V, tail)
            .never_partition_all();
    };
    for (int row : constant_rows) {
        if (t.constant_around)
            walk(g.sums.update(1).specialize(is_short(row)));
    }
    if (t.short_apart)
        walk(g.sums.update(1).specialize(g.row < g.rest_lane_count));
    around_forms(g.sums.update(1), g.forms, t.forms_share, walk);
    on_stack(g.rest.compute_at(g.sums, g.rests));
    if (t.masked_tails)
        g.rest.vectorize(g.c, t.V, tail);
    g.rest.update().reorder(g.rest_lane, g.c);
    join_lanes(g.rest, g.rest_lane, g.rest_lane_count, {g.rest, g.c}, t.V);
    g.rest_lanes.compute_at(g.rest, g.c)
        .store_in(MemoryType::Stack)
        .vectorize(g.l, t.V)
        .unroll(g.l);
    // Between two short rows is a sum across lanes, and the next image's lies far away: the core
    // does not come to its loads in time, nor do prefetchers follow (schedules/CMakeLists.txt). Of
    // long rows they do: backward was 0.75 to 0.96 times as fast at six shapes of 28x28 and more
    // (Zen 5, AVX-512, 2026-11-28).
    const int step = g.rest_lane_count * g.type.bytes();
    const auto vectors = [&](Stage s) {
        s.split(g.l, lo, li, t.V)
            .reorder(li, lo, g.in_rest.x, g.in_rest.y)
            .vectorize(li)
            .unroll(lo);
        for (const Halide::Parameter &tensor : g.prefetched) {
            s.prefetch(tensor, g.in_rest.x, g.in_rest.x, t.prefetch_bytes / step,
                       Halide::PrefetchBoundStrategy::NonFaulting);
        }
        return s;
    };
    for (int row : constant_rows)
        vectors(g.rest_lanes.update(0).specialize(is_short(row))).unroll(g.in_rest.x);
    each_form(g.rest_lanes.update(0), g.forms, [&](Stage s, const Form &) { vectors(s); });
    each_form(g.rest_lanes.update(1), g.forms, [&](Stage s, const Form &) {
        s.split(g.l, lo, li, t.V).reorder(li, lo, g.in_tail).vectorize(li).unroll(lo);
    });
    each_form(g.rest_lanes.update(2), g.forms,
              [&](Stage s, const Form &) { s.reorder(g.in_short.x, g.in_short.y); });
}

void map_by_row(Pointwise &g, const RowTuning &t) {
    // Where four tensors bound the time, longer rows lost up to 7 % (generators/tails.h).
    g.odd_tails_singly = g.tensors < 4;
    Var so("so"), si("si"), sv("sv");
    const auto runs = [&](Stage s, int run, TailStrategy tail) {
        return s.split(g.s, so, si, run, tail)
            .reorder(si, so, g.c, g.n)
            .vectorize(si, t.V)
            .unroll(si);
    };
    if (g.by_line())
        return map_by_line(g, t.V);
    each_form(g.y, g.forms, [&](Stage y, const Form &form) {
        const auto ahead = [&](Stage s) {
            if (form.cheap)
                prefetch_result(s, g, g.n);
            return s;
        };
        const auto rows = [&](Stage s) {
            return ahead(
                s.reorder(g.s, g.c, g.n).vectorize(g.s, t.V, tail_of(g, tail_of(t.masked_tails))));
        };
        if (form.cheap) {
            for (int row : t.constant_rows) {
                // Backward at 1x1024x14x14 gained nothing. Of a vector with one lane that counts
                // LLVM makes scalars, whose products and sums it does not fuse: other bits than
                // without a tail, as with streaming stores.
                if (row >= 8 * t.V && (form.coefficients > 3 || row % t.V == 1))
                    continue;
                const Stage s = y.specialize(g.row == row);
                if (row < 8 * t.V)
                    rows(s).unroll(g.s);
                else
                    ahead(runs(s, t.map_vectors * t.V, tail_of(t.masked_tails)));
            }
            // A vector too many is no reason to go one by one.
            ahead(y.specialize(g.row % t.V == 0)
                      .split(g.s, sv, si, t.V, TailStrategy::RoundUp)
                      .split(sv, so, sv, t.map_vectors, TailStrategy::GuardWithIf)
                      .reorder(si, sv, so, g.c, g.n)
                      .vectorize(si)
                      .unroll(sv));
        }
        rows(y);
    });
}

}  // namespace halnorm
