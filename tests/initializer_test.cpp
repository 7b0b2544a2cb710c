// How vectors start: the same bits everywhere, distributed as they say, and bad parameters refused.
#include <algorithm>
#include <gtest/gtest.h>
#include <math.h>
#include <string.h>
#include <vector>

#include "halnorm/halnorm.hpp"
#include "layers.h"

namespace {

using namespace test;
using halnorm::BatchNorm;
using halnorm::BatchNormOptions;
using halnorm::Initializer;
using halnorm::Status;

template<typename T>
std::vector<T> weights(const Initializer &initializer, int64_t channels) {
    BatchNormOptions options = with_channels(channels);
    options.dtype = sizeof(T) == sizeof(float) ? HALNORM_FLOAT32 : HALNORM_FLOAT64;
    options.param_attr = initializer;
    BatchNorm layer = make(options);
    return copy_of<T>(layer.weight());
}

TEST(Initializer, ConstantAndGivenValues) {
    EXPECT_EQ(weights<float>(Initializer::constant(0.5), 3), std::vector<float>(3, 0.5f));
    EXPECT_EQ(weights<double>(Initializer::constant(-0.1), 2), std::vector<double>(2, -0.1));
    const float floats[] = {1, -2, 0.1f};
    const double doubles[] = {1, -2, 0.1};
    EXPECT_EQ(weights<float>(Initializer::values(floats, 3), 3), (std::vector<float>{1, -2, 0.1f}));
    EXPECT_EQ(weights<double>(Initializer::values(doubles, 3), 3),
              (std::vector<double>{1, -2, 0.1}));
    EXPECT_EQ(weights<float>(Initializer::values(doubles, 3), 3),
              (std::vector<float>{1, -2, 0.1f}));
    EXPECT_EQ(weights<double>(Initializer::values(floats, 3), 3),
              (std::vector<double>{1, -2, static_cast<double>(0.1f)}));
    std::vector<uint32_t> odd = {0x7fc12345u, 0xffc00001u, 0x80000000u};  // NaNs and -0
    std::vector<float> given(odd.size());
    memcpy(given.data(), odd.data(), sizeof(float) * odd.size());
    EXPECT_TRUE(same_bits(weights<float>(Initializer::values(given.data(), 3), 3), given));
}

TEST(Initializer, IsForTheBiasToo) {
    BatchNormOptions options = with_channels(2);
    options.bias_attr = Initializer::constant(3);
    BatchNorm layer = make(options);
    EXPECT_EQ(copy_of<float>(layer.bias()), std::vector<float>(2, 3));
    EXPECT_EQ(copy_of<float>(layer.weight()), std::vector<float>(2, 1));
    EXPECT_EQ(copy_of<float>(layer.moving_mean()), std::vector<float>(2, 0));
    EXPECT_EQ(copy_of<float>(layer.moving_variance()), std::vector<float>(2, 1));
}

TEST(Initializer, SeedsDecide) {
    const auto drawn = [](uint64_t seed) {
        return weights<float>(Initializer::normal(0, 1, seed), 50);
    };
    EXPECT_EQ(drawn(7), drawn(7));
    EXPECT_NE(drawn(7), drawn(8));
    EXPECT_EQ(drawn(0), weights<float>(Initializer::normal(0, 1), 50)) << "0 is a seed too";
}

// float32 layers have the rounded values of float64 layers.
TEST(Initializer, DtypesAgree) {
    const Initializer all[] = {
        Initializer::uniform(-0.3, 0.7, 1),
        Initializer::normal(0.1, 2, 2),
        Initializer::truncated_normal(0.1, 2, 3),
        Initializer::xavier_uniform(4),
        Initializer::xavier_normal(5),
    };
    for (const Initializer &initializer : all) {
        const std::vector<double> doubles = weights<double>(initializer, 200);
        EXPECT_EQ(weights<float>(initializer, 200),
                  std::vector<float>(doubles.begin(), doubles.end()));
    }
}

// What every platform gives; written down once.
TEST(Initializer, BitsArePinned) {
    struct Pinned {
        Initializer initializer;
        double values[3];
    };
    const Pinned pinned[] = {
        {Initializer::uniform(-0.3, 0.7, 1),
         {0x1.10f5847ef0d63p-2, 0x1.c87b035263087p-2, 0x1.578dac445ccbp-1}},
        {Initializer::normal(0.1, 2, 2),
         {-0x1.02f717d129c86p+0, -0x1.54bcdf15c0c15p+1, 0x1.288c4bc377c41p+2}},
        {Initializer::truncated_normal(0.1, 2, 3),
         {-0x1.70e97813fb7d1p+1, -0x1.4b2eed9c14bc3p+0, -0x1.8d7959ef52c03p-3}},
        {Initializer::xavier_uniform(4),
         {-0x1.18c1c8d1dcc78p-3, 0x1.91d319a92e62cp-1, 0x1.6fbc67f239eep-1}},
        {Initializer::xavier_normal(5),
         {0x1.13288e8180a33p-3, -0x1.2e2aa716b42f3p-2, 0x1.1e9571f9c1b2cp+0}},
    };
    for (const Pinned &p : pinned) {
        const std::vector<double> was = weights<double>(p.initializer, 3);
        for (size_t i = 0; i < 3; i++) {
            char text[40];
            snprintf(text, sizeof text, "%a", was[i]);
            EXPECT_EQ(was[i], p.values[i]) << i << ": " << text;
        }
    }
}

// Moments of n draws are within 6 of their own deviations of the distribution's (two in 10^9
// healthy generators fail), and none is out of range. The deviation of the mean is s / sqrt(n), of
// the variance s^2 sqrt((kurtosis - 1) / n).
struct Distribution {
    const char *name;
    Initializer initializer;
    double mean, deviation, kurtosis, low, high;
};

constexpr int64_t n = 40000;

class InitializerDistribution : public testing::TestWithParam<Distribution> {};

TEST_P(InitializerDistribution, HasItsMomentsAndRange) {
    const Distribution &d = GetParam();
    const std::vector<double> draws = weights<double>(d.initializer, n);
    double mean = 0, variance = 0;
    for (const double draw : draws) {
        EXPECT_GE(draw, d.low);
        EXPECT_LE(draw, d.high);
        mean += draw / n;
    }
    for (const double draw : draws)
        variance += (draw - mean) * (draw - mean) / n;
    const double root = sqrt(static_cast<double>(n)), square = d.deviation * d.deviation;
    EXPECT_NEAR(mean, d.mean, 6 * d.deviation / root);
    EXPECT_NEAR(variance, square, 6 * square * sqrt(d.kurtosis - 1) / root);
}

// Kolmogorov and Smirnov's test: the largest distance of the empirical distribution from the normal
// one is above 2.5 / sqrt(n) with probability 2 exp(-2 * 2.5^2) = 7e-6.
TEST(Initializer, NormalIsNormal) {
    std::vector<double> draws = weights<double>(Initializer::normal(0, 1, 11), n);
    std::sort(draws.begin(), draws.end());
    double distance = 0;
    for (size_t i = 0; i < draws.size(); i++) {
        const double wanted = 0.5 * erfc(-draws[i] / sqrt(2.0));
        distance = fmax(distance, fabs(wanted - static_cast<double>(i) / n));
        distance = fmax(distance, fabs(wanted - static_cast<double>(i + 1) / n));
    }
    EXPECT_LT(distance, 2.5 / sqrt(static_cast<double>(n)));
}

constexpr double inf = HUGE_VAL;
// A normal distribution cut at 2: variance 1 - 4 phi(2) / P, fourth moment 3 - (12 + 16) phi(2) / P
// with phi(2) = 0.0539909665 and P = 0.9544997361.
constexpr double ratio = 0.0539909665131881 / 0.954499736103642;
constexpr double cut_variance = 1 - 4 * ratio, cut_fourth = 3 - 28 * ratio;

INSTANTIATE_TEST_SUITE_P(
    , InitializerDistribution,
    testing::Values(
        Distribution{"uniform", Initializer::uniform(-1, 3, 1), 1, 4 / sqrt(12.0), 1.8, -1, 3},
        Distribution{"normal", Initializer::normal(0.5, 2, 2), 0.5, 2, 3, -inf, inf},
        Distribution{"truncated_normal", Initializer::truncated_normal(0.5, 2, 3), 0.5,
                     2 * sqrt(cut_variance), cut_fourth / (cut_variance * cut_variance), -3.5, 4.5},
        Distribution{"xavier_uniform", Initializer::xavier_uniform(4), 0,
                     1 / sqrt(static_cast<double>(n)), 1.8, -sqrt(3.0 / n), sqrt(3.0 / n)},
        Distribution{"xavier_normal", Initializer::xavier_normal(5), 0,
                     1 / sqrt(static_cast<double>(n)), 3, -inf, inf}),
    [](const auto &info) { return std::string(info.param.name); });

TEST(Initializer, DegenerateRangesAreConstants) {
    EXPECT_EQ(weights<float>(Initializer::uniform(2, 2), 3), std::vector<float>(3, 2));
    EXPECT_EQ(weights<float>(Initializer::normal(2, 0), 3), std::vector<float>(3, 2));
    EXPECT_EQ(weights<float>(Initializer::truncated_normal(2, 0), 3), std::vector<float>(3, 2));
}

TEST(Initializer, BadParametersAreRefused) {
    const double nan = static_cast<double>(NAN), infinity = static_cast<double>(INFINITY);
    const float three[3] = {};
    Initializer unknown, of_unknown_dtype = Initializer::values(three, 3);
    unknown.kind = static_cast<Initializer::Kind>(99);
    const volatile int no_dtype = 3;  // volatile: a compiler would warn
    of_unknown_dtype.given_dtype = static_cast<halnorm_dtype>(no_dtype);
    const struct {
        Initializer initializer;
        halnorm_status code;
        std::vector<std::string> words;
    } cases[] = {
        {Initializer::constant(nan), HALNORM_ERROR_PARAMETER, {"value was nan", "finite"}},
        {Initializer::constant(1e39), HALNORM_ERROR_PARAMETER, {"value was 1e+39", "float32"}},
        {Initializer::uniform(nan, 1), HALNORM_ERROR_PARAMETER, {"low was nan"}},
        {Initializer::uniform(0, infinity), HALNORM_ERROR_PARAMETER, {"high was inf"}},
        {Initializer::uniform(1, 0), HALNORM_ERROR_PARAMETER, {"low was 1", "at most high, 0"}},
        {Initializer::normal(nan, 1), HALNORM_ERROR_PARAMETER, {"mean was nan"}},
        {Initializer::normal(0, nan), HALNORM_ERROR_PARAMETER, {"std was nan"}},
        {Initializer::normal(0, -1), HALNORM_ERROR_PARAMETER, {"std was -1", "at least 0"}},
        {Initializer::truncated_normal(-infinity, 1), HALNORM_ERROR_PARAMETER, {"mean was -inf"}},
        {Initializer::truncated_normal(0, -2), HALNORM_ERROR_PARAMETER, {"std was -2"}},
        {Initializer::values(static_cast<const float *>(nullptr), 3),
         HALNORM_ERROR_NULL,
         {"values was NULL", "3 values"}},
        {Initializer::values(three, 2), HALNORM_ERROR_SHAPE, {"length 2", "num_channels, 3"}},
        {Initializer::values(three, 4), HALNORM_ERROR_SHAPE, {"length 4", "num_channels, 3"}},
        {of_unknown_dtype, HALNORM_ERROR_DTYPE, {"dtype of values was 3"}},
        {unknown, HALNORM_ERROR_PARAMETER, {"kind was 99"}},
    };
    BatchNorm layer = make(with_channels(5));
    for (const auto &bad : cases) {
        BatchNormOptions options = with_channels(3);
        options.param_attr = bad.initializer;
        expect_refused(BatchNorm::create(options, &layer), bad.code, bad.words);
        expect_refused(BatchNorm::create(options, &layer), bad.code, {"param_attr.initializer: "});
        options.param_attr = true;
        options.bias_attr = bad.initializer;
        expect_refused(BatchNorm::create(options, &layer), bad.code, {"bias_attr.initializer: "});
        EXPECT_EQ(layer.num_channels(), 5) << "the layer stays as it was";
    }
    BatchNormOptions wide = with_channels(3);
    wide.dtype = HALNORM_FLOAT64;
    wide.param_attr = Initializer::constant(1e39);
    EXPECT_TRUE(BatchNorm::create(wide, &layer).ok());
    wide.param_attr = Initializer::uniform(-1.7e308, 1.7e308);
    expect_refused(BatchNorm::create(wide, &layer), HALNORM_ERROR_PARAMETER, {"high - low"});
}

}  // namespace
