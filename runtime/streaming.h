// Results that are stored past the cache: when, and how they are handed to the kernels for it.
//
// Such a kernel wants rows of whole cache lines (generators/stages.h). In NHWC, and in NCHW where
// the spatial extent is a multiple of a line, the rows of the tensors are (by_row). Shorter rows of
// NCHW are, together: some channels of an image are one stretch of memory, and the kernel for NHWC
// takes its elements for channels, with the coefficients repeated along each (flat).
#pragma once

#include "buffers.h"
#include "cpu_features.h"

namespace halnorm {

// plan->stores, for a processor's plan whose tensors have been folded, until when it is ordinary.
void choose_stores(const Operands &operands, Plan *plan);

// The rule for HALNORM_STORES_AUTOMATIC: of more than so many bytes of tensors results are stored
// past the cache, by row or flat. `reduces`: the call sums over its tensors too.
int64_t streaming_from(const LastLevelCache &cache, Stores stores, bool reduces);

// Bytes of an array of coefficients of a piece: all of them, six in the backward pass, lie on the
// stack, and mostly in L1. Against ordinary stores with 4, 8 and 16 KB (as in streaming_from):
// 32x1024x14x14 inference 0.95, 1.15, 0.99, training 1.35, 1.35, 1.22, backward 1.25, 1.32, 1.27;
// 32x2048x7x7 with 4 and 8 KB inference 0.87, 1.06, training 1.48, 1.61, backward 1.08, 1.03.
constexpr int64_t flat_bytes = 8192;

// array[i * s, (i + 1) * s) = values[i], for `channels` values of `plan`'s type.
void repeat_along_rows(const Plan &plan, const void *values, int64_t channels, void *array);

// The table that a piece of the result takes its kernel from. Whatever the layouts of a build, a
// variant that has such kernels has NHWC's.
template<typename Row>
const Row *result_table(const Plan &plan, bool streaming, const Row *ordinary, const Row *past) {
    if (!built::streaming)
        return ordinary;
    const Row &row = past[plan.variant];
    const bool has = row.f32[kernel_nhwc] != nullptr || row.f64[kernel_nhwc] != nullptr;
    return streaming && has ? past : ordinary;
}

// The pieces of a flat result, until one fails, and then what remains: for_each_piece's other half.
// Its arrays are more stack than many threads have, so they are in a frame of their own.
template<int sets, typename Body>
__attribute__((noinline)) int for_each_flat_piece(const Plan &plan, const Slice &slice,
                                                  const Coefficients (&coefficients)[sets],
                                                  Body body) {
    const Region &region = plan.apply;
    const int64_t s = region.s.extent, element = static_cast<int64_t>(plan.element());
    Region flat = region;
    flat.layout = kernel_nhwc;
    flat.s.extent = 1;
    flat.c.extent *= s;
    for (int k = 0; k < region.tensors; k++)
        flat.c.stride[k] = 1;
    alignas(64) char memory[3 * sets][flat_bytes];
    int code = 0;
    Slice rest = slice;
    for (; code == 0 && rest.channels >= plan.flat_channels; rest.c += plan.flat_channels) {
        Coefficients repeated[sets];
        for (int i = 0; i < sets; i++) {
            const void *const given[] = {coefficients[i].center, coefficients[i].scale,
                                         coefficients[i].offset};
            void **const arrays[] = {&repeated[i].center, &repeated[i].scale, &repeated[i].offset};
            for (int k = 0; k < 3; k++) {
                char *const array = memory[3 * i + k];
                repeat_along_rows(plan, static_cast<const char *>(given[k]) + rest.c * element,
                                  plan.flat_channels, array);
                // Channels of a slice count from the first of all.
                *arrays[k] = reinterpret_cast<void *>(reinterpret_cast<uintptr_t>(array) -
                                                      static_cast<uintptr_t>(rest.c * s * element));
            }
        }
        code =
            body(flat, {rest.c * s, plan.flat_channels * s, slice.n, slice.rows}, repeated, true);
        rest.channels -= plan.flat_channels;
    }
    return code == 0 && rest.channels > 0 ? body(region, rest, coefficients, false) : code;
}

// Calls body(region, slice, coefficients, streaming) for the slice of the result, or for its pieces
// where it is flat, until one fails.
template<int sets, typename Body>
int for_each_piece(const Plan &plan, const Slice &slice, const Coefficients (&coefficients)[sets],
                   Body body) {
    if (built::streaming && plan.stores == Stores::flat)
        return for_each_flat_piece(plan, slice, coefficients, body);
    return body(plan.apply, slice, coefficients, plan.stores == Stores::by_row);
}

}  // namespace halnorm
