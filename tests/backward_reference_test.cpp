// The reference of the backward pass against worked case 2 of docs/semantics.md, numbers computed
// by hand, and differences of the forward reference.
#include <gtest/gtest.h>
#include <math.h>

#include "random.h"
#include "reference.h"

namespace {

using namespace reference;

Array array(std::vector<int64_t> shape, std::vector<double> values) {
    Array a;
    a.shape = std::move(shape);
    a.values = std::move(values);
    return a;
}

// With the statistics of x itself.
Backward of_batch(const Array &x, const Parameters &p, const std::vector<double> &dy) {
    Backward b(p);
    const Forward f = forward_training(x, p);
    b.x = x;
    b.dy = dy;
    b.mean = f.saved_mean;
    b.inv_std = f.saved_inv_std;
    return b;
}

Backward of_moving(const Array &x, const Parameters &p, const std::vector<double> &dy) {
    Backward b(p);
    b.x = x;
    b.dy = dy;
    b.batch = false;
    b.mean = p.moving_mean;
    b.inv_std = inverse_deviations(p.moving_variance, p.epsilon);
    return b;
}

void expect_near(const std::vector<double> &actual, const std::vector<double> &expected,
                 double tolerance) {
    ASSERT_EQ(actual.size(), expected.size());
    for (size_t i = 0; i < expected.size(); i++)
        EXPECT_NEAR(actual[i], expected[i], tolerance) << i;
}

TEST(BackwardReference, worked_case_2) {
    const Array x = array({4, 1}, {1, 2, 3, 4});
    Parameters p(1);
    p.gamma = {2};
    const Gradients batch = backward(of_batch(x, p, {1, 0, 0, 0}));
    expect_near(batch.dx, {0.536660608, -0.715536744, -0.178886869, 0.357763006}, 5e-10);
    expect_near(batch.dgamma, {-1.34163542}, 5e-9);
    expect_near(batch.dbeta, {1}, 0);
    p.moving_mean = {0.5};
    p.moving_variance = {2};
    const Gradients moving = backward(of_moving(x, p, {1, 0, 0, 0}));
    expect_near(moving.dx, {1.41421003, 0, 0, 0}, 5e-9);
    expect_near(moving.dgamma, {0.353552507}, 5e-10);
    expect_near(moving.dbeta, {1}, 0);
}

TEST(BackwardReference, edges) {
    Parameters p(1);
    p.gamma = {2};
    p.beta = {3};
    p.activation = HALNORM_ACT_RELU;
    // m == 1: y was act(x), whatever gamma and beta are.
    const Gradients one = backward(of_batch(array({1, 1}, {-7}), p, {5}));
    EXPECT_EQ(one.dx, std::vector<double>{0});
    EXPECT_EQ(backward(of_batch(array({1, 1}, {7}), p, {5})).dx, std::vector<double>{5});
    EXPECT_EQ(one.dgamma, std::vector<double>{0});
    EXPECT_EQ(one.dbeta, std::vector<double>{0});
    EXPECT_EQ(backward(of_moving(array({1, 1}, {7}), p, {5})).dbeta, std::vector<double>{5});

    const Gradients none = backward(of_batch(array({0, 1}, {}), p, {}));
    EXPECT_TRUE(none.dx.empty());
    EXPECT_EQ(none.dgamma, std::vector<double>{0});
    EXPECT_EQ(none.dbeta, std::vector<double>{0});

    p.epsilon = 0;  // no variance: y is act(beta), on which x has no influence
    const Gradients constant = backward(of_batch(array({3, 1}, {5, 5, 5}), p, {1, 2, 4}));
    EXPECT_EQ(constant.dx, std::vector<double>(3, 0));
    EXPECT_EQ(constant.g, (std::vector<double>{1, 2, 4}));
    EXPECT_EQ(constant.dgamma, std::vector<double>{0});
    EXPECT_EQ(constant.dbeta, std::vector<double>{7});
}

Backward random_case(halnorm_activation activation, bool batch, bool add, uint64_t seed) {
    test::Random random(seed);
    const auto numbers = [&](size_t n, double low, double high) {
        std::vector<double> values;
        for (size_t i = 0; i < n; i++)
            values.push_back(random.uniform(low, high));
        return values;
    };
    Parameters p(2);
    p.gamma = numbers(2, 0.5, 2);
    p.beta = numbers(2, -1, 1);
    p.moving_mean = numbers(2, -1, 1);
    p.moving_variance = numbers(2, 0.5, 2);
    p.activation = activation;
    p.alpha = halnorm_activation_default_alpha(activation);
    const Array x = array({3, 2, 4}, numbers(24, -2, 2));
    const std::vector<double> dy = numbers(24, -1, 1);
    Backward b = batch ? of_batch(x, p, dy) : of_moving(x, p, dy);
    if (add)
        b.z = numbers(24, -1, 1);
    return b;
}

// sum(dy * y) of the forward reference.
double loss(const Backward &b, const Array &x, const Parameters &p) {
    const std::vector<double> *const z = b.z.empty() ? nullptr : &b.z;
    const Forward f = b.batch ? forward_training(x, p, z) : forward_inference(x, p, z);
    double sum = 0;
    for (size_t i = 0; i < f.y.size(); i++)
        sum += b.dy[i] * f.y[i];
    return sum;
}

// Differences over h of functions of order 1: h^2 of their third derivatives, and roundings of
// sums of 24 numbers over h. An element within h of a corner moves by its jump: few are, and their
// dy is set to 0.
TEST(BackwardReference, is_the_derivative_of_the_forward_reference) {
    constexpr double h = 1e-5, tolerance = 1e-8;
    for (int k = 0; k < HALNORM_ACT_COUNT; k++) {
        for (int option = 0; option < 4; option++) {
            const halnorm_activation act = static_cast<halnorm_activation>(k);
            SCOPED_TRACE(std::string(halnorm_activation_name(act)) + " " + std::to_string(option));
            Backward b = random_case(act, option % 2, option / 2, static_cast<uint64_t>(k + 1));
            const std::vector<double> v = backward(b).v;
            for (size_t i = 0; i < v.size(); i++) {
                for (const Corner &corner : corners(act, b.p.alpha)) {
                    if (fabs(v[i] - corner.v) < 20 * h)
                        b.dy[i] = 0;
                }
            }
            const Gradients r = backward(b);
            const auto differs = [&](double &parameter, const Array &x, const Parameters &p) {
                const double middle = parameter;
                parameter = middle + h;
                const double above = loss(b, x, p);
                parameter = middle - h;
                const double below = loss(b, x, p);
                parameter = middle;
                return (above - below) / (2 * h);
            };
            Array x = b.x;
            for (size_t i = 0; i < x.values.size(); i++)
                EXPECT_NEAR(differs(x.values[i], x, b.p), r.dx[i], tolerance) << "dx " << i;
            Parameters p = b.p;
            for (size_t c = 0; c < 2; c++) {
                EXPECT_NEAR(differs(p.gamma[c], b.x, p), r.dgamma[c], tolerance) << "dgamma " << c;
                EXPECT_NEAR(differs(p.beta[c], b.x, p), r.dbeta[c], tolerance) << "dbeta " << c;
            }
            for (size_t i = 0; i < b.z.size(); i++)
                EXPECT_NEAR(differs(b.z[i], b.x, b.p), r.g[i], tolerance) << "dz " << i;
        }
    }
}

TEST(BackwardReference, from_y_is_that_from_x) {
    for (halnorm_activation act : {HALNORM_ACT_NONE, HALNORM_ACT_LEAKY_RELU, HALNORM_ACT_ELU}) {
        for (bool batch : {true, false}) {
            const Backward from_x = random_case(act, batch, false, 5);
            Backward from_y = from_x;
            from_y.from_y = true;
            from_y.x.values = (batch ? forward_training(from_x.x, from_x.p) :
                                       forward_inference(from_x.x, from_x.p))
                                  .y;
            const Gradients a = backward(from_x), b = backward(from_y);
            expect_near(b.dx, a.dx, 1e-13);
            expect_near(b.dgamma, a.dgamma, 1e-13);
            expect_near(b.dbeta, a.dbeta, 1e-13);
        }
    }
}

TEST(BackwardReference, of_a_saturated_elu) {
    const double u = 0x1p-24;
    const double expected = log(u), tolerance = 1e-14;
    EXPECT_NEAR(static_cast<double>(inverse(HALNORM_ACT_ELU, 0.5, -0.5, u)), expected, tolerance);
    EXPECT_NEAR(static_cast<double>(inverse(HALNORM_ACT_ELU, 0.5, -0.51, u)), expected, tolerance);
    EXPECT_NEAR(static_cast<double>(inverse(HALNORM_ACT_ELU, 2, -1, u)), log(0.5), 1e-16);
}

TEST(BackwardReference, parts_with_the_sums_of_the_whole_are_the_whole) {
    const Backward whole = random_case(HALNORM_ACT_TANH, true, true, 9);
    const Gradients expected = backward(whole);
    const auto part_of = [&](ptrdiff_t first, ptrdiff_t last) {
        Backward part = whole;
        part.x.shape[0] = last - first;
        const auto cut = [&](std::vector<double> &v) {
            v = std::vector<double>(v.begin() + first * 8, v.begin() + last * 8);
        };
        cut(part.x.values);
        cut(part.dy);
        cut(part.z);
        return part;
    };
    const Backward a = part_of(0, 1), b = part_of(1, 3);
    const Sums sa = backward(a).sums, sb = backward(b).sums;
    Sums totals = sa;
    totals.count += sb.count;
    for (size_t c = 0; c < 2; c++)
        totals.g[c] += sb.g[c], totals.g_xhat[c] += sb.g_xhat[c];
    const Gradients ra = backward(a, &totals), rb = backward(b, &totals);
    std::vector<double> dx = ra.dx;
    dx.insert(dx.end(), rb.dx.begin(), rb.dx.end());
    expect_near(dx, expected.dx, 1e-15);
    expect_near(ra.dgamma, expected.dgamma, 1e-14);
    expect_near(rb.dbeta, expected.dbeta, 1e-14);
}

class Derivatives : public testing::TestWithParam<int> {
protected:
    halnorm_activation act() const { return static_cast<halnorm_activation>(GetParam()); }
    double alpha() const { return halnorm_activation_default_alpha(act()); }
    // Of the nearest corner.
    double distance(double v) const {
        double nearest = INFINITY;
        for (const Corner &corner : corners(act(), alpha()))
            nearest = fmin(nearest, fabs(v - corner.v));
        return nearest;
    }
};

// Five points: the error is h^4 of the fifth derivative (a few tens at most) and u / h.
TEST_P(Derivatives, are_differences) {
    const long double h = 1e-3L;
    const auto f = [&](long double v) { return activate(act(), alpha(), v); };
    for (double v = -30; v < 30; v += 0.0137) {
        if (distance(v) < 0.01)
            continue;
        const long double difference =
            (8 * (f(v + h) - f(v - h)) - (f(v + 2 * h) - f(v - 2 * h))) / (12 * h);
        EXPECT_NEAR(static_cast<double>(derivative(act(), alpha(), v)),
                    static_cast<double>(difference), 5e-11)
            << v;
    }
}

TEST_P(Derivatives, turn_no_faster_than_claimed) {
    const double step = 0.001;
    for (double v = -10; v < 25; v += step) {
        if (distance(v) <= step)
            continue;
        const double rise = static_cast<double>(derivative(act(), alpha(), v + step) -
                                                derivative(act(), alpha(), v));
        EXPECT_LE(fabs(rise), step * steepest_curvature(act(), alpha()) + 1e-12) << v;
    }
}

TEST_P(Derivatives, jump_at_their_corners_and_are_those_of_the_left) {
    for (const Corner &corner : corners(act(), alpha())) {
        const long double v = corner.v, step = 1e-12L;
        const auto slope = [&](long double at) { return derivative(act(), alpha(), at); };
        EXPECT_NEAR(static_cast<double>(fabsl(slope(v + step) - slope(v - step))), corner.jump,
                    1e-10);
    }
}

TEST_P(Derivatives, have_limits) {
    const long double bottom = derivative(act(), alpha(), -INFINITY),
                      top = derivative(act(), alpha(), INFINITY);
    EXPECT_EQ(bottom, act() == HALNORM_ACT_NONE       ? 1 :
                      act() == HALNORM_ACT_LEAKY_RELU ? static_cast<long double>(alpha()) :
                                                        0);
    const bool flat = act() == HALNORM_ACT_RELU6 || act() == HALNORM_ACT_SIGMOID ||
                      act() == HALNORM_ACT_TANH || act() == HALNORM_ACT_HARDSIGMOID;
    EXPECT_EQ(top, flat ? 0 : 1);
    for (double v : {1e5, 1e10, 1e38, 1e300}) {
        EXPECT_EQ(derivative(act(), alpha(), v), top) << v;
        EXPECT_EQ(derivative(act(), alpha(), -v), bottom) << -v;
    }
}

INSTANTIATE_TEST_SUITE_P(, Derivatives, testing::Range(0, static_cast<int>(HALNORM_ACT_COUNT)),
                         [](const testing::TestParamInfo<int> &info) {
                             return halnorm_activation_name(
                                 static_cast<halnorm_activation>(info.param));
                         });

TEST(BackwardReference, derivatives_by_hand) {
    const struct {
        halnorm_activation activation;
        double alpha, v, slope;
    } points[] = {
        {HALNORM_ACT_RELU, 0, 0, 0},
        {HALNORM_ACT_RELU, 0, NAN, 1},
        {HALNORM_ACT_RELU6, 0, 0, 0},
        {HALNORM_ACT_RELU6, 0, 6, 0},
        {HALNORM_ACT_RELU6, 0, 3, 1},
        {HALNORM_ACT_LEAKY_RELU, 0.02, 0, 0.02},
        {HALNORM_ACT_LEAKY_RELU, 0.02, NAN, 1},
        {HALNORM_ACT_ELU, 0.5, 0, 0.5},
        {HALNORM_ACT_ELU, 0.5, -1, 0.5 * 0.36787944117144233},
        {HALNORM_ACT_HARDSIGMOID, 0.25, -2, 0},
        {HALNORM_ACT_HARDSIGMOID, 0.25, 2, 0},
        {HALNORM_ACT_HARDSIGMOID, 0.25, 1, 0.25},
        {HALNORM_ACT_HARDSIGMOID, 0, INFINITY, 0},
        {HALNORM_ACT_HARDSIGMOID, 0.25, NAN, 0.25},
        {HALNORM_ACT_HARDSWISH, 0, -3, 0},
        {HALNORM_ACT_HARDSWISH, 0, 3, 1},
        {HALNORM_ACT_HARDSWISH, 0, 1, 5.0 / 6},
        {HALNORM_ACT_SIGMOID, 0, 0, 0.25},
        {HALNORM_ACT_TANH, 0, 1, 0.41997434161402614},
        {HALNORM_ACT_SILU, 0, 0, 0.5},
        {HALNORM_ACT_GELU, 0, 0, 0.5},
        {HALNORM_ACT_GELU_TANH, 0, 0, 0.5},
        {HALNORM_ACT_SOFTPLUS, 0, 0, 0.5},
        {HALNORM_ACT_SOFTPLUS, 0, 20, 0.99999999793884631},
        {HALNORM_ACT_SOFTPLUS, 0, 20.001, 1},
        {HALNORM_ACT_MISH, 0, 0, 0.6},
    };
    for (const auto &p : points) {
        EXPECT_NEAR(static_cast<double>(derivative(p.activation, p.alpha, p.v)), p.slope, 4e-16)
            << halnorm_activation_name(p.activation) << "'(" << p.v << ")";
    }
    EXPECT_TRUE(isnan(derivative(HALNORM_ACT_TANH, 0, NAN)));
    EXPECT_TRUE(isnan(derivative(HALNORM_ACT_HARDSWISH, 0, NAN)));
}

}  // namespace
