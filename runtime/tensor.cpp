#include "tensor.h"

#include "status.h"

namespace halnorm {
namespace {

struct Named {
    const char *name;
    const halnorm_tensor &t;
};

constexpr int64_t max_int32 = 0x7fffffff;

// Offset of the last element that kernels reach: they count in 32 bits, some vectors beyond an
// extent that fills none.
constexpr int64_t max_offset = max_int32 - 1024;

// The other extents and the strides of an empty tensor may be anything; nothing may be multiplied
// with them.
bool is_empty(const halnorm_tensor &t) {
    for (int i = 0; i < t.rank; i++) {
        if (t.shape[i] == 0)
            return true;
    }
    return false;
}

// rank, dtype, device, extents, sizes; with_data also the pointer.
halnorm_status check_alone(const Named &a, bool with_data) {
    const halnorm_tensor &t = a.t;
    if (t.dtype != HALNORM_FLOAT32 && t.dtype != HALNORM_FLOAT64) {
        return Failure(HALNORM_ERROR_DTYPE)
               << a.name << ".dtype: was " << static_cast<int64_t>(t.dtype)
               << ", should be HALNORM_FLOAT32 (0) or HALNORM_FLOAT64 (1)";
    }
    if (t.device != HALNORM_CPU && t.device != HALNORM_CUDA) {
        return Failure(HALNORM_ERROR_DEVICE)
               << a.name << ".device: was " << static_cast<int64_t>(t.device)
               << ", should be HALNORM_CPU (0) or HALNORM_CUDA (1)";
    }
    if (t.rank < 2 || t.rank > HALNORM_MAX_RANK) {
        return Failure(HALNORM_ERROR_RANK)
               << a.name << ".rank: was " << static_cast<int64_t>(t.rank) << ", should be 2 to 5";
    }
    for (int i = 0; i < t.rank; i++) {
        if (t.shape[i] < 0) {
            return Failure(HALNORM_ERROR_SHAPE)
                   << a.name << ".shape[" << static_cast<int64_t>(i) << "]: was " << t.shape[i]
                   << ", should be 0 or more";
        }
    }
    int64_t total = 1;
    const bool empty = is_empty(t);
    for (int i = 0; i < t.rank && !empty; i++) {
        if (t.shape[i] > max_int32 || total > INT64_MAX / 8 / t.shape[i]) {
            return Failure(HALNORM_ERROR_TOO_LARGE)
                   << a.name << ".shape[" << static_cast<int64_t>(i) << "]: was " << t.shape[i]
                   << ", beyond what this build can address";
        }
        total *= t.shape[i];
    }
    if (with_data && !empty && t.data == nullptr) {
        return Failure(HALNORM_ERROR_NULL)
               << a.name << ".data: was NULL, should point to the elements";
    }
    return HALNORM_OK;
}

// Every stride positive and, taken from the smallest up, beyond all that the smaller ones reach;
// the whole within the 32-bit offsets of the kernels.
halnorm_status check_strides(const Named &a) {
    const halnorm_tensor &t = a.t;
    int order[HALNORM_MAX_RANK], count = 0;
    for (int i = 0; i < t.rank; i++) {
        if (t.shape[i] == 1)
            continue;
        if (t.strides[i] < 1) {
            return Failure(HALNORM_ERROR_STRIDE)
                   << a.name << ".strides[" << static_cast<int64_t>(i) << "]: was " << t.strides[i]
                   << ", should be 1 or more";
        }
        int k = count++;
        for (; k > 0 && t.strides[order[k - 1]] > t.strides[i]; k--)
            order[k] = order[k - 1];
        order[k] = i;
    }
    int64_t last = 0;  // offset of the last element reached so far
    for (int k = 0; k < count; k++) {
        const int i = order[k];
        if (t.strides[i] <= last) {
            return Failure(HALNORM_ERROR_STRIDE)
                   << a.name << ".strides[" << static_cast<int64_t>(i) << "]: was " << t.strides[i]
                   << ", elements overlap; should be more than " << last;
        }
        if (t.strides[i] > max_int32 || (t.shape[i] - 1) > (max_offset - last) / t.strides[i]) {
            return Failure(HALNORM_ERROR_TOO_LARGE)
                   << a.name << ".strides[" << static_cast<int64_t>(i) << "]: was " << t.strides[i]
                   << ", the tensor spans more than 2^31 - 1024 elements; should be split into "
                      "smaller batches";
        }
        last += (t.shape[i] - 1) * t.strides[i];
    }
    return HALNORM_OK;
}

int channel_axis(const halnorm_config &config, const halnorm_tensor &t) {
    return config.layout == HALNORM_NHWC ? t.rank - 1 : 1;
}

halnorm_status check_pair(const halnorm_tensor &x, const halnorm_tensor &y) {
    if (y.dtype != x.dtype) {
        return Failure(HALNORM_ERROR_DTYPE)
               << "y.dtype: was " << static_cast<int64_t>(y.dtype) << ", should be that of x, "
               << static_cast<int64_t>(x.dtype);
    }
    if (y.device != x.device) {
        return Failure(HALNORM_ERROR_DEVICE)
               << "y.device: was " << static_cast<int64_t>(y.device) << ", should be that of x, "
               << static_cast<int64_t>(x.device);
    }
    if (y.rank != x.rank) {
        return Failure(HALNORM_ERROR_RANK)
               << "y.rank: was " << static_cast<int64_t>(y.rank) << ", should be that of x, "
               << static_cast<int64_t>(x.rank);
    }
    for (int i = 0; i < x.rank; i++) {
        if (y.shape[i] != x.shape[i]) {
            return Failure(HALNORM_ERROR_SHAPE)
                   << "y.shape[" << static_cast<int64_t>(i) << "]: was " << y.shape[i]
                   << ", should be that of x, " << x.shape[i];
        }
    }
    return HALNORM_OK;
}

// Joins all axes but the channel's into as few as possible, outermost first; returns how many.
int join(const halnorm_tensor &x, const halnorm_tensor &y, int channel, Axis *axes) {
    int count = 0;
    for (int i = 0; i < x.rank; i++) {
        if (i == channel || x.shape[i] == 1)
            continue;
        const Axis axis = {x.shape[i], x.strides[i], y.strides[i]};
        if (count > 0 && axes[count - 1].stride_x == axis.stride_x * axis.extent &&
            axes[count - 1].stride_y == axis.stride_y * axis.extent) {
            axes[count - 1] = {axes[count - 1].extent * axis.extent, axis.stride_x, axis.stride_y};
        } else {
            axes[count++] = axis;
        }
    }
    return count;
}

bool dense(const Axis &a) {
    return a.extent == 1 || (a.stride_x == 1 && a.stride_y == 1);
}

}  // namespace

halnorm_status fold(const halnorm_config &config, const halnorm_tensor *x, const halnorm_tensor *y,
                    bool with_data, Region *region) {
    if (x == nullptr)
        return Failure(HALNORM_ERROR_NULL) << "x: was NULL, should point to a halnorm_tensor";
    HALNORM_TRY(check_alone({"x", *x}, with_data));
    if (y != nullptr) {
        HALNORM_TRY(check_alone({"y", *y}, with_data));
        HALNORM_TRY(check_pair(*x, *y));
    }
    const int channel = channel_axis(config, *x);
    if (x->shape[channel] != config.num_channels) {
        return Failure(HALNORM_ERROR_SHAPE)
               << "x.shape[" << static_cast<int64_t>(channel) << "]: was " << x->shape[channel]
               << ", should be num_channels, " << config.num_channels;
    }
    region->dtype = x->dtype;
    region->layout = kernel_nchw;
    if (is_empty(*x)) {
        region->s = region->n = {0, 1, 1};
        region->c = {config.num_channels, 1, 1};
        return HALNORM_OK;
    }
    const halnorm_tensor &out = y != nullptr ? *y : *x;
    HALNORM_TRY(check_strides({"x", *x}));
    if (y != nullptr)
        HALNORM_TRY(check_strides({"y", *y}));

    Axis axes[HALNORM_MAX_RANK];
    const int count = join(*x, out, channel, axes);
    const Axis one = {1, 1, 1};
    Axis &s = region->s, &c = region->c, &n = region->n;
    c = {x->shape[channel], x->strides[channel], out.strides[channel]};
    if (c.extent == 1)
        c = {1, 1, 1};
    if (count <= 1) {
        // A single axis is the row where it is dense, else the rows.
        const Axis axis = count == 1 ? axes[0] : one;
        const bool row = count == 1 && dense(axis);
        s = row ? axis : one;
        n = row ? one : axis;
    } else if (count == 2) {
        n = axes[0];
        s = axes[1];
    }
    const bool by_row = dense(s) && !(s.extent == 1 && dense(c));
    if (count > 2 || (!by_row && !dense(c))) {
        return Failure(HALNORM_ERROR_STRIDE) << "x.strides, y.strides: were such that the axes do "
                                                "not fold to (spatial, channel, batch) with one of "
                                                "the spatial and channel axes dense; should be "
                                                "dense, or padded in one place only";
    }
    region->layout = by_row ? kernel_nchw : kernel_nhwc;
    return HALNORM_OK;
}

bool same_strides(const halnorm_tensor &x, const halnorm_tensor &y) {
    for (int i = 0; i < x.rank; i++) {
        if (x.shape[i] != 1 && x.strides[i] != y.strides[i])
            return false;
    }
    return true;
}

Range range_of(const char *name, const halnorm_tensor &t, bool output) {
    const size_t element = size_of(t.dtype);
    if (is_empty(t))
        return {name, nullptr, 0, element, output};
    int64_t last = 0;
    for (int i = 0; i < t.rank; i++) {
        if (t.shape[i] > 1)
            last += (t.shape[i] - 1) * t.strides[i];
    }
    return {name, t.data, (static_cast<size_t>(last) + 1) * element, element, output};
}

halnorm_status check_ranges(const Range *ranges, int count, int same_a, int same_b,
                            bool same_allowed) {
    for (int i = 0; i < count; i++) {
        const Range &a = ranges[i];
        if (a.data != nullptr && reinterpret_cast<uintptr_t>(a.data) % a.alignment != 0) {
            return Failure(HALNORM_ERROR_ALIGNMENT)
                   << a.name << ": was not a multiple of " << static_cast<int64_t>(a.alignment)
                   << " bytes";
        }
    }
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < i; k++) {
            const Range &a = ranges[i], &b = ranges[k];
            if (a.data == nullptr || b.data == nullptr || !(a.output || b.output))
                continue;
            const uintptr_t pa = reinterpret_cast<uintptr_t>(a.data),
                            pb = reinterpret_cast<uintptr_t>(b.data);
            if (pa >= pb + b.bytes || pb >= pa + a.bytes)
                continue;
            if (same_allowed && i == same_b && k == same_a && pa == pb)
                continue;
            return Failure(HALNORM_ERROR_OVERLAP)
                   << a.name << ": overlaps " << b.name << ", should be memory of its own"
                   << (i == same_b && k == same_a ? ", or x itself with x's strides" : "");
        }
    }
    return HALNORM_OK;
}

}  // namespace halnorm
