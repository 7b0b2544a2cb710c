#include "streaming.h"

#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "../generators/activation_forms.h"
#include "../generators/agreed.h"
#include "parallel.h"

namespace halnorm {
namespace {

// Rows of fewer images spend more on repeating the coefficients than they save: flat, against
// staged, training of 8x1024x14x14 277 us, 235, 16x1024x14x14 502, 539, 16x2048x7x7 269, 256,
// backward with relu 391, 389, 1125, 1261, 421, 474 (rows of 196 went so too then; Zen 5,
// AVX-512, 2026-11-28).
constexpr int64_t flat_rows = 16;

// Below this no machine's tensors exceed the cache, and its size need not be known.
constexpr int64_t smallest_cache = 1 << 20;

// (In 32 bits: a division of 64 is slow on many machines.)
constexpr int32_t gcd(int32_t a, int32_t b) {
    return b == 0 ? a : gcd(b, a % b);
}

int64_t all_bytes(const Plan &plan, int tensors) {
    return plan.elements() * static_cast<int64_t>(plan.element()) * tensors;
}

// by_row, flat or staged, if the result can be stored so: it is no tensor that the call reads,
// since in place they lost 5 to 12 % (see streaming_from).
Stores possible_stores(const Plan &plan, const Operands &operands, int64_t *flat_channels) {
    const int result = operands.result;
    if (result < 0)
        return Stores::ordinary;
    const void *data = operands.list[result].tensor->data;
    for (int k = 0; k < operands.count; k++) {
        if (k != result && operands.list[k].tensor->data == data)
            return Stores::ordinary;
    }
    const Region &r = plan.apply;
    const int64_t element = static_cast<int64_t>(plan.element()), line = cache_line / element;
    // Other forms than clamp have no kernel for parts of lines. Curved ones, which arithmetic
    // bounds, lose by them, and by rows that begin anywhere: inference of silu at 16x1024x14x14 552
    // us staged, 658 in parts; 16 bytes after a line at 8x256x56x56, ordinary and then by row, NHWC
    // 1172 and 1335 (as above).
    const bool clamps = plan.activation.form == static_cast<int32_t>(ActivationForm::clamp);
    const int64_t alignment = clamps ? row_alignment : cache_line;
    const auto is_aligned = [&](const Axis &axis) {
        return axis.extent == 1 || axis.stride[result] * element % alignment == 0;
    };
    const bool nhwc = r.layout == kernel_nhwc, reduces = operands.cut != nullptr;
    const Axis &row = nhwc ? r.c : r.s, &next = nhwc ? r.s : r.c;
    const bool aligned =
        reinterpret_cast<uintptr_t>(data) % static_cast<uintptr_t>(alignment) == 0 &&
        is_aligned(r.n);
    const bool part_of_line = !nhwc && clamps && row.extent * element % row_alignment == 0;
    if (aligned && (row.extent % line == 0 || part_of_line) && is_aligned(next))
        return Stores::by_row;
    if (nhwc)
        return Stores::ordinary;
    bool dense = true;
    for (int k = 0; k < r.tensors; k++)
        dense = dense && r.c.stride[k] == r.s.extent;
    const int64_t unit = line / gcd(static_cast<int32_t>(r.s.extent), static_cast<int32_t>(line)),
                  unit_bytes = unit * r.s.extent * element;
    if (reduces && aligned && dense && unit_bytes <= flat_bytes && unit <= r.c.extent &&
        r.n.extent >= flat_rows) {
        const int64_t most = flat_bytes / unit_bytes * unit;
        *flat_channels = most > r.c.extent ? r.c.extent / unit * unit : most;
        return Stores::flat;
    }
    // Parts of rows pay where the call has read them before, short rows apart never.
    const bool together = r.c.extent == 1 || r.c.stride[result] == r.s.extent,
               fits = r.s.extent * element <= stage_bytes;
    return (fits && together) || (!fits && reduces) ? Stores::staged : Stores::ordinary;
}

template<typename T>
void repeat(const void *values, int64_t count, int64_t times, void *array) {
    T *to = static_cast<T *>(array);
    for (int64_t i = 0; i < count; i++, to += times) {
        const T value = static_cast<const T *>(values)[i];
        for (int64_t k = 0; k < times; k++)
            to[k] = value;
    }
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
// gains more than who reads its result next loses; flat results cost more to store. A Zen 5 with
// AVX-512 and 32 MB so shared, 2026-11-28, relu, x between 4.8 and 13 MB, the call alone and with
// its result read next:
//
//   MB                          14           19           22           24           26
//   training NCHW, flat                      1.31, 0.92   1.59, 1.49                1.94, 1.29
//   training NHWC                            1.19, 1.07   2.03, 1.20                1.73, 1.42
//   backward NCHW               1.17, 0.87   1.34, 1.02   1.41, 1.00   1.64, 1.26
//   backward NHWC               1.07, 0.90   1.35, 0.98   1.39, 1.18   1.47, 1.26
//   inference NCHW, flat                     1.04, 0.64   1.14, 0.81   1.22, 0.87   1.20, 0.78
//   inference NCHW, by row                                1.57, 0.98                2.03, 1.08
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
int64_t streaming_from(const LastLevelCache &cache, Stores stores, KindOfCall call) {
    const bool sooner = cache.shared && call.one_thread;
    int64_t twentieths = 16;
    if (sooner && call.reduces)
        twentieths = 11;
    else if (sooner && stores == Stores::by_row)
        twentieths = 14;
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
    const Stores possible = possible_stores(*plan, operands, &plan->flat_channels);
    if (possible == Stores::ordinary)
        return;
    const KindOfCall call = {operands.cut != nullptr, likely_threads(*plan->config) == 1};
    if (plan->config->stores == HALNORM_STORES_STREAMING ||
        all_bytes(*plan, operands.count) > streaming_from(last_level_cache(), possible, call))
        plan->stores = possible;
    // Copies wait for memory to be written, and what is read next could be read meanwhile, but for
    // calls that have just read it (cut_reduction): inference of 32x2048x7x7 1646 us, prefetched
    // 1263, 64x2048x7x7 3761, 2954, 12x1024x15x15 1330, 1170, 32x512x28x28 4 bytes after a
    // line 12.5 ms, 9.1 (AVX-512, relu, a Xeon, family 6 model 207, whose memory others load too,
    // 2026-11-29).
    if (plan->stores == Stores::staged)
        plan->ahead = static_cast<int32_t>(stage_bytes / static_cast<int64_t>(plan->element()));
}

void repeat_along_rows(const Plan &plan, const void *values, int64_t channels, void *array) {
    const int64_t s = plan.apply.s.extent;
    if (plan.dtype == HALNORM_FLOAT64)
        repeat<double>(values, channels, s, array);
    else
        repeat<float>(values, channels, s, array);
}

#if defined(__SSE2__)

namespace {

// The whole lines of `bytes`.
template<int reads>
void copy_lines(char *to, const char *from, int64_t bytes, const uintptr_t *next) {
    for (int64_t at = 0; at + cache_line <= bytes; at += cache_line) {
        for (int k = 0; k < reads; k++)
            _mm_prefetch(reinterpret_cast<const char *>(next[k] + static_cast<uintptr_t>(at)),
                         _MM_HINT_T0);
        for (int64_t i = 0; i < cache_line; i += 16)
            _mm_stream_si128(reinterpret_cast<__m128i *>(to + at + i),
                             _mm_loadu_si128(reinterpret_cast<const __m128i *>(from + at + i)));
    }
}

}  // namespace

void copy_past_cache(void *to, const void *from, int64_t bytes, const Ahead &ahead) {
    char *t = static_cast<char *>(to);
    const char *f = static_cast<const char *>(from);
    const uintptr_t begun = reinterpret_cast<uintptr_t>(t) % cache_line;
    const int64_t head = begun == 0 ? 0 : cache_line - static_cast<int64_t>(begun);
    int64_t done = 0;
    if (bytes >= head + cache_line) {
        memcpy(t, f, static_cast<size_t>(head));
        const auto copy = ahead.count == 0 ? copy_lines<0> :
                          ahead.count == 1 ? copy_lines<1> :
                                             copy_lines<2>;
        copy(t + head, f + head, bytes - head, ahead.address);
        done = bytes - (bytes - head) % cache_line;
    }
    memcpy(t + done, f + done, static_cast<size_t>(bytes - done));
}

void fence_copies() {
    _mm_sfence();
}

#else

void copy_past_cache(void *to, const void *from, int64_t bytes, const Ahead &) {
    memcpy(to, from, static_cast<size_t>(bytes));
}

void fence_copies() {}

#endif

}  // namespace halnorm
