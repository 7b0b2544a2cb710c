// The derivative of every activation x variant x layout x dtype. With gamma 1, beta 0, mean 0,
// variance 1, epsilon 0 and dy 1, dx is act'(x): what is measured is the derivative alone.
#include <float.h>
#include <gtest/gtest.h>
#include <math.h>

#include "backward_call.h"
#include "options.h"
#include "random.h"
#include "variants.h"

namespace {

using namespace test;

class ActivationDerivatives : public VariantTest {
protected:
    template<typename Body>
    void for_each_setting(Body body) {
        BackwardCase k;
        k.variant = GetParam();
        for_each_layout_and_dtype(k, [&](BackwardCase s) {
            for (int a = 0; a < HALNORM_ACT_COUNT; a++) {
                s.activation = static_cast<halnorm_activation>(a);
                body(s);
            }
        });
    }

    // act'(v) through the library, of one channel in NCHW and of 16 in NHWC, where the last row
    // is filled up with zeros.
    static std::vector<double> apply(BackwardCase s, std::vector<double> values) {
        const size_t size = values.size();
        s.take_row(&values);
        s.epsilon = 0;
        s.gamma = s.beta = s.batch = false;
        s.dgamma = s.dbeta = false;
        BackwardCall call(s);
        call.x.set(values);
        call.dy.set(std::vector<double>(values.size(), 1));
        call.mean.set(std::vector<double>(call.mean.size(), 0));
        call.inv_std.set(std::vector<double>(call.mean.size(), 1));
        EXPECT_EQ(call.run(), HALNORM_OK) << s.describe() << ": " << halnorm_last_error();
        EXPECT_EQ(halnorm_last_variant(), s.variant);
        std::vector<double> dx = call.dx().values();
        dx.resize(size);
        return dx;
    }

    static void expect_values(const BackwardCase &s, const std::vector<double> &values) {
        SCOPED_TRACE(s.describe());
        const std::vector<double> slopes = apply(s, values);
        size_t wrong = 0;
        for (size_t i = 0; i < values.size(); i++) {
            const double v = s.dtype == HALNORM_FLOAT32 ?
                                 static_cast<double>(static_cast<float>(values[i])) :
                                 values[i];
            const double expected =
                static_cast<double>(reference::derivative(s.activation, s.alpha_value(), v));
            const double tolerance =
                derivative_absolute(s.dtype, s.activation, s.alpha_value(), v, 0, expected);
            if (!close(s.dtype, slopes[i], expected, tolerance) && wrong++ == 0) {
                ADD_FAILURE() << "alpha " << s.alpha_value() << ": act'("
                              << testing::PrintToString(v) << ") is "
                              << testing::PrintToString(slopes[i]) << ", should be "
                              << testing::PrintToString(expected) << ", off by "
                              << slopes[i] - expected << ", tolerance " << tolerance;
            }
        }
        if (wrong > 1)
            ADD_FAILURE() << "wrong: " << wrong << " of " << values.size();
    }

    // Zero, the corners of the piecewise ones and their neighbours, small, large.
    static std::vector<double> corners(halnorm_dtype dtype) {
        const double u = 2 * unit_roundoff(dtype);
        std::vector<double> values = {0.0, -0.0};
        for (double corner :
             {1.0,   2.5,   3.0,   6.0,    9.0, 13.0, 15.0, 16.5, 20.0, 30.0, 88.0, 89.0,
              104.0, 700.0, 720.0, 1000.0, 1e4, 1e10, 1e13, 1e19, 1e20, 1e30, 3e38}) {
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
};

TEST_P(ActivationDerivatives, at_corners) {
    for_each_setting([](const BackwardCase &s) {
        expect_values(s, corners(s.dtype));
        if (s.dtype == HALNORM_FLOAT64)
            expect_values(s, {1e100, -1e100, 1e200, -1e200, DBL_MAX, -DBL_MAX});
    });
}

// 64000 arguments: half of them evenly over the exponents from 1e-38 to 1e38, half over [-40, 40].
TEST_P(ActivationDerivatives, over_the_whole_range) {
    const size_t count = options.reduced ? 500 : 32000;
    for_each_setting([&](const BackwardCase &s) {
        std::vector<double> values;
        Random random(7);
        for (size_t i = 0; i < count; i++) {
            values.push_back((i % 2 ? 1 : -1) * exp(random.uniform(-88, 88)));
            values.push_back(random.uniform(-40, 40));
        }
        expect_values(s, values);
    });
}

// Those without a zero keep their relative precision wherever the result is a normal number: no two
// terms cancel, and an exponential, a division and a product make less than 16 roundings.
TEST_P(ActivationDerivatives, keep_their_digits_in_the_tails) {
    const size_t count = options.reduced ? 500 : 20000;
    for_each_setting([&](const BackwardCase &s) {
        if (s.activation != HALNORM_ACT_ELU && s.activation != HALNORM_ACT_SIGMOID &&
            s.activation != HALNORM_ACT_TANH && s.activation != HALNORM_ACT_SOFTPLUS) {
            return;
        }
        std::vector<double> v;
        for (size_t i = 0; i < count; i++)
            v.push_back(static_cast<float>(-80 + 100 * static_cast<double>(i) /
                                                     static_cast<double>(count)));
        const std::vector<double> slopes = apply(s, v);
        const double u = unit_roundoff(s.dtype);
        for (size_t i = 0; i < count; i++) {
            const double expected =
                static_cast<double>(reference::derivative(s.activation, s.alpha_value(), v[i]));
            if (expected > static_cast<double>(FLT_MIN)) {
                ASSERT_NEAR(slopes[i], expected, 16 * u * expected)
                    << s.describe() << ", v " << v[i];
            }
        }
    });
}

TEST_P(ActivationDerivatives, of_infinity_and_nan) {
    for_each_setting([](const BackwardCase &s) {
        std::vector<double> values(37, 0.5);  // the others must not be touched by them
        values[3] = INFINITY, values[11] = -INFINITY, values[17] = NAN, values[36] = NAN;
        expect_values(s, values);
        expect_values(s, std::vector<double>(37, INFINITY));
        expect_values(s, std::vector<double>(37, -INFINITY));
        expect_values(s, std::vector<double>(37, NAN));
    });
}

TEST_P(ActivationDerivatives, with_other_alphas) {
    for_each_setting([](BackwardCase s) {
        const bool has_alpha = s.activation == HALNORM_ACT_LEAKY_RELU ||
                               s.activation == HALNORM_ACT_ELU ||
                               s.activation == HALNORM_ACT_HARDSIGMOID;
        for (double alpha : {0.0, -0.5, 0.3, 1.0, 2.5}) {
            s.alpha = alpha;
            if (has_alpha)
                expect_values(s, corners(s.dtype));
        }
    });
}

TEST_P(ActivationDerivatives, are_exact_where_they_are_straight) {
    for_each_setting([](const BackwardCase &s) {
        const std::vector<double> v = {-1e30, -7, -1e-30, 0, 1e-30, 1, 6, 7, 1e30};
        const std::vector<double> slopes = apply(s, v);
        for (size_t i = 0; i < v.size(); i++) {
            const double expected =
                static_cast<double>(reference::derivative(s.activation, s.alpha_value(), v[i]));
            if (s.activation <= HALNORM_ACT_RELU6) {
                EXPECT_EQ(slopes[i], expected) << s.describe() << ", v " << v[i];
            }
        }
    });
}

HALNORM_FOR_EACH_VARIANT(ActivationDerivatives);

}  // namespace
