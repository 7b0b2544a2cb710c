// Tensors for tests: every rank, layout and arrangement of strides, in guarded memory.
#pragma once

#include <stdint.h>
#include <string.h>
#include <string>
#include <vector>

#include "halnorm/halnorm.h"
#include "memory.h"

namespace test {

// How a tensor's elements are spread over its memory.
enum class Spread {
    dense,
    channel_gap,    // NCHW: padding after each channel's plane; NHWC: a slice of wider rows
    image_gap,      // padding after each image
    channels_last,  // NCHW over memory that holds the channels innermost, and the reverse where N
                    // is 1
};
const char *name(Spread spread);

struct Geometry {
    std::vector<int64_t> shape, strides;

    int64_t elements() const;
    int64_t span() const;  // elements from the first to the last, both included; 0 if empty
    bool row_major() const;  // without gaps, each element where its number says
    std::vector<int64_t> offsets() const;  // of each element, in row-major order of the shape
};

// n images of c channels of s elements as a tensor of rank 2 (then s must be 1) to 5. The spatial
// extents of rank 4 and 5 are divisors of s. Each gap of the spread has `gap` elements.
constexpr int64_t default_gap = 5;
Geometry geometry(halnorm_layout layout, int rank, int64_t n, int64_t c, int64_t s, Spread spread,
                  int64_t gap = default_gap);

// One number per channel.
inline Geometry vector_of(int64_t c) {
    return {{c}, {1}};
}

inline size_t size_of(halnorm_dtype dtype) {
    return dtype == HALNORM_FLOAT32 ? sizeof(float) : sizeof(double);
}

class Tensor {
public:
    Tensor(halnorm_dtype dtype, const Geometry &geometry, Placement placement, unsigned char fill);

    halnorm_tensor view() const;
    void *data() const { return memory_.data(); }  // never NULL
    size_t size() const { return size_; }
    halnorm_dtype dtype() const { return dtype_; }

    // The elements, without the gaps, as memory that nothing was written to (memory.h).
    void make_undefined();

    // Element `index` in row-major order. Values are rounded to the dtype.
    void set(size_t index, double value) {
        const float single = static_cast<float>(value);
        if (dtype_ == HALNORM_FLOAT32)
            memcpy(element(index), &single, sizeof single);
        else
            memcpy(element(index), &value, sizeof value);
    }
    double get(size_t index) const {
        float single;
        double value;
        if (dtype_ == HALNORM_FLOAT32) {
            memcpy(&single, element(index), sizeof single);
            return single;
        }
        memcpy(&value, element(index), sizeof value);
        return value;
    }
    void set(const std::vector<double> &values);
    std::vector<double> values() const;
    // The elements' bytes in row-major order, to compare bit for bit.
    std::vector<unsigned char> bits() const;
    void set_bits(const std::vector<unsigned char> &all);

    // Whether everything in its memory that is no element still is what it was.
    bool gaps_intact() const;

private:
    unsigned char *element(size_t index) const {
        const size_t place = offsets_.empty() ? index : static_cast<size_t>(offsets_[index]);
        return memory_.data() + place * size_of(dtype_);
    }
    // body(first byte, bytes) of pieces that are all elements, in row-major order.
    template<typename Body>
    void for_each_piece(Body body) const;

    halnorm_dtype dtype_;
    Geometry geometry_;
    size_t size_;
    std::vector<int64_t> offsets_;  // empty where they would be the numbers
    Memory memory_;
};

// The images first to last of a tensor.
halnorm_tensor images(const halnorm_tensor &whole, int64_t first, int64_t last);

}  // namespace test
