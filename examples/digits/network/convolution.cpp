#include "network/convolution.h"

#include <algorithm>
#include <cmath>

namespace digits {
namespace {

// Calls each(pixel of y, tap, pixel of x) for what the taps of all output pixels read; pixel of x
// is -1 beyond the border.
template<typename T, typename Function>
void for_each_tap(const Images<T> &x, int64_t stride, int64_t out_height, int64_t out_width,
                  const Function &each) {
    int64_t to = 0;
    for (int64_t n = 0; n < x.count; n++) {
        for (int64_t h = 0; h < out_height; h++) {
            for (int64_t w = 0; w < out_width; w++, to++) {
                for (int64_t tap = 0; tap < Convolution<T>::taps; tap++) {
                    const int64_t from_h = h * stride + tap / 3 - 1,
                                  from_w = w * stride + tap % 3 - 1;
                    const bool inside =
                        from_h >= 0 && from_h < x.height && from_w >= 0 && from_w < x.width;
                    each(to, tap, inside ? (n * x.height + from_h) * x.width + from_w : -1);
                }
            }
        }
    }
}

}  // namespace

template<typename T>
void Convolution<T>::initialize(Random &random) {
    const double bound = std::sqrt(6 / static_cast<double>(weight.values.rows()));
    for (T &value : weight.values.reshaped())
        value = static_cast<T>(uniform(random, -bound, bound));
}

template<typename T>
void Convolution<T>::forward(const Images<T> &x, Matrix<T> *patches, Images<T> *y) const {
    const int64_t channels = inputs();
    y->resize(x.count, extent(x.height), extent(x.width), outputs());
    patches->resize(y->pixels(), taps * channels);
    const T *const in = x.values.data();
    T *const out = patches->data();
    for_each_tap(x, stride, y->height, y->width, [&](int64_t to, int64_t tap, int64_t from) {
        T *const patch = out + (to * taps + tap) * channels;
        if (from < 0)
            std::fill_n(patch, channels, T(0));
        else
            std::copy_n(in + from * channels, channels, patch);
    });
    y->values.noalias() = *patches * weight.values;
}

template<typename T>
void Convolution<T>::backward(Matrix<T> *patches, const Images<T> &dy, Matrix<T> *dweight,
                              Images<T> *dx) const {
    dweight->noalias() = patches->transpose() * dy.values;
    if (dx == nullptr)
        return;
    const int64_t channels = inputs();
    patches->noalias() = dy.values * weight.values.transpose();
    dx->values.setZero();
    const T *const in = patches->data();
    T *const out = dx->values.data();
    for_each_tap(*dx, stride, dy.height, dy.width, [&](int64_t to, int64_t tap, int64_t from) {
        if (from < 0)
            return;
        const T *const patch = in + (to * taps + tap) * channels;
        for (int64_t c = 0; c < channels; c++)
            out[from * channels + c] += patch[c];
    });
}

template struct Convolution<float>;
template struct Convolution<double>;

}  // namespace digits
