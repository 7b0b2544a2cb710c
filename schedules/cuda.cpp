// variants: cuda, and opencl, which is the same schedule for another language.
//
// Shaped by the PTX and by ptxas' count of registers (at most 58, nothing spilled).
// halnorm_cuda_check (tests/gpu) measures it on a device; H100, 2026-11-27, 32x256x56x56, float32,
// relu, NCHW and NHWC: inference 76 and 75 us, training 158 and 160, backward 259 and 228, a copy
// of x to y 71.
#include <algorithm>
#include <vector>

#include "schedule.h"

namespace halnorm {

using Halide::Expr;
using Halide::Func;
using Halide::MemoryType;
using Halide::RVar;
using Halide::Stage;
using Halide::TailStrategy;
using Halide::Target;
using Halide::Var;

namespace {

constexpr int warp = gpu_warp, depth = gpu_depth;
const auto tail = TailStrategy::GuardWithIf;

using Order = std::vector<Halide::VarOrRVar>;

// A thread per channel and block.
void by_channel_and_block(Func f, const Var &c, const Var &b) {
    Var co("co"), ci("ci");
    f.split(c, co, ci, warp, tail).gpu_blocks(co, b).gpu_threads(ci).never_partition_all();
}

// Chunks in shared memory, `depth` of them side by side, for the threads that then add them up.
void in_block(Func f, Func consumer, const Var &block, const Var &chunk) {
    f.compute_at(consumer, block).store_in(MemoryType::GPUShared).bound_storage(chunk, depth);
}

void in_thread(Func f, Func consumer, const Var &thread) {
    f.compute_at(consumer, thread).store_in(MemoryType::Register);
}

// The chunks of a launch lie in one row. Halide sees that the rows end, and would make room for
// none or more.
void in_one_row(const Sums &g, const std::vector<Func> &funcs) {
    for (Func f : funcs) {
        const std::vector<Var> args = f.args();
        if (std::any_of(args.begin(), args.end(), [&](const Var &v) { return v.same_as(g.n); }))
            f.bound_extent(g.n, 1);
    }
}

// Sums start as zeros; then chunks are added, a launch for every eight chunks of all channels and
// blocks. The loops over the eights are outside: where there are no chunks of a kind, nothing is
// launched.

void nchw(Sums &g) {
    // A warp has the lanes of a chunk. One thread each adds up the lanes, eight by eight: a chain
    // of 32 additions has more error and four times the latency. Then one thread, a loop of its
    // own, adds the chunks to the block's sums.
    by_channel_and_block(g.sums, g.c, g.b);
    Var co("co"), one("one"), w("w");
    RVar eights("eights"), chunk("chunk"), outer("outer"), inner("inner");
    const auto add = [&](Stage s, const RVar &chunks, const Order &loops) {
        Order order = {chunk, one, co, g.b, eights};
        order.insert(order.end(), loops.begin(), loops.end());
        s.split(chunks, eights, chunk, depth, tail).split(g.c, co, one, 1, tail).reorder(order);
        s.gpu_blocks(co, g.b).gpu_threads(one).never_partition_all();
    };
    const auto sum_lanes = [&](Func f, const Var &chunks, const RVar &lane) {
        Func sum = f.in(g.sums);
        in_block(sum, g.sums, co, chunks);
        sum.gpu_threads(chunks).never_partition_all();
        in_thread(f, sum, chunks);
        f.update().split(lane, outer, inner, 8);
        Func part = f.update().rfactor(inner, w);
        in_thread(part, sum, chunks);
        part.unroll(w);
        part.update().reorder(w, outer).unroll(w);
        f.update().unroll(inner);
        in_one_row(g, {f, part, sum});
    };
    const auto lanes = [&](Func f, const Var &chunks) {
        Func shared = f.in();
        in_block(shared, g.sums, co, chunks);
        shared.reorder(g.l, chunks).gpu_threads(g.l, chunks).never_partition_all();
        in_thread(f, shared, g.l);
        in_one_row(g, {f, shared});
        for (int i = 0; i < f.num_update_definitions(); i++)
            f.update(i).never_partition_all();
    };
    add(g.sums.update(0), g.fulls.x, {g.fulls.y});
    sum_lanes(g.full, g.p, g.full_lane);
    lanes(g.full_lanes, g.p);

    add(g.sums.update(1), g.rests, {});
    sum_lanes(g.rest, g.q, g.rest_lane);
    lanes(g.rest_lanes, g.q);
}

void nhwc(Sums &g) {
    // A warp reads channels side by side; there is one lane. Each thread sums up a chunk of its
    // channel.
    by_channel_and_block(g.sums, g.c, g.b);
    Var co("co"), ci("ci");
    RVar eights("eights"), chunk("chunk");
    const auto add = [&](Stage s, const RVar &chunks, const Order &loops) {
        Order order = {chunk, ci, co, g.b, eights};
        order.insert(order.end(), loops.begin(), loops.end());
        s.split(chunks, eights, chunk, depth, tail).split(g.c, co, ci, warp, tail).reorder(order);
        s.gpu_blocks(co, g.b).gpu_threads(ci).never_partition_all();
    };
    const auto sum = [&](Func f, Func lanes, const Var &chunks) {
        Func shared = f.in(g.sums);
        in_block(shared, g.sums, co, chunks);
        shared.bound_storage(g.c, warp)
            .reorder(g.c, chunks)
            .gpu_threads(g.c, chunks)
            .never_partition_all();
        in_one_row(g, {f, lanes, shared});
        for (Func own : {f, lanes}) {
            in_thread(own, shared, g.c);
            for (int i = 0; i < own.num_update_definitions(); i++)
                own.update(i).never_partition_all();
        }
    };
    // Rows that do not fold with the batch (padded images): right, not fast.
    add(g.sums.update(0), g.fulls.x, {g.fulls.y});
    sum(g.full, g.full_lanes, g.p);
    add(g.sums.update(1), g.rests, {});
    sum(g.rest, g.rest_lanes, g.q);
}

void per_channel(Func f, const Var &c) {
    Var co("co"), ci("ci");
    f.split(c, co, ci, 64, tail).gpu_blocks(co).gpu_threads(ci).never_partition_all();
}

}  // namespace

Formulation formulation(const Target &, const Halide::Type &) {
    Formulation f;
    f.apart_in_sums = false;
    f.rest_lanes = warp;
    f.lanes_are_threads = true;
    return f;
}

void schedule(Shift &g, const Target &) {
    by_channel_and_block(g.shift, g.c, g.b);
}

void schedule(Sums &g, const Target &) {
    g.layout == Layout::nchw ? nchw(g) : nhwc(g);
}

void schedule(Merge &g, const Target &) {
    // A warp per channel over the blocks, eight channels beside each other.
    Var co("co"), ci("ci"), w("w");
    RVar bo("bo"), bi("bi");
    g.merged.split(g.c, co, ci, depth, tail).gpu_blocks(co).gpu_threads(ci).never_partition_all();
    g.total.compute_at(g.merged, ci).store_in(MemoryType::Register);
    g.total.update().split(g.blocks.y, bo, bi, warp, tail);
    Func lanes = g.total.update().rfactor(bi, w);
    Func shared = lanes.in(g.total);
    lanes.compute_at(shared, g.c).store_in(MemoryType::Register);
    shared.compute_at(g.merged, co)
        .store_in(MemoryType::GPUShared)
        .bound_storage(g.c, depth)
        .reorder(g.c, w)
        .gpu_threads(g.c, w)
        .never_partition_all();
}

void schedule(PerChannel &g, const Target &) {
    per_channel(g.values, g.c);
}

void schedule(Pointwise &g, const Target &) {
    // Four rows per thread share the coefficients. Blocks are counted in one dimension: the others
    // end at 65535.
    const bool nhwc = g.layout == Layout::nhwc;
    Var so("so"), si("si"), co("co"), ci("ci"), no("no"), ni("ni"), nt("nt"), block("block");
    const auto four_rows = [&](Stage y, TailStrategy row_tail) {
        if (nhwc) {
            y.split(g.c, co, ci, warp, tail)
                .split(g.n, no, ni, 4 * depth, row_tail)
                .split(ni, ni, nt, depth);
            y.reorder(ni, ci, nt, co, g.s, no).gpu_threads(ci, nt).fuse(co, g.s, block);
        } else {
            y.split(g.s, so, si, 64, tail)
                .split(g.c, co, ci, 4, tail)
                .split(g.n, no, ni, 4, row_tail);
            y.reorder(ni, si, ci, so, co, no).gpu_threads(si, ci).fuse(so, co, block);
        }
        y.fuse(block, no, block).gpu_blocks(block).never_partition_all();
        return y;
    };
    each_form(g.y, g.forms, [&](Stage y, const Form &form) {
        // Bound by memory: four loads under way per thread, which takes that no row is guarded.
        if (form.cheap) {
            four_rows(y.specialize(g.rows % (nhwc ? 4 * depth : 4) == 0), TailStrategy::RoundUp)
                .unroll(ni);
        }
        four_rows(y, tail);
    });
}

}  // namespace halnorm
