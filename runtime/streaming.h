// Results that are stored past the cache: when, and how they are handed to the kernels for it.
//
// In NHWC rows are stored that begin at multiples of 16 bytes, as what malloc returns does, and are
// whole cache lines (by_row). In NCHW it is the lines that count, wherever rows begin: the channels
// of an image are one stretch of memory, of which one kernel stores the whole lines (by_line), each
// with the coefficients of its one or two channels, and the ordinary kernel what is left at the
// ends. Before, rows of whole lines, or at least of some 16 bytes, went by row, others as rows of
// the NHWC kernel with the coefficients repeated along them, or through some KB on the stack from
// where they were copied. Times as fast as that, inference, training, backward: 32x2048x7x7 1.20,
// 1.12, 1.06, 64x2048x7x7 1.14, 1.08, 1.06, 32x1024x14x14 1.30, 1.28, 1.12, 64x100x29x29 1.36,
// 1.26, 1.33, 16x64x111x111 1.27, 1.39, 1.21, 32x512x28x28 1.01, 1.01, 1.01; of silu training at
// 32x2048x7x7 0.96, with AVX2 0.81 (relu, float32, AVX-512, a Xeon, family 6 model 207, whose
// memory others load too, 2026-11-29).
//
// By row where until then only tensors that begin at a line were, 16 bytes after a line: inference
// of 8x256x56x56 in NHWC 1351 us, now 764, training 2486 and 1597, backward 4162 and 3011 (Zen 5,
// AVX-512, relu, float32, 2026-11-28).
#pragma once

#include "../generators/agreed.h"
#include "cpu_features.h"
#include "plan.h"

namespace halnorm {

// Whether results of such a call, over so many tensors, may be stored past the cache: where the
// tensors lie decides then.
bool may_stream(const Plan &plan, int tensors);

// plan->stores, for a processor's plan whose tensors have been folded, until when it is ordinary.
void choose_stores(const Operands &operands, Plan *plan);

struct KindOfCall {
    bool reduces;     // sums over its tensors too
    bool one_thread;  // has no others to share its tasks
};

// The rule for HALNORM_STORES_AUTOMATIC: of more than so many bytes of tensors results are stored
// past the cache.
int64_t streaming_from(const LastLevelCache &cache, KindOfCall call);

// Whether the channels of an image lie one behind the other in every tensor.
bool together(const Region &region);

// Whether a stage's kernels for that, those of the plan's variant, store its result past the cache.
template<typename Row>
bool streams(const Plan &plan, const Row *kernels) {
    if (!built::streaming || plan.stores == Stores::ordinary)
        return false;
    const KernelLayout layout = plan.apply.layout;
    const Row &row = kernels[plan.variant];
    return row.f32[layout] != nullptr || row.f64[layout] != nullptr;
}

// The pieces of a result by line, the tensor `index` of the plan, until one fails: of channels that
// lie one behind the other the whole lines, and before that, by the ordinary kernel, as much of
// both ends as one line has.
template<typename Body>
int for_each_stretch(const Plan &plan, const Slice &slice, const void *result, int index,
                     Body body) {
    const Region &all = plan.apply;
    const int64_t element = static_cast<int64_t>(plan.element()), line = cache_line / element,
                  s = all.s.extent,
                  begin = static_cast<int64_t>(reinterpret_cast<uintptr_t>(result) % cache_line) /
                          element;
    const auto run = [&](const Slice &stretch, int64_t) {
        const int64_t past =
            begin + stretch.c * all.c.stride[index] + stretch.n * all.n.stride[index];
        Slice whole = stretch;
        whole.s = whole.s_of_kernel = round_up(past, line) - past;
        const bool alike = stretch.rows == 1 || all.n.stride[index] % line == 0;
        const auto end = [&](int64_t c, int64_t first, int64_t elements) {
            if (alike && elements % line == 0)
                return 0;
            Region some = all;
            some.s.extent = line;
            return body(some, {c, 1, stretch.n, stretch.rows, first}, false);
        };
        int code = end(stretch.c, 0, whole.s);
        if (code == 0)
            code = end(stretch.c + stretch.channels - 1, s - line, stretch.channels * s - whole.s);
        return code != 0 ? code : body(all, whole, true);
    };
    return for_each_part(slice, s, s, together(all) ? slice.channels : 1, slice.rows, run);
}

// Calls body(region, slice, streaming) for the slice of the result, the tensor `index` of the plan,
// or for its pieces, until one fails. Where it is told to, it calls one of `kernels`, the stage's
// streaming ones.
template<typename Row, typename Body>
int for_each_piece(const Plan &plan, const Slice &slice, const void *result, int index,
                   const Row *kernels, Body body) {
    const bool streaming = streams(plan, kernels);
    if (streaming && plan.stores == Stores::by_line)
        return for_each_stretch(plan, slice, result, index, body);
    return body(plan.apply, slice, streaming);
}

}  // namespace halnorm
