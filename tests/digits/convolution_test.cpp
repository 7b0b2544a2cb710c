#include "network/convolution.h"

#include "gradient_check.h"

namespace {

using namespace digits;

struct Shape {
    int64_t count, height, width, inputs, outputs, stride;
};
constexpr Shape shapes[] = {
    {2, 5, 4, 3, 2, 1}, {2, 5, 4, 3, 2, 2}, {1, 8, 8, 1, 3, 2}, {3, 1, 1, 2, 2, 1}};

Convolution<double> make(const Shape &shape, Random &random) {
    Convolution<double> convolution;
    convolution.stride = shape.stride;
    convolution.weight.values = test::random_matrix(random, 9 * shape.inputs, shape.outputs);
    return convolution;
}

// The definition: y[n, h, w, o] = sum x[n, h stride + i - 1, w stride + j - 1, c] weight[i, j, c,
// o].
double direct(const Convolution<double> &convolution, const Images<double> &x, int64_t n, int64_t h,
              int64_t w, int64_t o) {
    double sum = 0;
    for (int64_t i = 0; i < 3; i++) {
        for (int64_t j = 0; j < 3; j++) {
            const int64_t row = h * convolution.stride + i - 1,
                          column = w * convolution.stride + j - 1;
            if (row < 0 || row >= x.height || column < 0 || column >= x.width)
                continue;
            for (int64_t c = 0; c < x.channels(); c++) {
                sum += x.values((n * x.height + row) * x.width + column, c) *
                       convolution.weight.values((i * 3 + j) * x.channels() + c, o);
            }
        }
    }
    return sum;
}

TEST(DigitsConvolution, is_its_definition) {
    for (const Shape &shape : shapes) {
        Random random(1);
        const Convolution<double> convolution = make(shape, random);
        const Images<double> x =
            test::random_images(random, shape.count, shape.height, shape.width, shape.inputs);
        Matrix<double> patches;
        Images<double> y;
        convolution.forward(x, &patches, &y);
        ASSERT_EQ(y.height, (shape.height + shape.stride - 1) / shape.stride);
        ASSERT_EQ(y.width, (shape.width + shape.stride - 1) / shape.stride);
        ASSERT_EQ(y.values.rows(), shape.count * y.height * y.width);
        const double addends = static_cast<double>(9 * shape.inputs);
        for (int64_t p = 0; p < y.pixels(); p++) {
            for (int64_t o = 0; o < shape.outputs; o++) {
                const int64_t n = p / (y.height * y.width), h = p / y.width % y.height,
                              w = p % y.width;
                EXPECT_NEAR(y.values(p, o), direct(convolution, x, n, h, w, o),
                            2 * addends * 0x1p-53 * addends);
            }
        }
    }
}

TEST(DigitsConvolution, gradients_are_differences) {
    for (const Shape &shape : shapes) {
        Random random(2);
        Convolution<double> convolution = make(shape, random);
        Images<double> x =
            test::random_images(random, shape.count, shape.height, shape.width, shape.inputs);
        Matrix<double> patches;
        Images<double> y, dy, dx = x;
        convolution.forward(x, &patches, &y);
        dy = test::random_images(random, y.count, y.height, y.width, y.channels());
        const auto loss = [&] {
            Matrix<double> unused;
            convolution.forward(x, &unused, &y);
            return y.values.cwiseProduct(dy.values).sum();
        };
        Matrix<double> dweight;
        convolution.backward(&patches, dy, &dweight, &dx);
        const double magnitude = static_cast<double>(9 * shape.inputs * dy.values.size());
        Matrix<double> &weight = convolution.weight.values;
        test::expect_gradient(weight.data(), dweight.data(), weight.size(), loss, magnitude);
        test::expect_gradient(x.values.data(), dx.values.data(), x.values.size(), loss, magnitude);
    }
}

TEST(DigitsConvolution, first_one_needs_no_gradient_of_the_images) {
    Random random(3);
    const Convolution<double> convolution = make(shapes[0], random);
    const Images<double> x = test::random_images(random, 2, 5, 4, 3);
    Matrix<double> patches, dweight;
    Images<double> y;
    convolution.forward(x, &patches, &y);
    const Matrix<double> expected = patches.transpose() * y.values;
    convolution.backward(&patches, y, &dweight, nullptr);
    EXPECT_EQ(dweight, expected);
}

TEST(DigitsConvolution, starts_with_the_variance_of_he) {
    Convolution<double> convolution;
    convolution.weight.values.resize(9 * 64, 64);
    Random random(4);
    convolution.initialize(random);
    const Matrix<double> &w = convolution.weight.values;
    const double n = static_cast<double>(w.size()), variance = 2 / (9. * 64);
    // Five standard errors; of a uniform number's square the deviation is sqrt(4 / 5) variances.
    EXPECT_NEAR(w.mean(), 0, 5 * sqrt(variance / n));
    EXPECT_NEAR(w.squaredNorm() / n, variance, 5 * variance * sqrt(0.8 / n));
}

}  // namespace
