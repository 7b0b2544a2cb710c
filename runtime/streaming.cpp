#include "streaming.h"

#include "../generators/activation_forms.h"
#include "../generators/agreed.h"
#include "parallel.h"

namespace halnorm {
namespace {

// Rows that do not follow one another, as of few large images too (cut_long_rows), take calls of
// their own, which only long ones pay. Times as fast as ordinary stores, of 48 MB, inference and
// training, in rows of 520 floats 0.36 and 0.84, 784 0.48 and 0.96, 1000 0.53 and 1.04, 3000 0.91
// and 1.26, 4104 0.98 and 1.31, 8200 1.18 and 1.33, 16392 1.23 and 1.19; inference of 1x3x1024x1024
// 1.28 to 1.37, 1x3x2048x2048 1.30 to 1.78 (AVX-512, a Xeon, family 6 model 207, 2026-11-29).
constexpr int64_t apart_bytes = 32768, apart_bytes_reduced = 8192;

// How far ahead inference in NCHW prefetches. Without it and with 2, 8 and 16 KB, where others load
// the memory too: 64x2048x7x7 1.36, 1.48, 1.45, 32x1024x14x14 1.16, 1.17, 1.16, 32x64x56x56 1.20,
// 1.20, 1.25, 32x512x28x28 1.23, 1.23, 1.22 times as fast, 4 KB like 8 (AVX2 like AVX-512; a Xeon,
// family 6 model 207, 2026-11-29).
constexpr int64_t ahead_bytes = 4096;

// Below this no machine's tensors exceed the cache, and its size need not be known.
constexpr int64_t smallest_cache = 1 << 20;

int64_t all_bytes(const Plan &plan, int tensors) {
    return plan.elements() * static_cast<int64_t>(plan.element()) * tensors;
}

// by_row or by_line, if the result can be stored so: it is no tensor that the call reads, since in
// place they lost 5 to 12 % (see streaming_from).
Stores possible_stores(const Plan &plan, const Operands &operands) {
    const int result = operands.result;
    if (result < 0)
        return Stores::ordinary;
    const void *data = operands.list[result].tensor->data;
    for (int k = 0; k < operands.count; k++) {
        if (k != result && operands.list[k].tensor->data == data)
            return Stores::ordinary;
    }
    const Region &r = plan.apply;
    const int64_t element = static_cast<int64_t>(plan.element());
    if (r.layout == kernel_nchw) {
        const int64_t apart = operands.cut != nullptr ? apart_bytes_reduced : apart_bytes;
        return r.s.extent * element >= (together(r) ? cache_line : apart) ? Stores::by_line :
                                                                            Stores::ordinary;
    }
    // Curved activations, which arithmetic bounds, lose by rows that begin anywhere: inference of
    // silu 16 bytes after a line at 8x256x56x56, ordinary and then by row, 1172 and 1335 us (Zen 5,
    // AVX-512, 2026-11-28).
    const bool clamps = plan.activation.form == static_cast<int32_t>(ActivationForm::clamp);
    const int64_t alignment = clamps ? row_alignment : cache_line;
    const auto is_aligned = [&](const Axis &axis) {
        return axis.extent == 1 || axis.stride[result] * element % alignment == 0;
    };
    const bool aligned =
        reinterpret_cast<uintptr_t>(data) % static_cast<uintptr_t>(alignment) == 0 &&
        is_aligned(r.n) && is_aligned(r.s);
    return aligned && r.c.extent * element % cache_line == 0 ? Stores::by_row : Stores::ordinary;
}

}  // namespace

// How many times as fast as ordinary stores streaming ones were; relu, float32, images of 64x56x56,
// all tensors of the call together, one core of a Zen 3 server whose 32 MB of L3 a virtual machine
// shares with others (copies slow down at 8 MB), 2026-11-26:
//
//   MB                            4.6   7.7   9.2    12    18    28    49   153
//   inference NCHW               0.94  0.90  1.33  1.78  1.70  1.26  1.27  1.22
//   inference NHWC               0.95  1.53  2.03  2.03  1.46  1.54  1.53  1.31
//   training NCHW                0.79  1.14  1.44  1.52  1.44
//   training NHWC                1.02  1.34  1.51  1.53  1.40
//   inference NCHW, y read next  0.45  0.47  0.61  0.72  0.93
//
// A Xeon (AVX-512, 2 MB of L2) that shares 300 MB of L3 likewise, 2026-11-27, inference as share of
// memcpy's rate:
//
//   MB                            6.4    13    19    26    38    51   103   205
//   NCHW, ordinary stores        104   113   120    87    87    82    89    85 %
//   NCHW, streaming              118   117   120   116   122   141   129   120 %
//   NHWC, ordinary stores        104   112   121    86    88    88    86    88 %
//   NHWC, streaming              116   115   117   105   106   109   110   106 %
//
// Another such machine, the call alone and with its result read next, 2026-11-29: NCHW 1.26, 0.92
// at 6.4 MB, 1.18, 0.91 at 13, 1.20, 0.95 at 19, 1.20, 1.07 at 26, training 1.06, 0.98 at 13, 1.23,
// 1.06 at 19, backward 1.08, 0.94 at 19, 1.23, 1.07 at 29 (docs/speed.md has more). The first,
// backward NCHW 1.18 at 6.9 MB, 1.33 at 14, 1.24 at 23, NHWC 1.09, 1.39, 1.07. Inference at 196 MB,
// 32x256x56x56, is 1.3 (NCHW) and 1.1 times as fast as memcpy. silu and sigmoid, bound by
// arithmetic in AVX2: 0.89 to 1.08 at 49 MB. In place, where memory is read anyway: 0.30 at 12 MB,
// 0.87 to 0.95 at 49 and 196 MB. A machine that has its cache to itself loses 2 to 3 times below
// 0.8 of it (a Zen 5), and y is mostly read at some time: the rule waits until even then nothing
// would be found in the cache.
//
// Of a cache that virtual machines share less is there. A call that reduces is longer, so that it
// gains more than who reads its result next loses. A Zen 5 with AVX-512 and 32 MB so shared,
// 2026-11-28, relu, x between 4.8 and 13 MB, the call alone and with its result read next:
//
//   MB                          14           19           22           24           26
//   training NHWC                            1.19, 1.07   2.03, 1.20                1.73, 1.42
//   backward NCHW               1.17, 0.87   1.34, 1.02   1.41, 1.00   1.64, 1.26
//   backward NHWC               1.07, 0.90   1.35, 0.98   1.39, 1.18   1.47, 1.26
//   inference NCHW                                        1.57, 0.98                2.03, 1.08
//   inference NHWC                           1.06, 0.77   1.42, 1.05   1.59, 1.08   1.60, 1.13
//
// Two threads share the memory, but not what reads and writes the cache. There the same Zen 5, with
// one thread and with two:
//
//   MB                          19           22           26           29           39
//   training NCHW        1.03, 0.76 (21)            1.35, 1.00   1.58, 1.18   1.47, 1.40
//   training NHWC        0.98, 0.59 (21)            1.28, 0.72   1.34, 0.74   1.37, 1.11
//   backward NCHW            1.26, 1.02   1.46, 1.17   1.57, 1.30   1.45, 1.36   1.38, 1.34
//   backward NHWC            1.20, 0.84   1.34, 0.90   1.70, 1.13   1.65, 1.31   1.70, 1.34
//   inference NCHW       1.10, 0.74 (21)            1.40, 0.86   1.54, 0.95   1.57, 1.10
//   inference NHWC       0.92, 0.51 (21)            1.18, 0.63   1.26, 0.69   1.25, 0.86
int64_t streaming_from(const LastLevelCache &cache, KindOfCall call) {
    const bool sooner = cache.shared && call.one_thread;
    const int64_t twentieths = !sooner ? 16 : call.reduces ? 11 : 14;
    return cache.bytes / 20 * twentieths;
}

bool may_stream(const Plan &plan, int tensors) {
    const halnorm_stores wanted = plan.config->stores;
    return wanted != HALNORM_STORES_ORDINARY && variants[plan.variant].streaming &&
           (wanted == HALNORM_STORES_STREAMING || all_bytes(plan, tensors) >= smallest_cache);
}

void choose_stores(const Operands &operands, Plan *plan) {
    if (!may_stream(*plan, operands.count))
        return;
    const Stores possible = possible_stores(*plan, operands);
    if (possible == Stores::ordinary)
        return;
    const KindOfCall call = {operands.cut != nullptr, likely_threads(*plan->config) == 1};
    if (plan->config->stores == HALNORM_STORES_STREAMING ||
        all_bytes(*plan, operands.count) > streaming_from(last_level_cache(), call))
        plan->stores = possible;
    if (plan->stores == Stores::by_line && !call.reduces)
        plan->ahead = static_cast<int32_t>(ahead_bytes / static_cast<int64_t>(plan->element()));
}

bool together(const Region &region) {
    bool dense = true;
    for (int k = 0; k < region.tensors; k++)
        dense = dense && (region.c.extent == 1 || region.c.stride[k] == region.s.extent);
    return dense;
}

}  // namespace halnorm
