#include "patterns.h"

#include <algorithm>

namespace halnorm {

using Halide::Func;
using Halide::LoopLevel;
using Halide::MemoryType;
using Halide::RVar;
using Halide::Stage;
using Halide::TailStrategy;
using Halide::Var;

Formulation of_processor(const Halide::Target &target, const Halide::Type &type) {
    using Target = Halide::Target;
    Formulation f;
    // ARM's FMAX and FMIN; those of x86 give the other operand, and without NEON there is C's fmax.
    f.max_keeps_nan = target.arch == Target::ARM && !target.has_feature(Target::NoNEON) &&
                      (target.bits == 64 || type.bits() == 32);
    // Sums of relu's gradient over 25.6 MB of x and of dy took 1490 us so, 840 with the load apart
    // from its mask, 730 without relu (Zen 5, AVX-512, 2026-11-27; in L3 there is no difference).
    f.masks_loads = target.has_feature(Target::AVX512);
    // Rows of up to 256 elements give each of 16 lanes at most 16 addends. With eight, an outlier
    // before 31 small ones made the variance of float32 1.7e-6 wrong.
    if (type == Halide::Float(64) && target.natural_vector_size(type) < 8)
        f.rest_lanes = 8;
    return f;
}

TailStrategy tail_of(bool masked) {
    return masked ? TailStrategy::Predicate : TailStrategy::GuardWithIf;
}

TailStrategy tail_of(const Pointwise &g, TailStrategy otherwise) {
    return g.whole_rows ? TailStrategy::RoundUp : otherwise;
}

void vectorize(Stage s, const Halide::VarOrRVar &v, int V, TailStrategy tail) {
    if (V > 1)
        s.vectorize(v, V, tail);
}

void join_lanes(Func sum, RVar lane, int count, const LoopLevel &at, int V) {
    for (; count > 2; count /= 2) {
        RVar half("half"), of_half("of_half");
        Var l("l");
        // A vector of 64 bytes LLVM takes apart number by number, so there neighbours are added,
        // not halves: training at 8x512x14x14 106 us instead of 118, at 1x2048x7x7 23 instead of 27
        // (Zen 5, AVX-512, float32, 2026-11-27). With vectors of 32 bytes nothing is gained.
        const bool within = count == V && V * sum.types()[0].bytes() == 64;
        if (within)
            sum.update().split(lane, of_half, half, 2);
        else
            sum.update().split(lane, half, of_half, count / 2);
        Func halves = sum.update().rfactor(of_half, l);
        const int lanes = std::min(V, count / 2);
        halves.compute_at(at).store_in(MemoryType::Stack);
        if (lanes > 1)
            halves.vectorize(l, lanes, TailStrategy::RoundUp).unroll(l);
        Stage joined = halves.update();
        if (within) {
            joined.atomic().reorder(half, l).vectorize(half).vectorize(l);
        } else {
            joined.unroll(half);
            if (lanes > 1)
                joined.vectorize(l, lanes, TailStrategy::RoundUp).unroll(l);
        }
        lane = of_half;
    }
    sum.update().unroll(lane);
}

void plain_if_many_tensors(Pointwise &g) {
    for (Form &form : g.forms)
        form.cheap = form.cheap && g.tensors < 4;
}

void prefetch_result(Stage s, const Pointwise &g, const Var &loop) {
    if (g.prefetches_result)
        s.rename(loop, prefetching(result_ahead));
}

void by_channel(Func f, const Var &c, int V, bool masked_tails) {
    f.vectorize(c, V, tail_of(masked_tails));
}

}  // namespace halnorm
