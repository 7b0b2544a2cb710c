#include "patterns.h"

#include <algorithm>

namespace halnorm {

using Halide::Expr;
using Halide::Func;
using Halide::MemoryType;
using Halide::Stage;
using Halide::TailStrategy;
using Halide::Var;

// 25 loads, each under a mask, are a large tail where the machine has none: 5.3 KB on AArch64 with
// one, 3.0 without. Rows are folded to whole vectors as a rule.
void shift_by_panel(Shift &g, int V) {
    if (V > 1)
        g.shift.specialize(g.width % V == 0).vectorize(g.c, V, TailStrategy::RoundUp);
}

// From strip_elements on memory decides, and strips of whole rows are walked in its order, with
// their accumulators in L1: a panel's 16 rows are lines far apart, which Zen 3's prefetchers do not
// follow. backward at 8x32x112x112 (NHWC) 7.3 ms in panels, 5.8 in strips, 8x256x56x56 16.4 and
// 11.9, 6272x1024 14.7 and 11.3; training 4.6 and 4.2, 9.8 and 9.0, 7.5 and 8.0. In cache panels
// win: backward at 392x1280 0.43 and 0.48, 1024x64 50 us and 57 (AVX2, float32, 2026-11-27).
//
// What lies 32 KB further on is prefetched meanwhile, of two tensors 16 KB: backward 1.02 times as
// fast as with 32 KB of each (AVX-512, AVX2; 22 cases of 256 to 4096 channels, 0.9 to 1.1), with 8
// and 12 KB 1.02 and 0.97; training 1.0, 0.95 and 0.93 with 16, 8 and 12 KB. With AVX2, without a
// prefetch and with it (32 KB): training at 32x512x28x28 4440 us, 3669, 32x1024x14x14 1639, 1543,
// 32x2048x7x7 642, 692, backward with relu 5742, 5028, 4716, 4005, 2013, 1353. With AVX-512 strips
// without it took 1.0 to 1.4 times as long as panels; panels, and strips with it: training 4290 and
// 3475, 1731 and 1397, of 64x2048x7x7 1891 and 1634 (but of 8x512x28x28 487 and 553: from twice as
// many elements on), backward 6866 and 5851, 4154 and 3790, of 8x256x56x56 2879 and 2502; in narrow
// rows, which are one panel, sums are 0.7 times as fast (Zen 5, float32, 2026-11-28).
constexpr int strip_ahead = 32768;

void sums_by_panel(Sums &g, const PanelTuning &t) {
    Var co("co"), ci("ci"), cv("cv");
    const auto tail = tail_of(t.masked_tails);
    const bool prefetches = !g.prefetched.empty();
    const int strip = prefetches ? std::max(t.sums_strip, t.prefetched_strip) : t.sums_strip;
    // A line more, so that the two sums are not 4 KB apart: backward at 8x2048x7x7 239 us and 205
    // (AVX-512).
    const int line = 64 / g.type.bytes();
    const int widest = std::max(strip == 0 ? 0 : strip + line, t.sums_panels.front() * t.V);
    // One comparison, whose contrary Halide knows. Of pairs of vectors alone, in the same
    // comparison, gradient_sums for AVX-512 takes Halide 22 s and 37.8 KB, now 2 s and 33.5;
    // 32x1040x14x14 then has panels of five, training and backward 1.14 and 1.07 times as fast as
    // in strips (a Xeon, family 6 model 207, 2026-11-29).
    const Expr elements = g.width * g.rows;
    const Expr large =
        (t.strip_from == 0 ? elements : select(g.width >= t.strip_from, elements, 0)) >=
        t.strip_elements;
    // What has been in strips is said to be none of the panels': Halide does not see it, and would
    // keep a copy of the strips in each of them.
    const Expr in_panels = strip > 0 ? !large : Halide::Internal::const_true();
    const Expr in_strips = g.width % t.V == 0 && large;
    const auto on_stack = [&](Func f) {
        f.store_in(MemoryType::Stack).bound_storage(g.c, widest);
        if (strip > 0)
            Stage(f).specialize(in_strips).vectorize(g.c, t.V, tail);
        f.vectorize(g.c, t.V, tail).unroll(g.c);
    };

    g.sums.vectorize(g.c, t.V, tail);

    // Pixels fold with the batch, so a row has one. A loop over it inside of the rows costs a panel
    // of NEON half as many instructions again. Rows of more do not fold (padded images). Training
    // and backward at 1x64x56x56 with gaps 94 and 170 us, without 75 and 135, channel by channel
    // 284 and 512 (Zen 3, AVX2, relu, 2026-11-27). Without masks, where a tail costs 4 KB, they are
    // right, not fast.
    const Expr of_one = g.row == 1 && g.chunk_s > 1;
    const int side_by_side = t.masked_tails ? t.V : 1;
    Stage padded = g.sums.update(0);
    padded.split(g.c, co, ci, side_by_side, tail)
        .reorder(ci, g.fulls.x, g.fulls.y, co, g.b)
        .never_partition_all();
    vectorize(padded, ci, side_by_side);
    for (Func *f : {&g.full, &g.full_lanes}) {
        f->compute_at(g.sums, g.fulls.x)
            .store_in(MemoryType::Stack)
            .bound_storage(g.c, side_by_side);
        vectorize(*f, g.c, side_by_side, tail);
    }
    vectorize(g.full.update(), g.c, side_by_side, tail);
    each_form(g.full_lanes.update(), g.forms,
              [&](Stage s, const Form &) { vectorize(s, g.c, side_by_side, tail); });

    // A panel of channels over the rows of a chunk, its accumulators in registers; a loop over the
    // vectors of a panel that is not unrolled keeps them in memory. statistics of 8x196x256 (in L2)
    // and of 16x3136x256, one thread of a Xeon, GB/s: AVX-512 44 and 19, unrolled 70 and 22; AVX2
    // 31 and 15, unrolled 43 and 19.
    const auto panel = [&](Stage s, int vectors, TailStrategy panel_tail) {
        s.split(g.c, co, ci, vectors * t.V, panel_tail)
            .reorder(ci, co, g.rests, g.b)
            .vectorize(ci, t.V)
            .unroll(ci);
    };
    // Cheap forms have panels and strips to themselves, and what is left in common: gradient_sums
    // of none, relu and relu6 27 KB, now 20 (AVX2), 30 and 23 (AVX-512); backward at 64x10 takes
    // 1.01 times as long (Zen 5, float32, 2026-11-28). Conditions are conjunctions, the same in
    // both stages: so Halide sees that what is left is in no strips.
    const std::vector<Form> together = {{g.cheap, true}};
    const auto to_themselves = [&](Stage stage, const Expr &shape, bool share, auto directives) {
        for (const Form &form : g.forms.empty() || share ? together : g.forms) {
            if (form.cheap)
                directives(stage.specialize(form.condition && shape));
        }
    };
    Stage sums = g.sums.update(1);
    if (strip > 0) {
        to_themselves(sums, in_strips, t.forms_share, [&](Stage s) {
            s.split(g.c, cv, ci, t.V, TailStrategy::RoundUp)
                .split(cv, co, cv, strip / t.V, TailStrategy::GuardWithIf)
                .reorder(ci, cv, co, g.rests, g.b)
                .vectorize(ci)
                .never_partition_all();
            if (prefetches)
                s.rename(g.b, prefetching(strip_ahead / static_cast<int>(g.prefetched.size())));
        });
    }
    for (int vectors : t.sums_panels) {
        to_themselves(sums, of_one && in_panels && g.width % (vectors * t.V) == 0, t.forms_share,
                      [&](Stage s) { panel(s, vectors, TailStrategy::RoundUp); });
    }
    panel(sums, 1, tail);
    if (t.masked_tails)
        sums.never_partition_all();  // else each vector asks whether it is the last
    on_stack(g.rest_lanes.compute_at(g.sums, co));
    if (strip > 0) {
        to_themselves(g.rest_lanes.update(0), in_strips, false, [&](Stage s) {
            s.split(g.c, co, ci, t.V, TailStrategy::RoundUp)
                .split(co, co, cv, 2, TailStrategy::GuardWithIf)
                .reorder(ci, cv, co, g.l, g.in_rest.y, g.in_rest.x)
                .vectorize(ci)
                .unroll(cv)
                .never_partition_all();
        });
    }
    each_form(g.rest_lanes.update(0), g.forms, [&](Stage s, const Form &) {
        s.reorder(g.c, g.l, g.in_rest.y, g.in_rest.x).vectorize(g.c, t.V, tail).unroll(g.c);
    });
    g.rest_lanes.update(1).reorder(g.c, g.l, g.in_tail);
}

// Elements of NHWC rows that are narrow: a panel keeps its coefficients in registers over some
// rows, if there is room for them. Other rows are walked in the order of memory, which prefetchers
// follow: inference at 8x32x112x112 3.5 ms in panels and 2.7 by row, 8x256x56x56 6.8 and 5.5; in L2
// 1024x64 8.1 us and 9.2, 256x256 8.6 and 8.7. Very wide ones go in pairs, so that coefficients,
// which no longer stay in L1, are read half as often: 8x1280x7x7 94 us and 109, 8x2048x7x7 177 and
// 185, both against strips of 1024 (Zen 3, AVX2, 2026-11-27).
constexpr int rows = 8;

// What stores past the cache: bytes of coefficients from which on rows are walked four at a time,
// and in their order what lies 4 KB further on is prefetched: loads of coefficients that have left
// L1 keep those of the tensors waiting. Without a prefetch, and with it: inference of 64x2048x7x7
// 844 us, now 720, 16x3072x14x14 2420, 1460, AVX2 1214, 844, 2856, 1592; backward with relu of
// 32x1024x14x14 4422, 3220, AVX2 4286, 2810 (8 KB ahead 1.2, 2 KB 1.34 times as fast), none at
// 64x2048x7x7 3727, 3042. Of fewer coefficients backward with relu at 32x512x28x28 was 0.94 to 0.97
// times as fast; but where others load the memory too (a Xeon, family 6 model 207, 2026-11-29), at
// 32x64x56x56, 16x256x56x56, 32x512x28x28, 100000x128 and 32x1024x14x14 inference was 1.37, 1.22,
// 1.20, 1.25 and 1.28 times as fast, training 1.13, 1.18, 1.12, 1.13 and 1.14, backward 1.20, 1.10,
// 1.17, 1.12 and 1.0 (AVX2 1.34 to 1.44, 1.16 to 1.27, 1.0 to 1.18). Channels in strips of 512
// lost, 0.7 to 1.0. Four rows: inference of 16x4096x7x7 551 and 303, training 742 and 531 (but not
// yet at 3072, 1908 instead of 1524); eight gained up to 6 %, and take 5 KB; prefetched 16 to 64 KB
// ahead 0.9 to 1.07 times as fast. A loop over the rows, not unrolled: backward 1.6 for 1.3,
// AVX2 1.75 for 1.3, but inference the same (Zen 5, AVX-512 but where AVX2 is named, float32,
// 2026-11-28).
constexpr int streaming_rows = 4, wide_bytes = 36864, row_ahead = 4096;

void map_by_panel(Pointwise &g, const PanelTuning &t) {
    Var co("co"), ci("ci"), no("no"), ni("ni");
    each_form(g.y, g.forms, [&](Stage y, const Form &form) {
        const auto panels = [&](Stage s, int channels) {
            return s.split(g.c, co, ci, channels, TailStrategy::RoundUp)
                .vectorize(ci, t.V)
                .unroll(ci);
        };
        const auto in_order = [&](Stage s, int channels) {
            return panels(s, channels).reorder(ci, co, g.s, g.n);
        };
        const auto wide = [&](int above, int channels, int together) {
            Stage s = y.specialize(g.width % channels == 0 && g.width > above);
            panels(s, channels)
                .split(g.n, no, ni, together, TailStrategy::GuardWithIf)
                .reorder(ci, ni, co, g.s, no)
                .never_partition(no);
            return s;
        };
        if (g.streaming) {
            const int line = form.cheap ? g.line() : t.V;
            if (form.cheap) {
                const int coefficients = form.coefficients * g.type.bytes();  // bytes a channel
                Stage s = wide(wide_bytes / coefficients, line, streaming_rows);
                if (form.coefficients > 3)
                    s.unroll(ni);
            }
            Stage s = in_order(y, line);
            if (form.cheap)
                s.rename(g.n, prefetching(row_ahead));
            return;
        }
        if (form.cheap) {
            if (t.wide != any_width)
                wide(3 * t.wide / form.coefficients, t.wide_vectors * t.V, t.wide_rows).unroll(ni);
            for (int vectors : t.map_panels) {
                const int channels = vectors * t.V;
                // As many registers for coefficients, whether there are three or six.
                const int narrow = form.coefficients == 3 ? t.narrow : t.narrow_of_six;
                const int kept = (form.coefficients == 3 ? vectors : vectors / 2) * t.V;
                const Expr whole = g.width % kept == 0;
                if (narrow > 0) {
                    Stage s = panels(y.specialize(narrow == any_width ? whole :
                                                                        whole && g.width <= narrow),
                                     kept)
                                  .split(g.n, no, ni, rows, TailStrategy::GuardWithIf)
                                  .reorder(ci, ni, g.s, co, no)
                                  .never_partition(no);
                    prefetch_result(s, g, no);
                }
                if (narrow == any_width)
                    continue;
                prefetch_result(in_order(y.specialize(g.width % channels == 0), channels), g, g.n);
            }
        }
        y.reorder(g.c, g.s, g.n).vectorize(g.c, t.V, tail_of(t.masked_tails));
    });
}

}  // namespace halnorm
