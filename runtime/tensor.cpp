#include "tensor.h"

#include "built.h"
#include "status.h"

namespace halnorm {
namespace {

constexpr int64_t max_int32 = 0x7fffffff;

// Kernels count in 32 bits, and form the offset of what would follow an axis before they step back
// into it: one step beyond the last element of each axis has to have a number too. Then there are
// some vectors beyond an extent that fills none, and rows of up to 16 K elements that plan.cpp
// cuts.
constexpr int64_t max_reach = max_int32 + 1 - 32768;

// The other extents and the strides of an empty tensor may be anything; nothing may be multiplied
// with them.
bool is_empty(const halnorm_tensor &t) {
    for (int i = 0; i < t.rank; i++) {
        if (t.shape[i] == 0)
            return true;
    }
    return false;
}

// rank, dtype, device, extents, sizes.
halnorm_status check_alone(const Operand &a) {
    const halnorm_tensor &t = *a.tensor;
    if (t.dtype != HALNORM_FLOAT32 && t.dtype != HALNORM_FLOAT64)
        return fail<Message::tensor_dtype>(a.name, t.dtype);
    if ((built::dtypes >> t.dtype & 1) == 0)
        return fail<Message::tensor_dtype_not_built>(a.name, 8 * size_of(t.dtype));
    if (t.device != HALNORM_CPU && t.device != HALNORM_CUDA)
        return fail<Message::tensor_device>(a.name, t.device);
    if (t.rank < 2 || t.rank > HALNORM_MAX_RANK)
        return fail<Message::tensor_rank>(a.name, t.rank);
    for (int i = 0; i < t.rank; i++) {
        if (t.shape[i] < 0)
            return fail<Message::shape_negative>(a.name, i, t.shape[i]);
    }
    int64_t total = 1;
    const bool empty = is_empty(t);
    for (int i = 0; i < t.rank && !empty; i++) {
        if (t.shape[i] > max_int32 || (total > max_int32 / 4 && total > INT64_MAX / 8 / t.shape[i]))
            return fail<Message::shape_too_large>(a.name, i, t.shape[i]);
        total *= t.shape[i];
    }
    return HALNORM_OK;
}

// Every stride positive and, taken from the smallest up, beyond all that the smaller ones reach;
// the whole within the 32-bit offsets of the kernels.
halnorm_status check_strides(const Operand &a) {
    const halnorm_tensor &t = *a.tensor;
    int order[HALNORM_MAX_RANK], count = 0;
    for (int i = t.rank - 1; i >= 0; i--) {  // mostly in order
        if (t.shape[i] == 1)
            continue;
        if (t.strides[i] < 1)
            return fail<Message::stride_too_small>(a.name, i, t.strides[i]);
        int k = count++;
        for (; k > 0 && t.strides[order[k - 1]] > t.strides[i]; k--)
            order[k] = order[k - 1];
        order[k] = i;
    }
    int64_t last = 0;  // offset of the last element reached so far
    for (int k = 0; k < count; k++) {
        const int i = order[k];
        if (t.strides[i] <= last)
            return fail<Message::stride_overlaps>(a.name, i, t.strides[i], last);
        if (t.strides[i] > max_int32 || t.shape[i] * t.strides[i] > max_reach - last)
            return fail<Message::stride_too_large>(a.name, i, t.strides[i]);
        last += (t.shape[i] - 1) * t.strides[i];
    }
    return HALNORM_OK;
}

int channel_axis(const halnorm_config &config, const halnorm_tensor &t) {
    return config.layout == HALNORM_NHWC ? t.rank - 1 : 1;
}

// Nothing that check_alone or check_pair would find in y where there is nothing in x; and it is
// empty where x is.
bool alike(const halnorm_tensor &x, const halnorm_tensor &y) {
    if (y.dtype != x.dtype || y.device != x.device || y.rank != x.rank)
        return false;
    for (int i = 0; i < x.rank; i++) {
        if (y.shape[i] != x.shape[i])
            return false;
    }
    return true;
}

halnorm_status check_pair(const Operand &first, const Operand &other) {
    const halnorm_tensor &x = *first.tensor, &y = *other.tensor;
    if (y.dtype != x.dtype)
        return fail<Message::tensor_dtype_differs>(other.name, y.dtype, first.name, x.dtype);
    if (y.device != x.device)
        return fail<Message::tensor_device_differs>(other.name, y.device, first.name, x.device);
    if (y.rank != x.rank)
        return fail<Message::tensor_rank_differs>(other.name, y.rank, first.name, x.rank);
    for (int i = 0; i < x.rank; i++) {
        if (y.shape[i] != x.shape[i]) {
            return fail<Message::shape_differs>(other.name, i, y.shape[i], first.name, x.shape[i]);
        }
    }
    return HALNORM_OK;
}

// Some axes of the tensors that step through memory like one, with the stride of the innermost; or
// none, with an extent of 1.
struct Run {
    int64_t extent = 1;
    int innermost = -1;
};

int64_t stride_of(const Operand &operand, const Run &run) {
    return run.innermost < 0 ? 1 : operand.tensor->strides[run.innermost];
}

// In all tensors, outer steps over the whole of inner.
bool continues(const Operand *operands, int tensors, const Run &outer, const Run &inner) {
    for (int k = 0; k < tensors; k++) {
        if (stride_of(operands[k], outer) != stride_of(operands[k], inner) * inner.extent)
            return false;
    }
    return true;
}

bool dense(const Operand *operands, int tensors, const Run &run) {
    for (int k = 0; k < tensors && run.extent != 1; k++) {
        if (stride_of(operands[k], run) != 1)
            return false;
    }
    return true;
}

// Joins all axes but the channel's into as few as possible, outermost first; returns how many.
int join(const Operand *operands, int tensors, int channel, Run *runs) {
    const halnorm_tensor &x = *operands[0].tensor;
    int count = 0;
    for (int i = 0; i < x.rank; i++) {
        if (i == channel || x.shape[i] == 1)
            continue;
        Run run;
        run.extent = x.shape[i];
        run.innermost = i;
        if (count > 0 && continues(operands, tensors, runs[count - 1], run)) {
            run.extent *= runs[count - 1].extent;
            runs[count - 1] = run;
        } else {
            runs[count++] = run;
        }
    }
    return count;
}

// Each of the tensors alone, and the others against the first; *empty: they have no elements.
halnorm_status check_operands(const Operand *operands, int count, bool with_data, bool *empty) {
    *empty = false;
    for (int k = 0; k < count; k++) {
        const Operand &operand = operands[k];
        if (operand.tensor == nullptr)
            return fail<Message::tensor_null>(operand.name);
        if (k == 0) {
            HALNORM_TRY(check_alone(operand));
            *empty = is_empty(*operand.tensor);
        } else if (!alike(*operands[0].tensor, *operand.tensor)) {
            HALNORM_TRY(check_alone(operand));
            HALNORM_TRY(check_pair(operands[0], operand));
        }
        if (with_data && !*empty && operand.tensor->data == nullptr)
            return fail<Message::tensor_data_null>(operand.name);
    }
    return HALNORM_OK;
}

}  // namespace

halnorm_status make_region(const halnorm_config &config, const Operand *operands, int count,
                           bool with_data, Region *region) {
    bool empty;
    HALNORM_TRY(check_operands(operands, count, with_data, &empty));
    const halnorm_tensor &x = *operands[0].tensor;
    const int channel = channel_axis(config, x);
    // NOLINTNEXTLINE(clang-analyzer-security.ArrayBound): check_alone has seen 2 to 5 axes
    if (x.shape[channel] != config.num_channels) {
        return fail<Message::shape_of_channels>(operands[0].name, channel, x.shape[channel],
                                                config.num_channels);
    }
    region->dtype = x.dtype;
    region->layout = kernel_nchw;
    region->tensors = count;
    Run s, c, n;
    int tensors = 1;  // 1: all have the strides of the first
    const auto set_region = [&] {
        region->s.extent = s.extent;
        region->c.extent = c.extent;
        region->n.extent = n.extent;
        for (int k = 0; k < count; k++) {
            region->s.stride[k] = stride_of(operands[k], s);
            region->c.stride[k] = stride_of(operands[k], c);
            region->n.stride[k] = stride_of(operands[k], n);
        }
    };
    if (empty) {
        s.extent = n.extent = 0;
        c.extent = config.num_channels;
        set_region();
        return HALNORM_OK;
    }
    HALNORM_TRY(check_strides(operands[0]));
    for (int k = 1; k < count; k++) {
        if (same_strides(x, *operands[k].tensor))
            continue;
        HALNORM_TRY(check_strides(operands[k]));
        tensors = count;
    }

    Run runs[HALNORM_MAX_RANK];
    const int joined = join(operands, tensors, channel, runs);
    if (x.shape[channel] != 1) {
        c.extent = x.shape[channel];
        c.innermost = channel;
    }
    const auto is_dense = [&](const Run &run) { return dense(operands, tensors, run); };
    if (joined <= 1) {
        // A single run is the row where it is dense, else the rows.
        (is_dense(runs[0]) ? s : n) = runs[0];
    } else if (joined == 2) {
        n = runs[0];
        s = runs[1];
    }
    const bool by_row = joined <= 2 && is_dense(s) && !(s.extent == 1 && is_dense(c));
    if (joined > 2 || (!by_row && !is_dense(c))) {
        ArgumentList all;
        for (int k = 0; k < count; k++)
            all.add(operands[k].name);
        return fail<Message::strides_do_not_fold>(all);
    }
    region->layout = by_row ? kernel_nchw : kernel_nhwc;
    if ((built::layouts >> region->layout & 1) == 0) {
        return by_row ? fail<Message::strides_of_nchw>(operands[0].name) :
                        fail<Message::strides_of_nhwc>(operands[0].name);
    }
    set_region();
    return HALNORM_OK;
}

int add_dense_tensor(Region *region) {
    const int k = region->tensors++;
    const bool by_row = region->layout == kernel_nchw;
    Axis &inner = by_row ? region->s : region->c, &outer = by_row ? region->c : region->s;
    inner.stride[k] = 1;
    outer.stride[k] = inner.extent;
    region->n.stride[k] = inner.extent * outer.extent;
    return k;
}

bool same_strides(const halnorm_tensor &x, const halnorm_tensor &y) {
    for (int i = 0; i < x.rank; i++) {
        if (x.shape[i] != 1 && x.strides[i] != y.strides[i])
            return false;
    }
    return true;
}

namespace {

// Where a range lies: [begin, end), which sizes out of range reach to the last address.
struct Place {
    uintptr_t begin, end;
};

Place place_of(const Range &range) {
    const uintptr_t begin = reinterpret_cast<uintptr_t>(range.data), end = begin + range.bytes;
    return {begin, end < begin ? UINTPTR_MAX : end};
}

bool overlap(const Place &a, const Place &b) {
    return a.begin < b.end && b.begin < a.end;
}

// Of an output that overlaps arguments before it.
[[gnu::cold]] halnorm_status check_in_place(const Range *ranges, int64_t output,
                                            const InPlace *pairs, int pair_count) {
    const Range &a = ranges[output];
    for (int64_t input = 0; input < output; input++) {
        const Range &b = ranges[input];
        if (b.data == nullptr || !overlap(place_of(a), place_of(b)))
            continue;
        const InPlace *pair = nullptr;
        for (int k = 0; k < pair_count && pair == nullptr; k++) {
            if (pairs[k].output == output && pairs[k].input == input)
                pair = &pairs[k];
        }
        if (pair != nullptr && a.data == b.data && same_strides(*pair->from, *pair->to))
            continue;
        return pair != nullptr ? fail<Message::overlaps_in_part>(a.name, b.name, b.name) :
                                 fail<Message::overlaps>(a.name, b.name);
    }
    return HALNORM_OK;
}

}  // namespace

size_t bytes_of(const halnorm_tensor &t) {
    size_t last = 0;
    for (int i = 0; i < t.rank; i++) {
        if (t.shape[i] == 0)
            return 0;  // whatever the strides are
        last += static_cast<size_t>(t.shape[i] - 1) * static_cast<size_t>(t.strides[i]);
    }
    return (last + 1) * size_of(t.dtype);
}

halnorm_status check_ranges(const Range *ranges, int count, const InPlace *pairs, int pair_count) {
    Place given[max_ranges], *behind = given;
    for (const Range *range = ranges; range != ranges + count; range++) {
        if (range->data == nullptr)
            continue;
        const Place place = place_of(*range);
        if ((place.begin & (range->alignment - 1)) != 0)
            return fail<Message::misaligned>(range->name, range->alignment);
        for (const Place *before = given; before != behind && range->output; before++) {
            if (!overlap(*before, place))
                continue;
            HALNORM_TRY(check_in_place(ranges, range - ranges, pairs, pair_count));
            break;  // with all of them
        }
        *behind++ = place;
    }
    return HALNORM_OK;
}

}  // namespace halnorm
