// What flows through the network: batches of images, and matrices of one row per image.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <string>

#include "halnorm/halnorm.hpp"

namespace digits {

template<typename T>
using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// Images with the channels last (NHWC), so that a convolution is one product of matrices: row
// (n * height + h) * width + w of `values` holds the channels of one pixel.
template<typename T>
struct Images {
    int64_t count = 0, height = 0, width = 0;
    Matrix<T> values;

    int64_t channels() const { return values.cols(); }
    int64_t pixels() const { return count * height * width; }

    // Keeps the memory where the size stays the same; the values are then what they were.
    void resize(int64_t n, int64_t h, int64_t w, int64_t c) {
        count = n, height = h, width = w;
        values.resize(pixels(), c);
    }
    halnorm_tensor view() {
        return halnorm::tensor(values.data(), {count, height, width, channels()});
    }
};

// A matrix that training changes, and how: a vector is a matrix of one row. The fields of the
// attribute mean what they mean for halnorm's layer.
template<typename T>
struct Weights {
    std::string name;
    Matrix<T> values;
    halnorm::ParamAttr attr;
};

}  // namespace digits
