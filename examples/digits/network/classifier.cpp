#include "network/classifier.h"

#include <cmath>

namespace digits {

template<typename T>
void average_pool(const Images<T> &x, Matrix<T> *y) {
    const int64_t pixels = x.height * x.width;
    y->resize(x.count, x.channels());
    for (int64_t n = 0; n < x.count; n++)
        y->row(n) = x.values.middleRows(n * pixels, pixels).colwise().mean();
}

template<typename T>
void average_pool_backward(const Matrix<T> &dy, Images<T> *dx) {
    const int64_t pixels = dx->height * dx->width;
    for (int64_t n = 0; n < dx->count; n++) {
        dx->values.middleRows(n * pixels, pixels).rowwise() = dy.row(n) / static_cast<T>(pixels);
    }
}

template<typename T>
void FullyConnected<T>::initialize(Random &random) {
    const double bound =
        std::sqrt(6 / static_cast<double>(weight.values.rows() + weight.values.cols()));
    for (T &value : weight.values.reshaped())
        value = static_cast<T>(uniform(random, -bound, bound));
    bias.values.setZero();
}

template<typename T>
void FullyConnected<T>::forward(const Matrix<T> &x, Matrix<T> *y) const {
    y->noalias() = x * weight.values;
    y->rowwise() += bias.values.row(0);
}

template<typename T>
void FullyConnected<T>::backward(const Matrix<T> &x, const Matrix<T> &dy, Matrix<T> *dweight,
                                 Matrix<T> *dbias, Matrix<T> *dx) const {
    dweight->noalias() = x.transpose() * dy;
    *dbias = dy.colwise().sum();
    dx->noalias() = dy * weight.values.transpose();
}

template void average_pool(const Images<float> &, Matrix<float> *);
template void average_pool(const Images<double> &, Matrix<double> *);
template void average_pool_backward(const Matrix<float> &, Images<float> *);
template void average_pool_backward(const Matrix<double> &, Images<double> *);
template struct FullyConnected<float>;
template struct FullyConnected<double>;

}  // namespace digits
