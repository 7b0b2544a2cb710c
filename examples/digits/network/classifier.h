// What turns features into classes: the mean over each image's pixels, then a fully connected
// layer.
#pragma once

#include "common/random.h"
#include "network/tensor.h"

namespace digits {

// (images, channels): each channel's mean over the image.
template<typename T>
void average_pool(const Images<T> &x, Matrix<T> *y);
// dx has the shape of x already.
template<typename T>
void average_pool_backward(const Matrix<T> &dy, Images<T> *dx);

// y = x * weight + bias.
template<typename T>
struct FullyConnected {
    Weights<T> weight, bias;  // (inputs, outputs), (1, outputs)

    // Xavier's initialization, uniform; bias 0.
    void initialize(Random &random);
    void forward(const Matrix<T> &x, Matrix<T> *y) const;
    void backward(const Matrix<T> &x, const Matrix<T> &dy, Matrix<T> *dweight, Matrix<T> *dbias,
                  Matrix<T> *dx) const;
};

}  // namespace digits
