#include "plan.h"

#include "../generators/agreed.h"
#include "activation.h"
#include "status.h"
#include "streaming.h"

namespace halnorm {
namespace {

// Elements of one call of `normalize`: long enough that the call costs nothing, short enough to
// share among threads.
constexpr int64_t apply_elements = int64_t{64} * 1024;

// For tiny tensors too, where coefficients are repeated once for many calls; but NEON keeps those
// of 16 channels in registers over all rows. A prepared inference of 64x10 as rows of 80, and as
// one of 640, takes 1372 and 1059 instructions (AVX-512; AVX2 1775, 1367; AVX 2419, 2004; generic
// 3260, 3127), on AArch64 1990 and 3222; it is 1.08 times as fast, of 100x17 1.95, 32x100 1.30
// (AVX2 1.11, 1.8, 1.27; a Xeon, family 6 model 207, 2026-11-29).
#if defined(__arm__) || defined(__aarch64__)
constexpr bool wide_rows_are_best = false;
#else
constexpr bool wide_rows_are_best = true;
#endif

// Rows of C channels are seen as rows of f * C where C alone leaves most of a vector empty. f
// divides the number of rows. Measured on NHWC float32: rows of 64 first, whose coefficients stay
// in registers over some rows; then of 128 k elements, 64 k, 16 k; 1024 at most; where there are
// none, 8 k: the first above 256 if the call reduces, where each channel of a fold costs a shift
// and a merge (training of 2x17x30x30 7.2 us, now 5.5 (AVX2), 5.5 and 4.5 (AVX-512)), the longest
// if not; and then any, the longest. (In 32 bits: a division of 64 is slow on many machines.)
//
// What rows of 64 gain, us (AVX-512; AVX2; AVX; generic, all on Zen 5, 2026-11-28): inference of
// 1x32x28x28 1.6 and 1.2; 2.0 and 1.6; 3.7 and 2.2; 3.7 and 3.9. Training of 1x16x32x32 1.78 and
// 1.61; 2.5 and 2.2; 4.0 and 3.0; 7.3 and 6.9, of 8x32x56x56 94 and 88; 108 and 104; 175 and 136;
// 350 and 317. Backward of 8x32x56x56 155 and 146; 200 and 200; 346 and 342; 638 and 545. Sums over
// large tensors, which x86_avx.cpp takes in strips, lose: training of 8x32x112x112 took 673 us so,
// not 595 (AVX2).
//
// Sums over up to 2 MB take 64 k as 128 k, for there are fewer channels of folds to merge: training
// of 1x24x56x56 7.1 us, now 6.5 (AVX-512), 10.0 and 9.3 (AVX2), of 1x3x64x64 2.3 and 1.8, 3.0 and
// 2.4. Of more, 512 bytes of a row at a time are read faster: backward of 8x24x56x56 118 us, not
// 129 (AVX-512).
//
// In tiny tensors a merge of many folds costs more than it saves: 64 elements at most, and any
// multiple of C, the largest. Without a reduction the next of 16 k up to 128: inference of 64x10
// 243 ns, now 193, 256x5 329 and 253 (AVX-512).
int32_t choose_fold(int32_t channels, int32_t rows, bool reduces, bool prepares) {
    if (channels % 64 == 0)
        return 1;
    const int64_t elements = int64_t{channels} * rows;
    const bool tiny = elements < 4096 && !(prepares && wide_rows_are_best),
               large = elements >= int64_t{1} << 21;
    int32_t step = 1;
    while (step * (channels % 16) % 16 != 0)
        step *= 2;
    const int32_t first = !reduces ? (tiny ? 128 : 64) : tiny || large ? 0 : 64;
    for (int32_t f = step; int64_t{f} * channels <= first; f += step) {
        if (f * channels >= 64 && rows % f == 0)
            return f;
    }
    const int32_t most = (tiny ? 64 : 1024) / channels;
    const int32_t widest = reduces && elements < int64_t{1} << 19 ? 64 : 128;
    int32_t best = 1, best_unit = 0;
    for (int32_t f = step; f <= most && !tiny; f += step) {
        const int32_t w = f * channels;
        const int32_t unit = w % widest == 0 ? widest : w % 64 == 0 ? 64 : 16;
        if (unit > best_unit && rows % f == 0)
            best = f, best_unit = unit;
    }
    if (best_unit > 0)
        return best;
    int32_t even = 1;
    for (int32_t f = 256 / channels + 1; f <= most; f++) {
        if (rows % f != 0 || f * channels % 8 != 0)
            continue;
        if (reduces)
            return f;
        even = f;
    }
    if (even > 1)
        return even;
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

void fold_rows(Region *r, bool reduces, bool prepares) {
    if (!can_fold(*r))
        return;
    r->fold = choose_fold(static_cast<int32_t>(r->c.extent), static_cast<int32_t>(r->n.extent),
                          reduces, prepares);
    if (r->fold == 1)
        return;
    r->n.extent /= r->fold;
    for (int k = 0; k < r->tensors; k++)
        r->n.stride[k] *= r->fold;
    r->c.extent *= r->fold;
}

void reshape_for_cpu(Region *r, bool reduces, bool prepares) {
    r->layout == kernel_nhwc ? fold_rows(r, reduces, prepares) : cut_long_rows(r);
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
    if (r.layout == kernel_nchw && row > apply_elements) {
        plan->apply_channels =
            even_part(r.width(), clamp(apply_elements / r.s.extent, 1, r.width()));
        plan->channel_parts = ceil_div(r.width(), plan->apply_channels);
    }
    plan->apply_rows = even_part(r.n.extent, clamp(apply_elements / row, 1, r.n.extent));
    plan->row_parts = ceil_div(r.n.extent, plan->apply_rows);
}

// For a GPU one long row per channel is cut into rows, which are what is shared out: a multiple of
// four if that can be.
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

halnorm_status check_config(const halnorm_config *config) {
    if (config == nullptr)
        return fail<Message::config_null>();
    const halnorm_config &c = *config;
    if (c.num_channels < 1)
        return fail<Message::config_num_channels>(c.num_channels);
    if (c.num_channels > INT32_MAX)
        return fail<Message::config_many_channels>(c.num_channels);
    if (c.layout != HALNORM_NCHW && c.layout != HALNORM_NHWC)
        return fail<Message::config_layout>(c.layout);
    if (!(c.momentum - c.momentum == 0))
        return fail<Message::config_momentum>(c.momentum);
    if (!(c.epsilon - c.epsilon == 0) || c.epsilon < 0)
        return fail<Message::config_epsilon>(c.epsilon);
    if (c.moving_variance_estimator != HALNORM_VARIANCE_POPULATION &&
        c.moving_variance_estimator != HALNORM_VARIANCE_SAMPLE) {
        return fail<Message::config_estimator>(c.moving_variance_estimator);
    }
    if (c.stores != HALNORM_STORES_AUTOMATIC && c.stores != HALNORM_STORES_ORDINARY &&
        c.stores != HALNORM_STORES_STREAMING) {
        return fail<Message::config_stores>(c.stores);
    }
    if (c.threads < 0)
        return fail<Message::config_threads>(c.threads);
    if (c.executor != nullptr && c.executor->parallel_for == nullptr)
        return fail<Message::config_executor>();
    return HALNORM_OK;
}

}  // namespace

Slice Plan::apply_slice(int64_t index) const {
    const int64_t task = last_first ? apply_tasks() - 1 - index : index;
    const int64_t c = task % channel_parts * apply_channels, n = task / channel_parts * apply_rows;
    return {c, clamp(apply.width() - c, 0, apply_channels), n,
            clamp(apply.n.extent - n, 0, apply_rows)};
}

Slice Plan::apply_all(int64_t c, int64_t some_channels) const {
    return {c, some_channels, 0, apply.n.extent};
}

void place_result(const Operands &operands, Plan *plan) {
    const bool cpu = plan->on_cpu();
    plan->stores = Stores::ordinary;
    plan->ahead = 0;
    if (built::streaming && cpu && !plan->empty())
        choose_stores(operands, plan);
    cpu ? cut_apply(plan) : apply_at_once(plan);
    plan->last_first = operands.cut != nullptr;
}

halnorm_status make_plan(const halnorm_config *config, const Operands &operands, bool with_data,
                         Plan *plan) {
    HALNORM_TRY(check_config(config));
    plan->config = config;
    HALNORM_TRY(make_region(*config, operands.list, operands.count, with_data, &plan->apply));
    const halnorm_tensor &x = *operands.list[0].tensor;
    HALNORM_TRY(activation_scalars(*config, x.dtype, &plan->activation));
    // Only a tensor with other strides makes the two regions differ.
    const bool reduces = operands.cut != nullptr;
    bool same = true;
    for (int k = operands.reduced; k < operands.count && reduces; k++)
        same = same && same_strides(x, *operands.list[k].tensor);
    if (!same)
        HALNORM_TRY(
            make_region(*config, operands.list, operands.reduced, with_data, &plan->reduce));
    HALNORM_TRY(choose_variant(*config, x.device, &plan->variant));
    plan->device = variants[plan->variant].device;
    plan->dtype = x.dtype;
    plan->scratch = operands.scratch && !plan->empty() ? add_dense_tensor(&plan->apply) : 0;
    const bool cpu = plan->on_cpu();
    if (!plan->empty()) {
        Region *const regions[] = {&plan->apply, &plan->reduce};
        for (int i = 0; i < (same ? 1 : 2); i++)
            cpu ? reshape_for_cpu(regions[i], reduces, operands.prepares) :
                  cut_single_rows(regions[i]);
    }
    place_result(operands, plan);
    if (reduces && same)
        plan->reduce = plan->apply;
    if (plan->empty()) {
        plan->block_n = plan->blocks = plan->chunk_s = plan->chunk_n = plan->group = 1;
        plan->by_channel = true;
    } else if (reduces) {
        operands.cut(plan);
    }
    return HALNORM_OK;
}

halnorm_status Workspace::check(Argument name) const {
    if (used_ == 0)
        return HALNORM_OK;
    if (memory_ == nullptr)
        return fail<Message::workspace_null>(name, used_);
    if (reinterpret_cast<uintptr_t>(memory_) % HALNORM_WORKSPACE_ALIGNMENT != 0)
        return fail<Message::workspace_misaligned>(name, HALNORM_WORKSPACE_ALIGNMENT);
    if (bytes_ < used_)
        return fail<Message::workspace_too_small>(name, bytes_, used_);
    return HALNORM_OK;
}

halnorm_status Workspace::report(bool needed, size_t *bytes) const {
    const uint64_t all = needed ? used_ : 0;
    if (static_cast<size_t>(all) != all)
        return fail<Message::workspace_too_large>(all);
    *bytes = static_cast<size_t>(all);
    return HALNORM_OK;
}

}  // namespace halnorm
