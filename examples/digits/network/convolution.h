// 3x3 convolution, zero beyond the border: the patches that it reads become the rows of a matrix
// ("im2col"), and one product of matrices does the rest.
#pragma once

#include "common/random.h"
#include "network/tensor.h"

namespace digits {

template<typename T>
struct Convolution {
    static constexpr int64_t taps = 9;

    int64_t stride = 1;
    Weights<T> weight;  // (3 * 3 * input channels, output channels)

    int64_t inputs() const { return weight.values.rows() / taps; }
    int64_t outputs() const { return weight.values.cols(); }
    int64_t extent(int64_t input) const { return (input - 1) / stride + 1; }

    // He's initialization: uniform, of variance 2 / (values read per output).
    void initialize(Random &random);

    // y = x convolved. *patches becomes what backward() needs of x.
    void forward(const Images<T> &x, Matrix<T> *patches, Images<T> *y) const;

    // From the gradient dy of the outputs: that of the weights, and where dx is not nullptr that of
    // x. dx has the shape of x already. *patches is used up.
    void backward(Matrix<T> *patches, const Images<T> &dy, Matrix<T> *dweight, Images<T> *dx) const;
};

}  // namespace digits
