// From the caller's tensors to what kernels see: checks, and any rank as (s, c, n).
#pragma once

#include "halnorm/halnorm.h"
#include "kernels.h"
#include "messages.h"

namespace halnorm {

// Tensors of one pass, and room for one in the workspace.
constexpr int max_tensors = 6;

struct Axis {
    int64_t extent, stride[max_tensors];  // in elements, of each tensor
};

// The tensors of a pass as one region of (s, c, n).
struct Region {
    halnorm_dtype dtype;
    KernelLayout layout;
    int tensors;
    Axis s, c, n;
    int64_t fold =
        1;  // where it is f > 1, c has the extent f * C: f rows of C channels are seen as one row
    int64_t width() const { return c.extent; }
    bool empty() const { return s.extent * n.extent == 0; }
};

struct Operand {
    Argument name;
    const halnorm_tensor *tensor;
};

inline size_t size_of(halnorm_dtype dtype) {
    return dtype == HALNORM_FLOAT64 ? 8 : 4;
}

// Checks the tensors against the configuration and the first of them, and makes one region of them.
// Data pointers are checked only where `with_data`.
halnorm_status make_region(const halnorm_config &config, const Operand *operands, int count,
                           bool with_data, Region *region);

// Adds a tensor whose strides are dense in the order of the region's layout; returns its index.
int add_dense_tensor(Region *region);

bool same_strides(const halnorm_tensor &x, const halnorm_tensor &y);

// An argument as a range of bytes, for the check that outputs do not overlap anything else.
constexpr int max_ranges = 16;
struct Range {
    const void *data;  // NULL: not given
    size_t bytes;
    Argument name;
    uint8_t alignment;  // a power of two
    bool output;

    Range() = default;
    Range(Argument argument, const void *at, size_t size, size_t multiple_of, bool is_output)
        : data(at), bytes(size), name(argument), alignment(static_cast<uint8_t>(multiple_of)),
          output(is_output) {}
};

// From the first element to behind the last; 0 where there is none.
size_t bytes_of(const halnorm_tensor &tensor);

// tensor may be NULL: not given. (Inline, so that a Range is made where it lies: reading one that
// was just written in parts costs a stall each time, 10 ns of inference altogether.)
inline Range range_of(Argument name, const halnorm_tensor *tensor, bool output) {
    const size_t bytes = tensor != nullptr ? bytes_of(*tensor) : 0;
    if (bytes == 0)
        return {name, nullptr, 0, 1, output};
    return {name, tensor->data, bytes, size_of(tensor->dtype), output};
}

// Indices of two arguments that may be the same memory exactly, with the same strides: an output
// and what it replaces.
struct InPlace {
    int input, output;
    const halnorm_tensor *from, *to;
};

// Alignment of each of up to max_ranges, and no output overlapping another argument. Outputs come
// last.
halnorm_status check_ranges(const Range *ranges, int count, const InPlace *pairs, int pair_count);

}  // namespace halnorm
