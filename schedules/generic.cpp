// variant: generic. Any machine that Halide knows, with its baseline vectors.
//
// The file to copy for a new schedule: `cp generic.cpp my_idea.cpp`, add a line to CMakeLists.txt
// beside it, and edit. Two rules keep a kernel right in place, on any shape and next to unmapped
// memory.
//
// Every split and vectorize names its tail, GuardWithIf or Predicate: the default, ShiftInwards,
// computes some elements twice, and reads outside where a dimension is shorter than the vector.
//
// What is computed at a loop is stored in MemoryType::Stack, and where its extent there is no
// constant, bound_storage says the largest: anything else becomes a call of malloc.
#include "patterns.h"

namespace halnorm {

using Halide::Func;
using Halide::MemoryType;
using Halide::Stage;
using Halide::TailStrategy;
using Halide::Target;
using Halide::Var;

namespace {

const auto tail = TailStrategy::GuardWithIf;

// 1 on ARMv7 without NEON: there are no vectors, and those of C++ that Halide would write cost
// three times the code.
int lanes_of(const Target &target, Halide::Type type) {
    return target.has_feature(Target::NoNEON) ? 1 : target.natural_vector_size(type);
}

void nchw(Sums &g, int V) {
    join_lanes(g.full, g.full_lane, Sums::full_lane_count, {g.sums, g.fulls.x}, V);
    vectorize(g.full_lanes.compute_at(g.sums, g.fulls.x).store_in(MemoryType::Stack), g.l, V);
    vectorize(g.full_lanes.update().reorder(g.l, g.in_full), g.l, V);

    each_form(g.sums.update(1), g.forms,
              [&](Stage s, const Form &) { s.reorder(g.rests, g.c, g.b).never_partition_all(); });
    g.rest.compute_at(g.sums, g.rests).store_in(MemoryType::Stack);
    join_lanes(g.rest, g.rest_lane, g.rest_lane_count, {g.sums, g.rests}, V);
    vectorize(g.rest_lanes.compute_at(g.sums, g.rests).store_in(MemoryType::Stack), g.l, V);
    vectorize(g.rest_lanes.update(0).reorder(g.l, g.in_rest.x, g.in_rest.y), g.l, V);
    vectorize(g.rest_lanes.update(1).reorder(g.l, g.in_tail), g.l, V);
    g.rest_lanes.update(2).unscheduled();  // rows shorter than the lanes: element by element
}

void nhwc(Sums &g, int V) {
    // Channels side by side, V of them at a time over all rows of a block; without vectors a cache
    // line of them.
    Var co("co"), ci("ci");
    const int channels = V > 1 ? V : 8;
    g.full_lanes.compute_at(g.sums, g.fulls.x).store_in(MemoryType::Stack);

    each_form(g.sums.update(1), g.forms, [&](Stage s, const Form &) {
        s.split(g.c, co, ci, channels, tail).reorder(ci, g.rests, co, g.b).never_partition_all();
        vectorize(s, ci, V);
    });
    g.rest_lanes.compute_at(g.sums, g.rests)
        .store_in(MemoryType::Stack)
        .bound_storage(g.c, channels);
    vectorize(g.rest_lanes, g.c, V);
    vectorize(g.rest_lanes.update(0).reorder(g.c, g.in_rest.x, g.in_rest.y), g.c, V);
    g.rest_lanes.update(1).unscheduled();  // there are none
}

}  // namespace

Formulation formulation(const Target &target, const Halide::Type &type) {
    Formulation f = of_processor(target, type);
    f.apart_in_sums = f.apart_in_pointwise = false;
    return f;
}

void schedule(Shift &g, const Target &target) {
    // In NCHW channels are far apart in memory, and side by side they would be gathered.
    if (g.layout == Layout::nhwc)
        shift_by_panel(g, lanes_of(target, g.type));
}

void schedule(Sums &g, const Target &target) {
    const int lanes = lanes_of(target, g.type);
    // Chunks of long rows: one channel and chunk after the other, in either layout.
    each_form(g.sums.update(0), g.forms, [&](Stage s, const Form &) { long_rows(s, g); });
    g.full.compute_at(g.sums, g.fulls.x).store_in(MemoryType::Stack);
    g.layout == Layout::nchw ? nchw(g, lanes) : nhwc(g, lanes);
}

// They compute in double.
void schedule(Merge &g, const Target &target) {
    vectorize(g.merged, g.c, lanes_of(target, Halide::Float(64)));
}

void schedule(PerChannel &g, const Target &target) {
    vectorize(g.values, g.c, lanes_of(target, Halide::Float(64)));
}

void schedule(Pointwise &g, const Target &target) {
    const int lanes = lanes_of(target, g.type);
    each_form(g.y, g.forms, [&](Stage y, const Form &) {
        if (g.layout == Layout::nchw) {
            vectorize(y.reorder(g.s, g.c, g.n), g.s, lanes, tail_of(g, tail));
        } else {
            vectorize(y.reorder(g.c, g.s, g.n), g.c, lanes);
        }
    });
}

}  // namespace halnorm
