// What stands where a network has no normalization: bias and leaky ReLU, in place.
#pragma once

#include "network/tensor.h"

namespace digits {

// x becomes y = leaky_relu(x + bias); the slope is between 0 and 1.
template<typename T>
void add_bias_activate(const Matrix<T> &bias, T slope, Matrix<T> *x);

// *dy, the gradient of y, becomes that of x; a positive slope keeps the sign, so y says which side
// x was on.
template<typename T>
void add_bias_activate_backward(const Matrix<T> &y, T slope, Matrix<T> *dy, Matrix<T> *dbias);

}  // namespace digits
