// Normalization by moving statistics is a scale and a shift per channel, so the convolution before
// it can do it.
#pragma once

#include "network/network.h"

namespace digits {

// The same function without normalization: of each convolution with the layer behind it
//     weight' = weight * gamma / sqrt(moving variance + epsilon)
//     bias'   = beta - moving mean * gamma / sqrt(moving variance + epsilon)
template<typename T>
Network<T> fold(const Network<T> &network);

// How far apart the logits of the two may be: each convolution and the classifier rounds sums of
// k products, which is at most k u of the sum of their sizes, in each of the two.
template<typename T>
double folding_bound(const Network<T> &network, const Matrix<T> &logits);

}  // namespace digits
