// The estimator of the moving variance and the cumulative average, against the formulas in double.
#include <gtest/gtest.h>
#include <math.h>
#include <vector>

#include "halnorm/halnorm.hpp"
#include "layers.h"
#include "random.h"

namespace {

using namespace test;
using halnorm::BatchNorm;
using halnorm::BatchNormOptions;

constexpr size_t rows = 6, channels = 3;
constexpr double epsilon64 = 0x1p-53;

struct Batch {
    std::vector<double> x = std::vector<double>(rows * channels);
    double mean[channels] = {}, variance[channels] = {};

    Batch(Random &random, double divisor) {
        for (size_t i = 0; i < x.size(); i++)
            x[i] = random.normal() * 2 + 1;
        for (size_t c = 0; c < channels; c++) {
            for (size_t r = 0; r < rows; r++)
                mean[c] += x[r * channels + c] / rows;
            for (size_t r = 0; r < rows; r++)
                variance[c] += pow(x[r * channels + c] - mean[c], 2) / divisor;
        }
    }
};

BatchNormOptions float64() {
    BatchNormOptions options = with_channels(channels);
    options.dtype = HALNORM_FLOAT64;
    return options;
}

void forward(BatchNorm &layer, std::vector<double> &x, int64_t n = rows) {
    std::vector<double> y(x.size());
    const int64_t c = channels;
    const halnorm::Status status =
        layer.forward(halnorm::tensor(x.data(), {n, c}), halnorm::tensor(y.data(), {n, c}));
    EXPECT_TRUE(status.ok()) << status.message;
}

TEST(MovingStatistics, FollowTheEstimator) {
    for (const bool sample : {false, true}) {
        BatchNormOptions options = float64();
        options.momentum = 0.75;
        options.moving_variance_estimator =
            sample ? HALNORM_VARIANCE_SAMPLE : HALNORM_VARIANCE_POPULATION;
        BatchNorm layer = make(options);
        Random random(1);
        double mean[channels] = {}, variance[channels] = {1, 1, 1};
        for (int k = 0; k < 5; k++) {
            Batch batch(random, sample ? rows - 1 : rows);
            forward(layer, batch.x);
            for (size_t c = 0; c < channels; c++) {
                mean[c] = mean[c] * 0.75 + batch.mean[c] * 0.25;
                variance[c] = variance[c] * 0.75 + batch.variance[c] * 0.25;
                // Both sides round in every step, at most a few dozen times.
                EXPECT_NEAR(layer.moving_mean().as<double>()[c], mean[c],
                            64 * epsilon64 * (fabs(mean[c]) + 4));
                EXPECT_NEAR(layer.moving_variance().as<double>()[c], variance[c],
                            64 * epsilon64 * (variance[c] + 16));
            }
        }
        EXPECT_EQ(layer.batches(), 5);
        EXPECT_FALSE(layer.cumulative_average());
    }
}

TEST(MovingStatistics, CumulativeAverageIsTheMeanOverAllBatches) {
    BatchNormOptions options = float64();
    options.cumulative_average = true;
    options.momentum = 0.5;  // not used
    BatchNorm layer = make(options);
    EXPECT_TRUE(layer.cumulative_average());
    EXPECT_EQ(layer.batches(), 0);
    // What the moving statistics start with has weight 0.
    layer.moving_mean().as<double>()[0] = 1e6;
    Random random(2);
    double mean[channels] = {}, variance[channels] = {};
    for (int k = 1; k <= 20; k++) {
        Batch batch(random, rows);
        forward(layer, batch.x);
        EXPECT_EQ(layer.batches(), k);
        for (size_t c = 0; c < channels; c++) {
            mean[c] += batch.mean[c];
            variance[c] += batch.variance[c];
            EXPECT_NEAR(layer.moving_mean().as<double>()[c], mean[c] / k,
                        64 * epsilon64 * (fabs(mean[c] / k) + 4));
            EXPECT_NEAR(layer.moving_variance().as<double>()[c], variance[c] / k,
                        64 * epsilon64 * (variance[c] / k + 16));
        }
        // Batches that update nothing do not count.
        std::vector<double> one(channels, 9), none;
        forward(layer, one, 1);
        forward(layer, none, 0);
        layer.eval();
        forward(layer, batch.x);
        layer.train();
        EXPECT_EQ(layer.batches(), k);
    }
    std::vector<double> x(rows * channels, 1);
    float wrong[rows * channels] = {};
    EXPECT_FALSE(layer
                     .forward(halnorm::tensor(wrong, {rows, channels}),
                              halnorm::tensor(wrong, {rows, channels}))
                     .ok());
    EXPECT_EQ(layer.batches(), 20) << "a call that was refused does not count";
}

TEST(MovingStatistics, CumulativeAverageContinues) {
    BatchNormOptions options = float64();
    options.cumulative_average = true;
    BatchNorm layer = make(options);
    ASSERT_TRUE(layer.set_batches(3).ok());
    std::vector<double> x(rows * channels, 8);
    forward(layer, x);
    EXPECT_EQ(layer.batches(), 4);
    EXPECT_EQ(layer.moving_mean().as<double>()[0], 2) << "0 * 3/4 + 8 * 1/4";
    EXPECT_EQ(layer.moving_variance().as<double>()[0], 0.75) << "1 * 3/4 + 0 * 1/4";
    expect_refused(layer.set_batches(-1), HALNORM_ERROR_PARAMETER, {"batches: was -1"});
    EXPECT_EQ(layer.batches(), 4);
    ASSERT_TRUE(layer.set_batches(INT64_MAX).ok());
    forward(layer, x);
    EXPECT_EQ(layer.batches(), INT64_MAX);

    BatchNorm empty;
    EXPECT_EQ(empty.set_batches(1).code, HALNORM_ERROR_NULL);
    EXPECT_EQ(empty.batches(), 0);
    EXPECT_FALSE(empty.cumulative_average());
}

}  // namespace
