// The reference against the worked cases of docs/semantics.md, and against numbers computed by
// hand.
#include <gtest/gtest.h>
#include <math.h>

#include "reference.h"
#include "tensor.h"

namespace {

using reference::Array;
using reference::Parameters;

Array array(std::vector<int64_t> shape, std::vector<double> values) {
    Array a;
    a.shape = std::move(shape);
    a.values = std::move(values);
    return a;
}

void expect_near(const std::vector<double> &actual, const std::vector<double> &expected,
                 double tolerance) {
    ASSERT_EQ(actual.size(), expected.size());
    for (size_t i = 0; i < expected.size(); i++)
        EXPECT_NEAR(actual[i], expected[i], tolerance) << i;
}

TEST(Reference, worked_case_1) {
    const Array x = array({2, 1, 2, 3}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
    Parameters p(1);
    p.gamma = {2};
    p.beta = {1};
    const reference::Forward f = forward_training(x, p);
    expect_near(f.y,
                {-2.18650869, -1.60714347, -1.02777826, -0.44841304, 0.13095218, 0.71031739,
                 1.28968261, 1.86904782, 2.44841304, 3.02777826, 3.60714347, 4.18650869},
                5e-9);
    expect_near(f.saved_mean, {5.5}, 1e-15);
    expect_near(f.saved_inv_std, {0.289682608}, 5e-10);
    expect_near(f.moving_mean, {0.55}, 1e-15);
    expect_near(f.moving_variance, {2.09166667}, 5e-9);
}

// Case 2 is about the backward pass; its dbatch needs the same xhat, which follows from its
// numbers: dgamma = sum(dy * xhat) = xhat[0].
TEST(Reference, worked_case_2) {
    const Array x = array({4, 1}, {1, 2, 3, 4});
    Parameters p(1);
    p.gamma = {2};
    expect_near({forward_training(x, p).xhat[0]}, {-1.34163542}, 5e-9);
    p.moving_mean = {0.5};
    p.moving_variance = {2};
    expect_near({forward_inference(x, p).xhat[0]}, {0.353552507}, 5e-10);
}

TEST(Reference, worked_case_3) {
    const reference::Forward f =
        forward_training(array({1, 1, 3, 3}, std::vector<double>(9, 100)), Parameters(1));
    EXPECT_EQ(f.y, std::vector<double>(9, 0));
    expect_near(f.saved_inv_std, {316.227766}, 5e-7);
    expect_near(f.moving_mean, {10}, 1e-14);
    expect_near(f.moving_variance, {0.9}, 1e-15);
}

// Channel 0 holds 1 3 / 5 7: mean 4, M2 9 + 1 + 1 + 9. Channel 1 holds 0 0 / 0 8: mean 2, M2 4 + 4
// + 4 + 36.
TEST(Reference, statistics_by_hand_in_both_layouts) {
    const Array nchw = array({2, 2, 2}, {1, 3, 0, 0, 5, 7, 0, 8});
    Array nhwc = array({2, 2, 2}, {1, 0, 3, 0, 5, 0, 7, 8});
    nhwc.channel_axis = 2;
    for (const Array &x : {nchw, nhwc}) {
        const reference::Statistics s = statistics(x);
        EXPECT_EQ(s.count, 4);
        EXPECT_EQ(s.mean, (std::vector<double>{4, 2}));
        EXPECT_EQ(s.m2, (std::vector<double>{20, 48}));
    }
}

TEST(Reference, statistics_of_large_numbers_keep_their_digits) {
    std::vector<double> values;
    for (int i = 0; i < 1000; i++)
        values.push_back(1e12 + (i % 2));
    const reference::Statistics s = statistics(array({1000, 1}, values));
    EXPECT_EQ(s.mean[0], 1e12 + 0.5);
    EXPECT_EQ(s.m2[0], 250);
}

TEST(Reference, merged_statistics_are_those_of_the_whole) {
    const Array a = array({3, 1}, {1, 2, 6}), b = array({2, 1}, {-4, 10}),
                ab = array({5, 1}, {1, 2, 6, -4, 10});
    const reference::Statistics merged = reference::merged(statistics(a), statistics(b));
    EXPECT_EQ(merged.count, 5);
    expect_near(merged.mean, statistics(ab).mean, 1e-15);
    expect_near(merged.m2, statistics(ab).m2, 1e-13);
}

TEST(Reference, inference_by_hand) {
    Parameters p(1);
    p.gamma = {3};
    p.beta = {-1};
    p.moving_mean = {2};
    p.moving_variance = {4};
    p.epsilon = 0;
    expect_near(forward_inference(array({2, 1}, {2, 6}), p).y, {-1, 5}, 1e-15);
}

TEST(Reference, edges) {
    Parameters p(1);
    p.gamma = {2};
    p.beta = {3};
    p.epsilon = 0;

    const reference::Forward one = forward_training(array({1, 1}, {7}), p);  // y = act(x)
    EXPECT_EQ(one.y, std::vector<double>{7});
    EXPECT_EQ(one.saved_mean, std::vector<double>{0});
    EXPECT_EQ(one.saved_inv_std, std::vector<double>{0});
    EXPECT_EQ(one.moving_mean, std::vector<double>{0});
    EXPECT_EQ(one.moving_variance, std::vector<double>{1});

    const reference::Forward none = forward_training(array({0, 1}, {}), p);
    EXPECT_TRUE(none.y.empty());
    EXPECT_EQ(none.saved_inv_std, std::vector<double>{0});
    EXPECT_EQ(none.moving_variance, std::vector<double>{1});

    const reference::Forward constant =
        forward_training(array({3, 1}, {5, 5, 5}), p);  // var + epsilon == 0
    EXPECT_EQ(constant.y, std::vector<double>(3, 3));
    EXPECT_EQ(constant.saved_inv_std, std::vector<double>{0});

    p.moving_variance = {0};
    EXPECT_EQ(forward_inference(array({1, 1}, {5}), p).y, std::vector<double>{3});
    p.moving_variance = {-1};
    EXPECT_TRUE(isnan(forward_inference(array({1, 1}, {5}), p).y[0]));
}

TEST(Reference, sample_variance_enters_the_moving_one_only) {
    Parameters p(1);
    p.momentum = 0;
    const Array x = array({3, 1}, {1, 2, 3});
    expect_near(forward_training(x, p).moving_variance, {2.0 / 3}, 1e-15);
    p.estimator = HALNORM_VARIANCE_SAMPLE;
    expect_near(forward_training(x, p).moving_variance, {1}, 1e-15);
    expect_near(forward_training(x, p).saved_inv_std, {1 / sqrt(2.0 / 3 + 1e-5)}, 1e-15);
}

TEST(Reference, reads_any_strides) {
    for (int rank = 2; rank <= 5; rank++) {
        for (test::Spread spread : {test::Spread::dense, test::Spread::channel_gap,
                                    test::Spread::image_gap, test::Spread::channels_last}) {
            for (halnorm_layout layout : {HALNORM_NCHW, HALNORM_NHWC}) {
                const int64_t s = rank == 2 ? 1 : 12;
                const test::Geometry g = test::geometry(layout, rank, 1, 3, s, spread);
                test::Tensor t(HALNORM_FLOAT64, g, {}, test::input_fill);
                for (size_t i = 0; i < t.size(); i++)
                    t.set(i, static_cast<double>(i));
                const Array a = reference::read(t.view(), layout);
                EXPECT_EQ(a.shape.size(), static_cast<size_t>(rank));
                EXPECT_EQ(a.channels(), 3);
                EXPECT_EQ(a.values, t.values());
                for (size_t i = 0; i < a.values.size(); i++)
                    EXPECT_EQ(a.values[i], static_cast<double>(i));
                EXPECT_TRUE(t.gaps_intact());
            }
        }
    }
}

struct Point {
    halnorm_activation activation;
    double v, y;
};

// Values of Mathematica's N[..., 20] form, cut to double.
TEST(Reference, activations_by_hand) {
    const Point points[] = {
        {HALNORM_ACT_NONE, -3, -3},
        {HALNORM_ACT_RELU, -3, 0},
        {HALNORM_ACT_RELU, 3, 3},
        {HALNORM_ACT_RELU6, 7, 6},
        {HALNORM_ACT_LEAKY_RELU, -2, -0.04},
        {HALNORM_ACT_ELU, -1, -0.63212055882855768},
        {HALNORM_ACT_SIGMOID, 1, 0.73105857863000488},
        {HALNORM_ACT_TANH, 1, 0.76159415595576489},
        {HALNORM_ACT_SILU, 1, 0.73105857863000488},
        {HALNORM_ACT_SWISH, -1, -0.26894142136999512},
        {HALNORM_ACT_HARDSIGMOID, 1, 0.7},
        {HALNORM_ACT_HARDSIGMOID, 3, 1},
        {HALNORM_ACT_HARDSWISH, 1, 4.0 / 6},
        {HALNORM_ACT_HARDSWISH, -4, 0},
        {HALNORM_ACT_GELU, 1, 0.84134474606854293},
        {HALNORM_ACT_GELU, -2, -0.045500263896358417},
        {HALNORM_ACT_GELU_TANH, 1, 0.84119199060827670},
        {HALNORM_ACT_SOFTPLUS, 0, 0.69314718055994531},
        {HALNORM_ACT_SOFTPLUS, 21, 21},
        {HALNORM_ACT_MISH, 1, 0.86509838826731034},
    };
    for (const Point &p : points) {
        const double alpha = halnorm_activation_default_alpha(p.activation);
        EXPECT_NEAR(static_cast<double>(reference::activate(p.activation, alpha, p.v)), p.y, 4e-16)
            << halnorm_activation_name(p.activation) << "(" << p.v << ")";
    }
}

TEST(Reference, activations_of_nan_and_infinity) {
    for (int k = 0; k < HALNORM_ACT_COUNT; k++) {
        const halnorm_activation a = static_cast<halnorm_activation>(k);
        const double alpha = halnorm_activation_default_alpha(a);
        EXPECT_TRUE(isnan(reference::activate(a, alpha, NAN))) << halnorm_activation_name(a);
        EXPECT_FALSE(isnan(reference::activate(a, alpha, INFINITY))) << halnorm_activation_name(a);
        EXPECT_FALSE(isnan(reference::activate(a, alpha, -INFINITY))) << halnorm_activation_name(a);
    }
}

TEST(Reference, slopes_are_bounded_as_claimed) {
    for (int k = 0; k < HALNORM_ACT_COUNT; k++) {
        const halnorm_activation a = static_cast<halnorm_activation>(k);
        const double alpha = halnorm_activation_default_alpha(a);
        for (double v = -10; v < 10; v += 0.01) {
            const double rise = static_cast<double>(reference::activate(a, alpha, v + 0.01) -
                                                    reference::activate(a, alpha, v));
            EXPECT_LE(fabs(rise), 0.01 * reference::steepest_slope(a, alpha) + 1e-12)
                << halnorm_activation_name(a) << " at " << v;
        }
    }
}

}  // namespace
