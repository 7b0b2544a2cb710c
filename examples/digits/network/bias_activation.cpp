#include "network/bias_activation.h"

#include <algorithm>

namespace digits {

template<typename T>
void add_bias_activate(const Matrix<T> &bias, T slope, Matrix<T> *x) {
    const Eigen::Index channels = x->cols();
    for (Eigen::Index i = 0; i < x->rows(); i++) {
        T *const row = x->row(i).data();
        for (Eigen::Index c = 0; c < channels; c++) {
            const T v = row[c] + bias(0, c);
            row[c] = std::max(v, slope * v);  // NaN stays NaN; no branch, so compilers vectorize it
        }
    }
}

template<typename T>
void add_bias_activate_backward(const Matrix<T> &y, T slope, Matrix<T> *dy, Matrix<T> *dbias) {
    *dy = (y.array() > 0).select(*dy, slope * *dy);
    *dbias = dy->colwise().sum();
}

template void add_bias_activate(const Matrix<float> &, float, Matrix<float> *);
template void add_bias_activate(const Matrix<double> &, double, Matrix<double> *);
template void add_bias_activate_backward(const Matrix<float> &, float, Matrix<float> *,
                                         Matrix<float> *);
template void add_bias_activate_backward(const Matrix<double> &, double, Matrix<double> *,
                                         Matrix<double> *);

}  // namespace digits
