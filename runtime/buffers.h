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

template<int rank>
class View {
public:
    // data points to the element at 0 of every dimension, the kernel's to the first.
    View(const Plan &plan, halnorm_dtype dtype, const void *data,
         const Dimension (&dimensions)[rank]) {
        int64_t offset = 0;
        for (int i = 0; i < rank; i++) {
            const Dimension &d = dimensions[i];
            dims_[i] = {static_cast<int32_t>(d.min), static_cast<int32_t>(d.extent),
                        static_cast<int32_t>(d.stride), 0};
            offset += d.first * d.stride;
        }
        const bool cpu = plan.on_cpu();
        const int64_t element = static_cast<int64_t>(size_of(dtype));
        uint8_t *const first = static_cast<uint8_t *>(const_cast<void *>(data)) + offset * element;
        buffer_.device = cpu ? 0 : reinterpret_cast<uintptr_t>(first);
        buffer_.device_interface = cpu ? nullptr : &some_device_interface;
        buffer_.host = cpu ? first : nullptr;
        buffer_.flags = 0;
        buffer_.type = {halide_type_float, static_cast<uint8_t>(8 * element), 1};
        buffer_.dimensions = rank;
        buffer_.dim = dims_;
        buffer_.padding = nullptr;
    }
    View(const View &) = delete;
    Buffer *operator&() { return &buffer_; }

private:
    Buffer buffer_;
    halide_dimension_t dims_[rank];
};

inline View<1> array_view(const Plan &plan, halnorm_dtype dtype, const void *data, int64_t c,
                          int64_t channels) {
    return View<1>(plan, dtype, data, {{c, channels, 1}});
}

// Slice of a region's tensor, by its index.
inline View<3> tensor_view(const Plan &plan, const Region &r, int tensor, const void *data,
                           const Slice &slice) {
    return View<3>(plan, r.dtype, data,
                   {{slice.s, r.s.extent, r.s.stride[tensor]},
                    {slice.c, slice.channels, r.c.stride[tensor]},
                    {slice.n, slice.rows, r.n.stride[tensor]}});
}

struct CoefficientViews {
    CoefficientViews(const Plan &plan, const Coefficients &coefficients, const Slice &slice)
        : center(array_view(plan, plan.dtype, coefficients.center, slice.c, slice.channels)),
          scale(array_view(plan, plan.dtype, coefficients.scale, slice.c, slice.channels)),
          offset(array_view(plan, plan.dtype, coefficients.offset, slice.c, slice.channels)) {}
    View<1> center, scale, offset;
};

// Sums or shifts of some channels and blocks; dense over all (folded) channels. Blocks count from
// the first row of x, of which kernels are shown all.
inline View<2> sums_view(const Plan &plan, halnorm_dtype dtype, const void *data, int64_t c,
                         int64_t channels, int64_t block, int64_t blocks) {
    return View<2>(plan, dtype, data,
                   {{c, channels, 1}, {block, blocks, plan.reduce.width(), block}});
}

}  // namespace halnorm
