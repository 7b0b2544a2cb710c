#include "network/loss.h"

#include <cmath>

namespace digits {

template<typename T>
double softmax_cross_entropy(const Matrix<T> &logits, const std::vector<int> &labels,
                             Matrix<T> *dlogits) {
    const T share = T(1) / static_cast<T>(logits.rows());
    double loss = 0;
    dlogits->resize(logits.rows(), logits.cols());
    for (Eigen::Index n = 0; n < logits.rows(); n++) {
        const int label = labels[static_cast<size_t>(n)];
        // Less the largest, nothing overflows, and the sum is at least 1.
        const auto shifted = (logits.row(n).array() - logits.row(n).maxCoeff()).eval();
        const T sum = shifted.exp().sum();
        loss += static_cast<double>(std::log(sum) - shifted(label));
        dlogits->row(n) = shifted.exp() * (share / sum);
        (*dlogits)(n, label) -= share;
    }
    return loss * static_cast<double>(share);
}

template<typename T>
int64_t count_correct(const Matrix<T> &logits, const std::vector<int> &labels) {
    int64_t correct = 0;
    for (Eigen::Index n = 0; n < logits.rows(); n++) {
        Eigen::Index best = 0;
        logits.row(n).maxCoeff(&best);
        correct += logits.row(n).allFinite() && best == labels[static_cast<size_t>(n)];
    }
    return correct;
}

template double softmax_cross_entropy(const Matrix<float> &, const std::vector<int> &,
                                      Matrix<float> *);
template double softmax_cross_entropy(const Matrix<double> &, const std::vector<int> &,
                                      Matrix<double> *);
template int64_t count_correct(const Matrix<float> &, const std::vector<int> &);
template int64_t count_correct(const Matrix<double> &, const std::vector<int> &);

}  // namespace digits
