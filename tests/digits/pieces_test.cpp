#include "gradient_check.h"
#include "network/bias_activation.h"
#include "network/classifier.h"
#include "network/loss.h"

namespace {

using namespace digits;

TEST(DigitsClassifier, gradients_are_differences) {
    Random random(1);
    Images<double> x = test::random_images(random, 3, 2, 3, 4), dx = x;
    FullyConnected<double> layer;
    layer.weight.values = test::random_matrix(random, 4, 5);
    layer.bias.values = test::random_matrix(random, 1, 5);
    const Matrix<double> dy = test::random_matrix(random, 3, 5);
    Matrix<double> features, y, dweight, dbias, dfeatures;
    const auto loss = [&] {
        average_pool(x, &features);
        layer.forward(features, &y);
        return y.cwiseProduct(dy).sum();
    };
    loss();
    layer.backward(features, dy, &dweight, &dbias, &dfeatures);
    average_pool_backward(dfeatures, &dx);
    const double magnitude = static_cast<double>(dy.size() * 5);
    const auto expect = [&](Matrix<double> *values, const Matrix<double> &gradient) {
        ASSERT_EQ(values->size(), gradient.size());
        test::expect_gradient(values->data(), gradient.data(), values->size(), loss, magnitude);
    };
    expect(&layer.weight.values, dweight);
    expect(&layer.bias.values, dbias);
    expect(&x.values, dx.values);
}

TEST(DigitsBiasActivation, gradients_are_differences) {
    Random random(2);
    Matrix<double> x = test::random_matrix(random, 12, 3), bias = test::random_matrix(random, 1, 3);
    const Matrix<double> dy = test::random_matrix(random, 12, 3);
    const double slope = 0.25;
    Matrix<double> y;
    const auto loss = [&] {
        y = x;
        add_bias_activate(bias, slope, &y);
        return y.cwiseProduct(dy).sum();
    };
    loss();
    ASSERT_LT(y.minCoeff(), -2 * test::step);
    ASSERT_GT(y.cwiseAbs().minCoeff(), 2 * test::step) << "too near the kink for differences";
    Matrix<double> dx = dy, dbias;
    add_bias_activate_backward(y, slope, &dx, &dbias);
    const double magnitude = static_cast<double>(2 * dy.size());
    test::expect_gradient(x.data(), dx.data(), x.size(), loss, magnitude);
    test::expect_gradient(bias.data(), dbias.data(), bias.size(), loss, magnitude);
}

TEST(DigitsLoss, gradient_is_differences) {
    Random random(3);
    Matrix<double> logits = 3 * test::random_matrix(random, 4, 5), dlogits, unused;
    const std::vector<int> labels = {4, 0, 2, 2};
    const auto loss = [&] { return softmax_cross_entropy(logits, labels, &unused); };
    softmax_cross_entropy(logits, labels, &dlogits);
    test::expect_gradient(logits.data(), dlogits.data(), logits.size(), loss, 8);
}

TEST(DigitsLoss, is_the_logarithm_of_the_classes_where_all_are_alike) {
    const Matrix<float> logits = Matrix<float>::Constant(3, 10, 1e30f);
    Matrix<float> dlogits;
    EXPECT_NEAR(softmax_cross_entropy(logits, {0, 5, 9}, &dlogits), log(10.), 16 * 0x1p-24);
    EXPECT_NEAR(static_cast<double>(dlogits(0, 0)), -0.9 / 3, 4 * 0x1p-24);
    EXPECT_NEAR(static_cast<double>(dlogits(0, 1)), 0.1 / 3, 4 * 0x1p-24);
}

TEST(DigitsLoss, a_row_with_nan_is_never_correct) {
    Matrix<float> logits(3, 2);
    logits << 1, 2, 2, 1, NAN, 1;
    EXPECT_EQ(count_correct(logits, {1, 0, 1}), 2);
    EXPECT_EQ(count_correct(logits, {0, 1, 0}), 0);
}

}  // namespace
