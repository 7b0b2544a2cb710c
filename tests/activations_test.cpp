// Every activation x variant x layout x dtype. With gamma 1, beta 0, mean 0, variance 1 and epsilon
// 0 the normalized value is x itself, so that what is measured is the activation alone.
#include <float.h>
#include <gtest/gtest.h>
#include <math.h>

#include "call.h"
#include "options.h"
#include "random.h"
#include "tolerance.h"
#include "variants.h"

namespace {

using namespace test;

class Activations : public VariantTest {
protected:
    template<typename Body>
    void for_each_setting(Body body) {
        Case k;
        k.variant = GetParam();
        k.pipeline = Pipeline::inference;
        for_each_layout_and_dtype(k, [&](Case s) {
            for (int a = 0; a < HALNORM_ACT_COUNT; a++) {
                s.activation = static_cast<halnorm_activation>(a);
                body(s);
            }
        });
    }

    // Applies the activation to values, one channel in NCHW; in NHWC 16 channels, the last row
    // filled up with zeros.
    static std::vector<double> apply(Case s, std::vector<double> values) {
        const size_t size = values.size();
        s.take_row(&values);
        s.epsilon = 0;
        s.gamma = s.beta = false;
        Call call(s);
        call.x.set(values);
        for (size_t c = 0; c < static_cast<size_t>(s.c); c++) {
            call.moving_mean.set(c, 0);
            call.moving_variance.set(c, 1);
        }
        const halnorm_status status = call.run();
        EXPECT_EQ(status, HALNORM_OK) << s.describe() << ": " << halnorm_last_error();
        EXPECT_EQ(halnorm_last_variant(), s.variant);
        std::vector<double> y = call.y().values();
        y.resize(size);
        return y;
    }

    // How far act(v) may be off where v is exact: see activated_absolute. Around 0 the functions
    // that are 0 there keep their relative precision: 8 u |y|, without the 1.
    static double tolerance(const Case &s, double v, double y) {
        const bool zero_at_zero = reference::activate(s.activation, s.alpha_value(), 0) == 0;
        const double u = unit_roundoff(s.dtype), alpha = s.alpha_value();
        if (zero_at_zero && fabs(v) <= 1)
            return u * fabs(alpha * v) + 8 * u * fabs(y);
        return activated_absolute(s.dtype, s.activation, alpha, v, 0, y);
    }

    static void expect_values(const Case &s, const std::vector<double> &values) {
        SCOPED_TRACE(s.describe());
        const std::vector<double> y = apply(s, values);
        size_t wrong = 0;
        for (size_t i = 0; i < values.size(); i++) {
            const double v = s.dtype == HALNORM_FLOAT32 ?
                                 static_cast<double>(static_cast<float>(values[i])) :
                                 values[i];
            const double expected =
                static_cast<double>(reference::activate(s.activation, s.alpha_value(), v));
            if (!close(s.dtype, y[i], expected, tolerance(s, v, expected)) && wrong++ == 0) {
                ADD_FAILURE() << "alpha " << s.alpha_value() << ": act("
                              << testing::PrintToString(v) << ") is "
                              << testing::PrintToString(y[i]) << ", should be "
                              << testing::PrintToString(expected) << ", off by " << y[i] - expected
                              << ", tolerance " << tolerance(s, v, expected);
            }
        }
        if (wrong > 1)
            ADD_FAILURE() << "wrong: " << wrong << " of " << values.size();
    }
};

// Zero, the corners of the piecewise ones and their neighbours, small, large.
std::vector<double> corners(halnorm_dtype dtype) {
    const double u = 2 * unit_roundoff(dtype);
    std::vector<double> values = {0.0, -0.0};
    for (double corner : {1.0,   2.5,   3.0,   6.0,   10.0,   15.0, 16.5, 20.0, 30.0, 88.0, 89.0,
                          100.0, 104.0, 700.0, 720.0, 1000.0, 1e4,  1e10, 1e19, 1e20, 1e30, 3e38}) {
        for (double factor : {1.0, 1 - u, 1 + u}) {
            values.push_back(corner * factor);
            values.push_back(-corner * factor);
        }
    }
    for (double tiny : {1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-7, 1e-10, 1e-20, 1e-30}) {
        values.push_back(tiny);
        values.push_back(-tiny);
    }
    return values;
}

TEST_P(Activations, at_corners) {
    for_each_setting([](const Case &s) { expect_values(s, corners(s.dtype)); });
}

TEST_P(Activations, over_the_whole_range) {
    const size_t count = options.reduced ? 500 : 5000;
    for_each_setting([&](const Case &s) {
        std::vector<double> values;
        Random random(7);
        for (size_t i = 0; i < count; i++)
            values.push_back(random.uniform(-1, 1));
        for (size_t i = 0; i < count; i++)
            values.push_back(random.uniform(-10, 10));
        for (size_t i = 0; i < count; i++)
            values.push_back(random.uniform(-110, 110));
        for (size_t i = 0; i < count; i++)
            values.push_back((i % 2 ? 1 : -1) * exp(random.uniform(-60, 80)));
        expect_values(s, values);
    });
}

TEST_P(Activations, of_infinity_and_nan) {
    for_each_setting([](const Case &s) {
        std::vector<double> values(37, 0.5);  // the others must not be touched by them
        values[3] = INFINITY, values[11] = -INFINITY, values[17] = NAN, values[36] = NAN;
        expect_values(s, values);
        expect_values(s, std::vector<double>(37, INFINITY));
        expect_values(s, std::vector<double>(37, -INFINITY));
        expect_values(s, std::vector<double>(37, NAN));
    });
}

TEST_P(Activations, of_subnormals) {
    if (flushes_subnormals(GetParam()))
        GTEST_SKIP() << GetParam() << " flushes subnormals to zero";
    for_each_setting([](const Case &s) {
        const double smallest = least_subnormal(s.dtype);
        const double normal = least_normal(s.dtype);
        const std::vector<double> y =
            apply(s, {normal / 2, -normal / 2, normal / 1024, smallest, -smallest});
        const std::vector<double> v = {normal / 2, -normal / 2, normal / 1024, smallest, -smallest};
        for (size_t i = 0; i < v.size(); i++) {
            const double expected =
                static_cast<double>(reference::activate(s.activation, s.alpha_value(), v[i]));
            // A subnormal result has no relative precision to lose but that of its spacing.
            EXPECT_TRUE(close(s.dtype, y[i], expected, tolerance(s, v[i], expected) + 2 * smallest))
                << s.describe() << ": act(" << v[i] << ") is " << y[i] << ", should be "
                << expected;
        }
    });
}

TEST_P(Activations, with_other_alphas) {
    for_each_setting([](Case s) {
        const bool has_alpha = s.activation == HALNORM_ACT_LEAKY_RELU ||
                               s.activation == HALNORM_ACT_ELU ||
                               s.activation == HALNORM_ACT_HARDSIGMOID;
        std::vector<double> values = corners(s.dtype);
        values.insert(values.end(), {INFINITY, -INFINITY, NAN});
        for (double alpha : {0.0, -0.5, 0.3, 1.0, 2.5}) {
            s.alpha = alpha;
            if (has_alpha)
                expect_values(s, values);
        }
    });
}

// An alpha counts as what it is in x's dtype, and a product with infinity is none of 0's.
TEST_P(Activations, hardsigmoid_of_an_alpha_that_rounds_to_zero) {
    for_each_setting([](Case s) {
        if (s.activation != HALNORM_ACT_HARDSIGMOID || s.dtype != HALNORM_FLOAT32)
            return;
        const std::vector<double> values = {INFINITY, -INFINITY, 1, 0, -3e38};
        s.alpha = 1e-46;
        EXPECT_EQ(apply(s, values), std::vector<double>(values.size(), 0.5)) << s.describe();
    });
}

// The alpha of an activation that has none is not used, whatever it is.
TEST_P(Activations, ignore_an_alpha_that_they_do_not_have) {
    for_each_setting([](Case s) {
        if (s.activation == HALNORM_ACT_LEAKY_RELU || s.activation == HALNORM_ACT_ELU ||
            s.activation == HALNORM_ACT_HARDSIGMOID) {
            return;
        }
        const std::vector<double> values = {-30, -1, -0.1, 0, 0.1, 1, 30};
        const std::vector<double> y = apply(s, values);
        s.alpha = 17;
        EXPECT_EQ(apply(s, values), y) << s.describe();
    });
}

// Behind real statistics, affine, in both pipelines, over rows that fill vectors and tails.
TEST_P(Activations, after_normalization) {
    for_each_setting([](Case s) {
        for (Pipeline pipeline : {Pipeline::inference, Pipeline::training}) {
            s.pipeline = pipeline;
            s.n = 3, s.c = 17, s.s = 49;
            s.in_place = false;
            Call(s).expect_reference();
            s.in_place = true;
            Call(s).expect_reference();
        }
    });
}

TEST_P(Activations, of_one_element_per_channel) {
    for_each_setting([](Case s) {
        s.pipeline = Pipeline::training;
        s.rank = 2;
        s.n = 1, s.c = 70, s.s = 1;
        Call(s).expect_reference();
    });
}

TEST(ActivationNames, go_both_ways) {
    const char *const names[] = {"none",      "relu", "relu6",     "leaky_relu", "elu",
                                 "sigmoid",   "tanh", "silu",      "swish",      "hardsigmoid",
                                 "hardswish", "gelu", "gelu_tanh", "softplus",   "mish"};
    ASSERT_EQ(std::size(names), static_cast<size_t>(HALNORM_ACT_COUNT));
    for (int k = 0; k < HALNORM_ACT_COUNT; k++) {
        EXPECT_STREQ(halnorm_activation_name(static_cast<halnorm_activation>(k)), names[k]);
        halnorm_activation found = HALNORM_ACT_COUNT;
        EXPECT_EQ(halnorm_activation_from_name(names[k], &found), HALNORM_OK);
        EXPECT_EQ(found, k);
    }
    EXPECT_EQ(halnorm_activation_name(HALNORM_ACT_COUNT), nullptr);
    EXPECT_EQ(halnorm_activation_default_alpha(HALNORM_ACT_LEAKY_RELU), 0.02);
    EXPECT_EQ(halnorm_activation_default_alpha(HALNORM_ACT_ELU), 1);
    EXPECT_EQ(halnorm_activation_default_alpha(HALNORM_ACT_HARDSIGMOID), 0.2);
    EXPECT_EQ(halnorm_activation_default_alpha(HALNORM_ACT_TANH), 0);
}

TEST(ActivationNames, unknown_ones_are_refused_with_the_list) {
    for (const char *name : {"", "ReLU", "relu7", "none "}) {
        halnorm_activation found = HALNORM_ACT_MISH;
        EXPECT_EQ(halnorm_activation_from_name(name, &found), HALNORM_ERROR_PARAMETER);
        EXPECT_EQ(found, HALNORM_ACT_MISH);
        const std::string message = halnorm_last_error();
        EXPECT_NE(message.find("leaky_relu"), std::string::npos) << message;
        EXPECT_NE(message.find("mish"), std::string::npos) << message;
    }
    halnorm_activation found = HALNORM_ACT_MISH;
    EXPECT_EQ(halnorm_activation_from_name(nullptr, &found), HALNORM_ERROR_NULL);
    EXPECT_EQ(halnorm_activation_from_name("relu", nullptr), HALNORM_ERROR_NULL);
}

HALNORM_FOR_EACH_VARIANT(Activations);

}  // namespace
