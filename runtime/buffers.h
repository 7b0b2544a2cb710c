// halide_buffer_t over the runtime's arrays, on the stack.
#pragma once

#include "gpu.h"
#include "kernels.h"
#include "plan.h"
#include "stages.h"

namespace halnorm {

struct Dimension {
    int64_t first, extent, stride;
    int64_t min = 0;  // what the kernel calls `first`
};

// The dimensions of arrays alike, while kernels see them.
template<int rank>
class Dimensions {
public:
    Dimensions(const Plan &plan, const Dimension (&dimensions)[rank]) : cpu_(plan.on_cpu()) {
        for (int i = 0; i < rank; i++) {
            const Dimension &d = dimensions[i];
            dims_[i] = {static_cast<int32_t>(d.min), static_cast<int32_t>(d.extent),
                        static_cast<int32_t>(d.stride), 0};
            before_ += d.first * d.stride;
        }
    }
    Dimensions(const Dimensions &) = delete;

    // data points to the element at 0 of every dimension, the kernel's to the first.
    Buffer over(halnorm_dtype dtype, const void *data) {
        const int64_t element = static_cast<int64_t>(size_of(dtype));
        uint8_t *const first = static_cast<uint8_t *>(const_cast<void *>(data)) + before_ * element;
        Buffer b;
        const bool cpu = !built::gpu || cpu_;
        b.device = cpu ? 0 : reinterpret_cast<uintptr_t>(first);
        b.device_interface = cpu ? nullptr : &some_device_interface;
        b.host = cpu ? first : nullptr;
        b.flags = 0;
        b.type = {halide_type_float, static_cast<uint8_t>(8 * element), 1};
        b.dimensions = rank;
        b.dim = dims_;
        b.padding = nullptr;
        return b;
    }
    Buffer doubles(const double *data) { return over(HALNORM_FLOAT64, data); }

private:
    halide_dimension_t dims_[rank];
    int64_t before_ = 0;  // elements
    bool cpu_;
};

// A tensor that a call reads: the one of this index of the plan.
struct Read {
    const void *data;
    int index;
};

// Slice of a region's tensor, by its index.
struct TensorView {
    TensorView(const Plan &plan, const Region &r, int tensor, const void *data, const Slice &slice)
        : dimensions(plan, {{slice.s, r.s.extent, r.s.stride[tensor], slice.s_of_kernel},
                            {slice.c, slice.channels, r.c.stride[tensor]},
                            {slice.n, slice.rows, r.n.stride[tensor]}}),
          buffer(dimensions.over(r.dtype, data)) {}
    Buffer *operator&() { return &buffer; }
    Dimensions<3> dimensions;
    Buffer buffer;
};

// Where an array begins of which kernels see only a piece, `before` bytes after that: channels and
// rows of a slice count from the first of all.
inline void *whole_of(void *piece, int64_t before) {
    return reinterpret_cast<void *>(reinterpret_cast<uintptr_t>(piece) -
                                    static_cast<uintptr_t>(before));
}

// Per-channel arrays, from channel c on.
struct Arrays : Dimensions<1> {
    Arrays(const Plan &plan, int64_t c, int64_t channels)
        : Dimensions<1>(plan, {{c, channels, 1}}) {}
};

struct CoefficientViews {
    CoefficientViews(const Plan &plan, const Coefficients &coefficients, const Slice &slice)
        : arrays(plan, slice.c, slice.channels),
          center(arrays.over(plan.dtype, coefficients.center)),
          scale(arrays.over(plan.dtype, coefficients.scale)),
          offset(arrays.over(plan.dtype, coefficients.offset)) {}
    Arrays arrays;
    Buffer center, scale, offset;
};

// Sums and shifts of some channels and blocks; dense over all (folded) channels. Blocks count from
// the first row of x, of which kernels are shown all.
struct SumsViews : Dimensions<2> {
    SumsViews(const Plan &plan, int64_t c, int64_t channels, int64_t block, int64_t blocks)
        : Dimensions<2>(plan, {{c, channels, 1}, {block, blocks, plan.reduce.width(), block}}) {}
};

}  // namespace halnorm
