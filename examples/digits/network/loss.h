// Softmax and cross-entropy.
#pragma once

#include <vector>

#include "network/tensor.h"

namespace digits {

// The mean of -log softmax(logits)[label] over the rows; *dlogits becomes its gradient. It is not
// finite where the logits are not.
template<typename T>
double softmax_cross_entropy(const Matrix<T> &logits, const std::vector<int> &labels,
                             Matrix<T> *dlogits);

// How many rows have their largest logit at the label; a row with a NaN has none.
template<typename T>
int64_t count_correct(const Matrix<T> &logits, const std::vector<int> &labels);

}  // namespace digits
