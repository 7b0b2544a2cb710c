#include "plan.h"

#include "activation.h"
#include "status.h"
#include "streaming.h"

namespace halnorm {
namespace {

// A group of channels that goes through all stages should stay in L2 beside what else lives there,
// all of its tensors together; the smallest L2 that matters is 128 KB (Cortex-A55).
constexpr int64_t group_bytes = int64_t{256} * 1024;

// Elements of one call of `normalize`: long enough that the call costs nothing, short enough to
// share among threads.
constexpr int64_t apply_elements = int64_t{64} * 1024;

// A float32 accumulator takes about this many addends before a double does; see docs/numerics.md.
constexpr int64_t accumulator_addends = 16, gpu_accumulator_addends = 32;

constexpr int64_t chunk_unit = 64;  // Sums::chunk_unit

int64_t ceil_div(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

int64_t clamp(int64_t v, int64_t low, int64_t high) {
    return v < low ? low : v > high ? high : v;
}

int64_t round_up(int64_t v, int64_t unit) {
    return ceil_div(v, unit) * unit;
}

// The size of parts of about `size` that threads share evenly: equal, and a multiple of four of
// them where there are more than two.
int64_t even_part(int64_t all, int64_t size) {
    const int64_t parts = ceil_div(all, size);
    return parts == 1 ? all : ceil_div(all, parts == 2 ? 2 : round_up(parts, 4));
}

// Rows of C channels are seen as rows of f * C where C alone leaves most of a vector empty. f
// divides the number of rows. Measured on NHWC float32: rows of 128 k elements first, then 64 k,
// then 16 k; 1024 at most; where there are none, the longest, whose end is the smallest part. In
// tiny tensors a merge of many folds costs more than it saves: 64 at most, and any multiple of C,
// the largest. (In 32 bits: a division of 64 is slow on many machines.)
int32_t choose_fold(int32_t channels, int32_t rows) {
    if (channels % 64 == 0)
        return 1;
    const bool tiny = int64_t{channels} * rows < 4096;
    const int32_t step = 16 / gcd(channels, 16), most = (tiny ? 64 : 1024) / channels;
    int32_t best = 1, best_unit = 0;
    for (int32_t f = step; f <= most && !tiny; f += step) {
        const int32_t w = f * channels;
        const int32_t unit = w % 128 == 0 ? 128 : w % 64 == 0 ? 64 : 16;
        if (unit > best_unit && rows % f == 0)
            best = f, best_unit = unit;
    }
    if (best_unit > 0)
        return best;
    for (int32_t f = most; f > 1; f--) {
        if (rows % f == 0)
            return f;
    }
    return 1;
}

bool can_fold(const Region &r) {
    if (r.s.extent != 1 || r.n.extent <= 1 || r.c.extent <= 1)
        return false;
    for (int k = 0; k < r.tensors; k++) {
        if (r.c.stride[k] != 1 || r.n.stride[k] != r.c.extent)
            return false;
    }
    return true;
}

// One row per channel becomes rows of `row` elements, a divisor.
void cut_rows(Region *r, int64_t row) {
    r->n.extent = r->s.extent / row;
    for (int k = 0; k < r->tensors; k++)
        r->n.stride[k] = row;
    r->s.extent = row;
}

// Rows of up to 256 elements are not cut. Longer ones are cut into chunks of up to 512, 16 addends
// for each of 32 lanes, such that little remains.
int64_t choose_chunk_s(int64_t s) {
    if (s <= 256)
        return 5 * chunk_unit;
    int64_t best = 0;
    for (int64_t units = 8; units >= 4; units--) {
        const int64_t chunk = units * chunk_unit;
        if (chunk <= s && (best == 0 || s % chunk < s % best))
            best = chunk;
    }
    return best;
}

// Of few channels in one long row each (a plane of one image, or all of a single channel) the rows
// are cut, so that there is something to share out: channels are by far too few.
void cut_long_rows(Region *r) {
    constexpr int64_t longest = int64_t{16} * 1024, shortest = longest / 4, step = chunk_unit;
    if (r->layout != kernel_nchw || r->n.extent != 1 || r->width() >= 16 || r->s.extent <= longest)
        return;
    int64_t row = longest;
    while (row >= shortest && r->s.extent % row != 0)
        row -= step;
    if (row >= shortest)
        cut_rows(r, row);
}

void fold_rows(Region *r) {
    if (!can_fold(*r))
        return;
    r->fold = choose_fold(static_cast<int32_t>(r->c.extent), static_cast<int32_t>(r->n.extent));
    if (r->fold == 1)
        return;
    r->n.extent /= r->fold;
    for (int k = 0; k < r->tensors; k++)
        r->n.stride[k] *= r->fold;
    r->c.extent *= r->fold;
}

void reshape_for_cpu(Region *r) {
    r->layout == kernel_nhwc ? fold_rows(r) : cut_long_rows(r);
}

void cut_reduction(Plan *plan) {
    const Region &r = plan->reduce;
    const int64_t s = r.s.extent, n = r.n.extent, element = static_cast<int64_t>(plan->element());
    const int64_t bytes = group_bytes / plan->streams;
    plan->group = even_part(r.width(), clamp(bytes / (s * n * element), 1, r.width()));
    if (plan->group > 16)
        plan->group = round_up(plan->group, 16);

    // Few and large channels would keep most threads idle and do not fit the cache anyway.
    const int64_t rows = clamp(bytes / (s * element), 1, n);
    const bool few = r.width() < 16 && plan->group == 1 && ceil_div(n, rows) > r.width();
    plan->by_channel = r.layout == kernel_nchw && !few;
    if (plan->stores == Stores::flat && plan->by_channel)
        plan->group = round_up(plan->group, plan->flat_channels);
    if (r.layout == kernel_nchw) {
        plan->block_n = plan->by_channel ? n : rows;
        plan->chunk_s = choose_chunk_s(s);
        const int64_t rest = s % plan->chunk_s;
        plan->chunk_n = clamp(256 / (rest == 0 ? 1 : rest), 1, accumulator_addends);
    } else {
        const int64_t block_n = clamp(65536 / (r.width() * s), 128 / clamp(s, 1, 128), 512);
        plan->block_n = clamp(round_up(even_part(n, clamp(block_n, 1, n)), 16), 1, n);
        plan->chunk_s = accumulator_addends;
        const int64_t rest = s % plan->chunk_s;
        plan->chunk_n = clamp(accumulator_addends / (rest == 0 ? 1 : rest), 1, accumulator_addends);
    }
    plan->blocks = ceil_div(n, plan->block_n);
}

void apply_at_once(Plan *plan) {
    plan->apply_rows = plan->apply.n.extent;
    plan->apply_channels = plan->apply.width();
    plan->row_parts = plan->channel_parts = 1;
}

// Along rows first and then, where one row is a large part of an NCHW tensor, along channels: the
// order of memory.
void cut_apply(Plan *plan) {
    const Region &r = plan->apply;
    const int64_t row = r.s.extent * r.width();
    apply_at_once(plan);
    if (row * r.n.extent <= apply_elements)
        return;
    if (plan->stores == Stores::flat) {
        // A piece, whose coefficients are repeated once for many rows.
        const int64_t piece = plan->flat_channels * r.s.extent;
        plan->apply_channels = plan->flat_channels;
        plan->channel_parts = ceil_div(r.width(), plan->apply_channels);
        plan->apply_rows = even_part(r.n.extent, clamp(apply_elements / piece, 1, r.n.extent));
        plan->row_parts = ceil_div(r.n.extent, plan->apply_rows);
        return;
    }
    if (r.layout == kernel_nchw && row > apply_elements) {
        plan->apply_channels =
            even_part(r.width(), clamp(apply_elements / r.s.extent, 1, r.width()));
        plan->channel_parts = ceil_div(r.width(), plan->apply_channels);
    }
    plan->apply_rows = even_part(r.n.extent, clamp(apply_elements / row, 1, r.n.extent));
    plan->row_parts = ceil_div(r.n.extent, plan->apply_rows);
}

// A GPU takes the whole tensor in one task. A block of threads has eight chunks
// (schedules/cuda.cpp), which is all the rows of a block; with about 1024 of them the whole device
// works.
constexpr int64_t gpu_depth = 8, gpu_warp = 32, gpu_blocks = 1024;
constexpr int64_t gpu_grid_most = 65535;  // blocks in the second dimension of a grid

// One long row per channel is cut into rows, which are what is shared out: a multiple of four if
// that can be.
void cut_single_rows(Region *r) {
    if (r->layout != kernel_nchw || r->n.extent != 1)
        return;
    int64_t best = 0;
    for (int64_t row = 128; row <= 1024 && row < r->s.extent; row++) {
        if (r->s.extent % row != 0)
            continue;
        if (best == 0)
            best = row;
        if (r->s.extent / row % 4 != 0)
            continue;
        best = row;
        break;
    }
    if (best != 0)
        cut_rows(r, best);
}

// Eight chunks of a row of s elements at a time, a warp each; what remains is left to one warp.
int64_t choose_gpu_chunk_s(int64_t s) {
    int64_t best = 0, best_time = 0;
    for (int64_t chunk = 4 * chunk_unit; chunk <= 16 * chunk_unit && chunk <= s;
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

halnorm_status check_config(const halnorm_config *config) {
    if (config == nullptr)
        return Failure(HALNORM_ERROR_NULL) << "config: was NULL, should point to a halnorm_config";
    const halnorm_config &c = *config;
    if (c.num_channels < 1) {
        return Failure(HALNORM_ERROR_PARAMETER)
               << "config.num_channels: was " << c.num_channels << ", should be 1 or more";
    }
    if (c.layout != HALNORM_NCHW && c.layout != HALNORM_NHWC) {
        return Failure(HALNORM_ERROR_PARAMETER)
               << "config.layout: was " << static_cast<int64_t>(c.layout)
               << ", should be HALNORM_NCHW (0) or HALNORM_NHWC (1)";
    }
    if (!(c.momentum - c.momentum == 0)) {
        return Failure(HALNORM_ERROR_PARAMETER)
               << "config.momentum: was " << c.momentum << ", should be finite";
    }
    if (!(c.epsilon - c.epsilon == 0) || c.epsilon < 0) {
        return Failure(HALNORM_ERROR_PARAMETER)
               << "config.epsilon: was " << c.epsilon << ", should be finite and 0 or more";
    }
    if (c.moving_variance_estimator != HALNORM_VARIANCE_POPULATION &&
        c.moving_variance_estimator != HALNORM_VARIANCE_SAMPLE) {
        return Failure(HALNORM_ERROR_PARAMETER)
               << "config.moving_variance_estimator: was "
               << static_cast<int64_t>(c.moving_variance_estimator)
               << ", should be HALNORM_VARIANCE_POPULATION (0) or HALNORM_VARIANCE_SAMPLE (1)";
    }
    if (c.stores != HALNORM_STORES_AUTOMATIC && c.stores != HALNORM_STORES_ORDINARY &&
        c.stores != HALNORM_STORES_STREAMING) {
        return Failure(HALNORM_ERROR_PARAMETER)
               << "config.stores: was " << static_cast<int64_t>(c.stores)
               << ", should be HALNORM_STORES_AUTOMATIC (0), HALNORM_STORES_ORDINARY (1) or "
                  "HALNORM_STORES_STREAMING (2)";
    }
    if (c.threads < 0) {
        return Failure(HALNORM_ERROR_PARAMETER)
               << "config.threads: was " << static_cast<int64_t>(c.threads)
               << ", should be 0 (all cores) or more";
    }
    if (c.executor != nullptr && c.executor->parallel_for == nullptr) {
        return Failure(HALNORM_ERROR_NULL)
               << "config.executor->parallel_for: was NULL, should be a function";
    }
    return HALNORM_OK;
}

}  // namespace

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

Slice Plan::apply_slice(int64_t task) const {
    const int64_t c = task % channel_parts * apply_channels, n = task / channel_parts * apply_rows;
    return {c, clamp(apply.width() - c, 0, apply_channels), n,
            clamp(apply.n.extent - n, 0, apply_rows)};
}

Slice Plan::apply_all(int64_t c, int64_t some_channels) const {
    return {c, some_channels, 0, apply.n.extent};
}

halnorm_status make_plan(const halnorm_config *config, const Operands &operands, bool with_data,
                         Plan *plan) {
    HALNORM_TRY(check_config(config));
    plan->config = config;
    HALNORM_TRY(activation_scalars(*config, &plan->activation));
    HALNORM_TRY(fold(*config, operands.list, operands.count, with_data, &plan->apply));
    // Only a tensor with other strides makes the two regions differ.
    const halnorm_tensor &x = *operands.list[0].tensor;
    const bool reduces = operands.reduced > 0;
    bool same = true;
    for (int k = operands.reduced; k < operands.count && reduces; k++)
        same = same && same_strides(x, *operands.list[k].tensor);
    if (!same)
        HALNORM_TRY(fold(*config, operands.list, operands.reduced, with_data, &plan->reduce));
    HALNORM_TRY(choose_variant(*config, x.device, &plan->variant));
    plan->device = variants[plan->variant].device;
    plan->dtype = x.dtype;
    plan->streams = operands.streams;
    plan->scratch = operands.scratch && !plan->empty() ? add_dense_tensor(&plan->apply) : 0;
    const bool cpu = plan->on_cpu();
    if (!plan->empty()) {
        const auto reshape = cpu ? reshape_for_cpu : cut_single_rows;
        reshape(&plan->apply);
        if (!same)
            reshape(&plan->reduce);
    }
    plan->stores = Stores::ordinary;
    plan->flat_channels = 0;
    if (built::streaming && cpu && !plan->empty())
        choose_stores(operands, plan);
    if (reduces && same)
        plan->reduce = plan->apply;
    if (plan->empty()) {
        plan->block_n = plan->blocks = plan->chunk_s = plan->chunk_n = plan->group = 1;
        plan->by_channel = true;
    } else if (reduces) {
        cpu ? cut_reduction(plan) : cut_gpu_reduction(plan);
    }
    cpu ? cut_apply(plan) : apply_at_once(plan);
    return HALNORM_OK;
}

halnorm_status Workspace::check() const {
    if (used_ == 0)
        return HALNORM_OK;
    if (memory_ == nullptr) {
        return Failure(HALNORM_ERROR_WORKSPACE)
               << "workspace: was NULL, should be " << static_cast<int64_t>(used_) << " bytes";
    }
    if (reinterpret_cast<uintptr_t>(memory_) % HALNORM_WORKSPACE_ALIGNMENT != 0) {
        return Failure(HALNORM_ERROR_WORKSPACE) << "workspace: was not a multiple of "
                                                << int64_t{HALNORM_WORKSPACE_ALIGNMENT} << " bytes";
    }
    if (bytes_ < used_) {
        return Failure(HALNORM_ERROR_WORKSPACE)
               << "workspace_bytes: was " << static_cast<int64_t>(bytes_) << ", should be "
               << static_cast<int64_t>(used_) << " or more";
    }
    return HALNORM_OK;
}

}  // namespace halnorm
