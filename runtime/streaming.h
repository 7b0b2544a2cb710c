// Results that are stored past the cache: when, and how they are handed to the kernels for it.
//
// Such a kernel wants rows that begin at multiples of 16 bytes, as what malloc returns does, and
// are whole cache lines, or in NCHW some 16 bytes (generators/stages.h). In NHWC, and in NCHW where
// the spatial extent is a multiple of 4 floats, the rows of the tensors are (by_row). Other rows of
// NCHW are, together: some channels of an image are one stretch of memory, and the kernel for NHWC
// takes its elements for channels, with the coefficients repeated along each (flat). All else the
// ordinary kernel leaves for some KB at a time on the stack, from where they are copied (staged);
// in NCHW alone, as in NHWC that takes 1.0 to 1.35 times as long as ordinary stores.
//
// By row where until then only tensors that begin at a line, with rows of whole lines, were: rows
// of 196, before (staged, flat from 16 images on in calls that reduce) and now, us: inference of
// 16x1024x14x14 322 and 212, 32x1024x14x14 721 and 630, training 498 and 466, 1408 and 1250,
// backward 1001 and 949, 2661 and 2480, of 8x1024x14x14 366 and 272. Tensors 16 bytes after a line:
// inference of 8x256x56x56 868 and 625, in NHWC, where stores were ordinary, 1351 and 764, training
// 1725 and 1482, 2486 and 1597, backward 2694 and 2162, 4152 and 3011; AVX2 1.05 to 1.3 times as
// fast (as below).
//
// Flat results are stored while the next are calculated, but image by image, some KB here and
// there: good where the call has read its tensors before, in that order. Staged ones, in the order
// of memory, are better where it reads from memory: inference, flat and staged, us: 32x1024x14x14
// 1088 and 783 (ordinary 921), 64x2048x7x7 1245 and 783 (889); training 1574 and 1654, 1425 and
// 1634, backward with relu 3015 and 3034, 3435 and 3564. Of tensors that begin anywhere, ordinary
// and staged: training at 8x256x56x56 2075 and 1589, 32x512x28x28 5055 and 3818, backward 2984 and
// 2618, 6416 and 5410; inference, where rows are staged in parts, 837 and 1174, else 2211 and 1939
// (Zen 5, AVX-512, relu, float32, 2026-11-28).
#pragma once

#include "buffers.h"
#include "cpu_features.h"

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
int64_t streaming_from(const LastLevelCache &cache, Stores stores, KindOfCall call);

// Bytes of an array of coefficients of a piece: all of them, six in the backward pass, lie on the
// stack, and mostly in L1. Against ordinary stores with 4, 8 and 16 KB (as in streaming_from):
// 32x1024x14x14 inference 0.95, 1.15, 0.99, training 1.35, 1.35, 1.22, backward 1.25, 1.32, 1.27;
// 32x2048x7x7 with 4 and 8 KB inference 0.87, 1.06, training 1.48, 1.61, backward 1.08, 1.03.
constexpr int64_t flat_bytes = 8192;

// array[i * s, (i + 1) * s) = values[i], for `channels` values of `plan`'s type.
void repeat_along_rows(const Plan &plan, const void *values, int64_t channels, void *array);

// What a staged result is copied from. Inference with 4, 8 and 12 KB: 32x1024x14x14 923, 915, 1218
// us, 8x1024x14x14 163, 135, 129 (as above, with wider copies).
constexpr int64_t stage_bytes = 8192;

// Where is read next, which is prefetched line by line meanwhile: it may lie behind the tensor.
struct Ahead {
    uintptr_t address[2];
    int count;
};

// memcpy, past the cache. What tells another thread that the task is done is not ordered with it,
// but with the fence after it.
void copy_past_cache(void *to, const void *from, int64_t bytes, const Ahead &ahead);
void fence_copies();

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
                                                  void *result, Body body) {
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
                *arrays[k] = whole_of(array, rest.c * s * element);
            }
        }
        code = body(flat, {rest.c * s, plan.flat_channels * s, slice.n, slice.rows}, repeated,
                    result, true);
        rest.channels -= plan.flat_channels;
    }
    return code == 0 && rest.channels > 0 ? body(region, rest, coefficients, result, false) : code;
}

// The pieces of a staged result, the tensor `index` of the plan, until one fails: some channels of
// an image, or a part of one.
template<int sets, int reads, typename Body>
__attribute__((noinline)) int for_each_staged_piece(const Plan &plan, const Slice &slice,
                                                    const Coefficients (&coefficients)[sets],
                                                    const Read (&read)[reads], void *result,
                                                    int index, Body body) {
    static_assert(reads <= sizeof(Ahead::address) / sizeof(uintptr_t));
    Region region = plan.apply;
    const int64_t element = static_cast<int64_t>(plan.element()), most = stage_bytes / element,
                  s = region.s.extent, stride_c = region.c.stride[index],
                  stride_n = region.n.stride[index];
    int64_t channels = stride_c == s ? clamp(most / s, 1, slice.channels) : 1;
    // So that rows which are whole lines together are.
    for (int64_t together = 16; together > 1 && channels < slice.channels; together /= 2) {
        if (channels >= together) {
            channels -= channels % together;
            break;
        }
    }
    region.c.stride[index] = s;
    region.n.stride[index] = 0;
    alignas(64) char stage[stage_bytes];
    const auto run = [&](const Slice &piece, int64_t extent) {
        region.s.extent = extent;
        const int64_t before = piece.s + piece.c * s;
        if (const int code =
                body(region, piece, coefficients, whole_of(stage, before * element), false))
            return code;
        const auto offset = [&](int64_t of_c, int64_t of_n) {
            return piece.s + piece.c * of_c + piece.n * of_n;
        };
        Ahead ahead = {{}, plan.ahead > 0 ? reads : 0};
        for (int k = 0; k < ahead.count; k++) {
            const int i = read[k].index;
            const int64_t next = offset(region.c.stride[i], region.n.stride[i]) + plan.ahead;
            ahead.address[k] =
                reinterpret_cast<uintptr_t>(read[k].data) + static_cast<uintptr_t>(next * element);
        }
        copy_past_cache(static_cast<char *>(result) + offset(stride_c, stride_n) * element, stage,
                        extent * piece.channels * element, ahead);
        return 0;
    };
    if (const int code = for_each_part(slice, s, most, channels, 1, run))
        return code;
    fence_copies();
    return 0;
}

// Calls body(region, slice, coefficients, data, streaming) for the slice of the result, the tensor
// `index` of the plan, or for its pieces where it is flat or staged, until one fails. `data` stands
// for `result`; body reads the tensors `read`.
template<int sets, int reads, typename Body>
int for_each_piece(const Plan &plan, const Slice &slice, const Coefficients (&coefficients)[sets],
                   const Read (&read)[reads], void *result, int index, Body body) {
    if (built::streaming && plan.stores == Stores::flat)
        return for_each_flat_piece(plan, slice, coefficients, result, body);
    if (built::streaming && plan.stores == Stores::staged)
        return for_each_staged_piece(plan, slice, coefficients, read, result, index, body);
    return body(plan.apply, slice, coefficients, result, plan.stores == Stores::by_row);
}

}  // namespace halnorm
