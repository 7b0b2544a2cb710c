// From the caller's tensors to what kernels see: checks, and the fold of any rank to (s, c, n).
#pragma once

#include "halnorm/halnorm.h"
#include "kernels.h"

namespace halnorm {

struct Axis {
    int64_t extent, stride_x,
        stride_y;  // strides in elements; stride_y is unused where there is no y
};

// x, and y if there is one, as one region of (s, c, n).
struct Region {
    halnorm_dtype dtype;
    KernelLayout layout;
    Axis s, c, n;
    int64_t fold =
        1;  // where it is f > 1, c has the extent f * C: f rows of C channels are seen as one row
    int64_t width() const { return c.extent; }
    bool empty() const { return s.extent * n.extent == 0; }
};

inline size_t size_of(halnorm_dtype dtype) {
    return dtype == HALNORM_FLOAT64 ? 8 : 4;
}

// Checks x and y (which may be NULL: none) against the configuration and each other, and folds
// them. Data pointers are checked only where `with_data`.
halnorm_status fold(const halnorm_config &config, const halnorm_tensor *x, const halnorm_tensor *y,
                    bool with_data, Region *region);

bool same_strides(const halnorm_tensor &x, const halnorm_tensor &y);

// An argument as a range of bytes, for the check that outputs do not overlap anything else.
struct Range {
    const char *name;
    const void *data;  // NULL: not given
    size_t bytes;
    size_t alignment;
    bool output;
};

Range range_of(const char *name, const halnorm_tensor &tensor, bool output);

// Alignment of each, and no output overlapping another argument. The pair `same_a`, `same_b`
// (indices) may be the same memory exactly.
halnorm_status check_ranges(const Range *ranges, int count, int same_a, int same_b,
                            bool same_allowed);

}  // namespace halnorm
