// The cut of a reduction: blocks, chunks and groups of channels.
#include "plan.h"

#include "../generators/agreed.h"
#include "cpu_features.h"
#include "parallel.h"

namespace halnorm {
namespace {

// Of each tensor in a group of channels that goes through all stages, where nothing is known of the
// machine. What is read twice should stay in L2 beside what is written: x and y, or x and dy beside
// dx. (Of 85 KB each backward at 8x1024x14x14 took 388 us, now 379, 8x512x28x28 814 and 783, in
// eleven shapes 1.01 times as long; Zen 5, 1 MB of L2, AVX-512, 2026-11-28.)
constexpr int64_t group_bytes = int64_t{128} * 1024;

// Where L2 is known, x is half of it, or x and dy are, as long as each thread gets some groups: the
// five kernel calls of a group take 0.4 us. Training with 128, 256 and 512 KB, us: 1x64x112x112 88,
// 84, 81, 1x512x28x28 46, 44, 44, 8x64x56x56 187, 166, 164, 32x512x28x28 3450, 3459, 3302, AVX2 at
// 8x256x56x56 1860, 1738, 1547, two threads at 1x64x112x112 51, 47, 44. Backward: 8x64x56x56 277,
// 268, 269, 8x256x56x56 with relu 2137, 1933, 2256 (as above).
int64_t larger_group_bytes(const Plan &plan, int64_t tensor_bytes, bool prefetches) {
    const bool two = plan.apply.tensors <= 2;
    const int64_t threads = likely_threads(*plan.config);
    const int64_t shared = threads == 1 ? tensor_bytes : tensor_bytes / (4 * threads);
    const int64_t groups = prefetches ? 2 : 1, least = group_bytes / groups;
    const int64_t most =
        clamp(second_level_cache() / (two ? 2 : 4) / groups, least, int64_t{512} << 10);
    return clamp(shared, least, most);
}

// While results go past the cache from what lies in L2, the memory could be read: the last stage of
// a group prefetches the next (Pointwise::ahead), where both fit. Training with relu, AVX-512 and
// AVX2, without and with it, and a prefetch in long rows of sums (schedules/patterns_nchw.cpp):
// 8x256x56x56 1380 us, 967, 1616, 979, 32x512x28x28 3433, 2413, 3891, 2475, 32x1024x14x14 1251,
// 1015, 1411, 1002; backward 2281, 1974, 2589, 1748, 4674, 4494, 4934, 4232, 2635, 2106, 2884,
// 1870. With groups twice as large 0.87 to 1.0 of that. Two tensors that are read from L3 rather
// than memory lost: backward at 8x64x56x56 240 and 282, 8x96x56x56 442 and 484, 8x112x56x56 625 and
// 553, 1x256x112x112 628 and 766; one did not, training at 8x64x56x56 207 and 194. Ordinary stores
// lost 0.93 to 1.0. Two threads share the groups, and would fetch each other's (Zen 5, 1 MB of L2,
// float32, 2026-11-28).
bool may_prefetch(const Plan &plan) {
    const int64_t bytes =
        plan.elements() * plan.apply.tensors * static_cast<int64_t>(plan.element());
    return plan.stores == Stores::by_line && plan.scratch == 0 &&
           likely_threads(*plan.config) == 1 &&
           (plan.apply.tensors == 2 || bytes > last_level_cache().bytes / 4 * 5);
}

// Elements from a group of channels to the next in every tensor; 0 where there is no such number,
// or no room for both.
int32_t to_next_group(const Plan &plan, int64_t group) {
    const Region &r = plan.apply;
    bool alike = true;
    for (int k = 1; k < r.tensors; k++)
        alike = alike && r.c.stride[k] == r.c.stride[0];
    const int64_t elements = group * r.s.extent * r.n.extent * (r.tensors - 1),
                  bytes = elements * static_cast<int64_t>(plan.element()),
                  next = group * r.c.stride[0];
    const int64_t behind = r.n.extent * r.n.stride[0] + r.c.extent * r.c.stride[0] + next;
    const bool fits = 2 * bytes <= second_level_cache(), counts = behind <= INT32_MAX;
    return alike && fits && counts ? static_cast<int32_t>(next) : 0;
}

// A float32 accumulator takes about this many addends before a double does; see docs/numerics.md.
constexpr int64_t accumulator_addends = 16, gpu_accumulator_addends = 32;

// Rows of up to 256 elements are not cut. Longer ones are cut into chunks of up to 512, 16 addends
// for each of 32 lanes, such that little remains.
int64_t choose_chunk_s(int64_t s) {
    if (s <= 256)
        return int64_t{5} * chunk_unit;
    int64_t best = 0;
    for (int64_t units = 8; units >= 4; units--) {
        const int64_t chunk = units * chunk_unit;
        if (chunk <= s && (best == 0 || s % chunk < s % best))
            best = chunk;
    }
    return best;
}

// Of a block in NHWC: 64 k elements, or more where many remain to be shared out, since each block
// begins with a shift, from 24 of its rows. Training with at least 128, 256, 512 and 1024 rows, us:
// 8x1024x14x14 217, 205, 202, 196, 32x2048x7x7 562, 547, 528, 512, 4096x512 293, 282, 269, 273,
// 32x512x28x28 3657, 3268, 3364, 3145 (as above).
int64_t block_pixels(int64_t pixels, int64_t width) {
    const int64_t four = clamp(pixels / 4, 128, 256), sixteen = clamp(pixels / 16, four, 1024);
    return clamp(65536 / width, sixteen, 1024);
}

void cut_cpu_reduction(Plan *plan) {
    const Region &r = plan->reduce;
    const int64_t s = r.s.extent, n = r.n.extent, element = static_cast<int64_t>(plan->element());
    const int64_t channel_bytes = s * n * element;
    const auto group_of = [&](int64_t bytes) {
        return even_part(r.width(), clamp(bytes / channel_bytes, 1, r.width()));
    };

    // Few and large channels would keep most threads idle and do not fit the cache anyway.
    const int64_t rows = clamp(group_bytes / (s * element), 1, n);
    const bool few = r.width() < 16 && group_of(group_bytes) == 1 && ceil_div(n, rows) > r.width();
    // Not in NHWC, where what a group has of a row is not all of it, though the group then stays in
    // L2: training with all channels, 64, 128 and 256 at a time, us: 8x1024x14x14 1072, 1115, 1578,
    // 1372, 4096x256 685, 995, 962, backward 1092, 1378, 1393, 32x2048x7x7 2039, 3180, 3061, 2733
    // (AVX-512, relu, a Xeon, family 6 model 207, 2 MB of L2, 2026-11-29).
    plan->by_channel = r.layout == kernel_nchw && !few;
    plan->group = 1;
    if (plan->by_channel) {
        const bool prefetches = may_prefetch(*plan);
        const int64_t group =
            group_of(larger_group_bytes(*plan, channel_bytes * r.width(), prefetches));
        plan->group = group > 16 ? round_up(group, 16) : group;
        plan->ahead = prefetches ? to_next_group(*plan, plan->group) : 0;
    }
    if (r.layout == kernel_nchw) {
        plan->block_n = plan->by_channel ? n : rows;
        plan->chunk_s = choose_chunk_s(s);
        const int64_t rest = s % plan->chunk_s;
        plan->chunk_n = clamp(256 / (rest == 0 ? 1 : rest), 1, accumulator_addends);
    } else {
        const int64_t block_n = block_pixels(n * s, r.width()) / s;
        plan->block_n = clamp(round_up(even_part(n, clamp(block_n, 1, n)), 16), 1, n);
        plan->chunk_s = accumulator_addends;
        const int64_t rest = s % plan->chunk_s;
        plan->chunk_n = clamp(accumulator_addends / (rest == 0 ? 1 : rest), 1, accumulator_addends);
    }
    plan->blocks = ceil_div(n, plan->block_n);
}

// A GPU takes the whole tensor in one task. A block of threads has gpu_depth chunks, which is all
// the rows of a block; with about 1024 of them the whole device works.
constexpr int64_t gpu_blocks = 1024;
constexpr int64_t gpu_grid_most = 65535;  // blocks in the second dimension of a grid

// Eight chunks of a row of s elements at a time, a warp each; what remains is left to one warp.
int64_t choose_gpu_chunk_s(int64_t s) {
    int64_t best = 0, best_time = 0;
    for (int64_t chunk = int64_t{4} * chunk_unit; chunk <= int64_t{16} * chunk_unit && chunk <= s;
         chunk += chunk_unit) {
        const int64_t time = ceil_div(s / chunk, gpu_depth) * chunk + s % chunk;
        if (best == 0 || time <= best_time)
            best = chunk, best_time = time;
    }
    return best;
}

void cut_gpu_reduction(Plan *plan) {
    const Region &r = plan->reduce;
    const int64_t s = r.s.extent, n = r.n.extent;
    const bool cut = r.layout == kernel_nchw && (s > 1024 || (s >= 512 && n < gpu_depth));
    if (cut) {
        plan->chunk_s = choose_gpu_chunk_s(s);
        plan->chunk_n = 1;
    } else if (r.layout == kernel_nchw) {
        plan->chunk_s = (s / chunk_unit + 1) * chunk_unit;
        const int64_t rows = clamp(s * n * r.width() / gpu_blocks / gpu_depth, 256, 1024) / s;
        // Shifts are means of neighbours in a row, and worse where there are few: fewer numbers of
        // larger size are added.
        const int64_t addends = s < 8 ? gpu_accumulator_addends / 8 : gpu_accumulator_addends;
        plan->chunk_n = clamp(rows, 1, clamp(addends / ceil_div(s, gpu_warp), 1, n));
    } else {
        plan->chunk_s = gpu_accumulator_addends;
        const int64_t rest = s % plan->chunk_s;
        plan->chunk_n = clamp(n * ceil_div(r.width(), gpu_warp) / gpu_blocks / gpu_depth, 4,
                              gpu_accumulator_addends);
        if (rest > 1)
            plan->chunk_n = clamp(gpu_accumulator_addends / rest, 1, plan->chunk_n);
    }
    plan->block_n = clamp(cut ? 1 : gpu_depth * plan->chunk_n, ceil_div(n, gpu_grid_most), n);
    plan->blocks = ceil_div(n, plan->block_n);
    plan->by_channel = true;
    plan->group = r.width();
}

}  // namespace

void cut_reduction(Plan *plan) {
    plan->on_cpu() ? cut_cpu_reduction(plan) : cut_gpu_reduction(plan);
}

int64_t Plan::reduce_tasks() const {
    return by_channel ? ceil_div(channels(), group) : blocks;
}

Slice Plan::reduce_slice(int64_t task) const {
    if (by_channel) {
        const int64_t c = task * group;
        return {c, clamp(channels() - c, 0, group), 0, reduce.n.extent};
    }
    const int64_t n = task * block_n;
    return {0, reduce.width(), n, clamp(reduce.n.extent - n, 0, block_n)};
}

}  // namespace halnorm
