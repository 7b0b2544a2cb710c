// Gradients against central differences, in double precision.
#pragma once

#include <gtest/gtest.h>
#include <math.h>

#include "common/random.h"
#include "network/tensor.h"

namespace test {

constexpr double step = 0x1p-20;

// The two values that are subtracted have a rounding error of a few dozen u of what was summed up
// to them, which is at most `magnitude`; the difference of the third order is below it.
inline double difference_bound(double magnitude) {
    return 64 * 0x1p-53 * magnitude / step + step * step * magnitude;
}

// `loss` is a function of *values, `gradient` what is claimed to be its gradient.
template<typename Loss>
void expect_gradient(double *values, const double *gradient, int64_t size, const Loss &loss,
                     double magnitude = 1) {
    for (int64_t i = 0; i < size; i++) {
        const double value = values[i];
        values[i] = value + step;
        const double above = loss();
        values[i] = value - step;
        const double below = loss();
        values[i] = value;
        EXPECT_NEAR(gradient[i], (above - below) / (2 * step), difference_bound(magnitude))
            << "entry " << i;
    }
}

inline digits::Matrix<double> random_matrix(digits::Random &random, int64_t rows, int64_t columns) {
    digits::Matrix<double> matrix(rows, columns);
    for (double &value : matrix.reshaped())
        value = digits::uniform(random, -1, 1);
    return matrix;
}

inline digits::Images<double> random_images(digits::Random &random, int64_t n, int64_t h, int64_t w,
                                            int64_t c) {
    digits::Images<double> images;
    images.resize(n, h, w, c);
    images.values = random_matrix(random, n * h * w, c);
    return images;
}

}  // namespace test
