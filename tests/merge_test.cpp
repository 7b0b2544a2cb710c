// Statistics of parts, merged, are the statistics of the whole.
#include <gtest/gtest.h>
#include <math.h>

#include "call.h"
#include "random.h"
#include "tolerance.h"
#include "variants.h"

namespace {

using namespace test;

class Merge : public VariantTest {};

struct Part {
    int64_t count = 0;
    std::vector<double> mean, m2;
};

// Images first to last of a batch whose every channel drifts from image to image.
Part statistics_of(const std::string &variant, halnorm_dtype dtype, const Tensor &x, int64_t first,
                   int64_t last) {
    halnorm_tensor view = x.view();
    view.data = static_cast<char *>(view.data) +
                static_cast<size_t>(first * view.strides[0]) * size_of(dtype);
    view.shape[0] = last - first;
    halnorm_config config = halnorm_default_config(view.shape[1]);
    config.variant = variant.c_str();
    size_t bytes = 0;
    EXPECT_EQ(halnorm_statistics_workspace(&config, &view, &bytes), HALNORM_OK)
        << halnorm_last_error();
    Memory workspace(bytes, HALNORM_WORKSPACE_ALIGNMENT, {}, output_fill);
    Part part;
    part.mean.resize(static_cast<size_t>(view.shape[1]));
    part.m2.resize(part.mean.size());
    EXPECT_EQ(halnorm_statistics(&config, &view, &part.count, part.mean.data(), part.m2.data(),
                                 workspace.data(), bytes),
              HALNORM_OK)
        << halnorm_last_error();
    return part;
}

TEST_P(Merge, parts_of_a_batch_make_the_whole) {
    for (halnorm_dtype dtype : {HALNORM_FLOAT32, HALNORM_FLOAT64}) {
        const int64_t n = 12, c = 5, s = 77;
        Tensor x(dtype, geometry(HALNORM_NCHW, 3, n, c, s, Spread::dense), {}, input_fill);
        Random random(3);
        for (size_t i = 0; i < x.size(); i++) {
            x.set(i, 1e4 + static_cast<double>(i) * 1e-3 + random.normal());
        }
        const reference::Statistics whole = statistics(reference::read(x.view(), HALNORM_NCHW));

        Part sum;  // starts with nothing, and takes a part of nothing on the way
        sum.mean.assign(5, 0);
        sum.m2.assign(5, 0);
        const int64_t cuts[] = {0, 1, 1, 4, 11, 12};
        for (size_t k = 0; k + 1 < std::size(cuts); k++) {
            const Part part = statistics_of(GetParam(), dtype, x, cuts[k], cuts[k + 1]);
            ASSERT_EQ(halnorm_statistics_merge(c, &sum.count, sum.mean.data(), sum.m2.data(),
                                               part.count, part.mean.data(), part.m2.data()),
                      HALNORM_OK)
                << halnorm_last_error();
        }
        const double m = static_cast<double>(whole.count);
        EXPECT_EQ(sum.count, whole.count);
        for (size_t k = 0; k < 5; k++) {
            // Chan's formula adds what it divides out: a few roundings of the mean per merge.
            const double mean =
                mean_absolute(dtype, m, whole.mean[k], sqrt(whole.m2[k] / m)) + 8 * 0x1p-53 * 1e4;
            EXPECT_NEAR(sum.mean[k], whole.mean[k], mean);
            // Between the parts' means lie differences that carry the means' own roundings.
            const double relative = variance_relative(dtype, m) + 8 * 0x1p-53 * 1e4;
            EXPECT_NEAR(sum.m2[k], whole.m2[k], whole.m2[k] * relative);
        }
    }
}

TEST(MergeByHand, chan) {
    int64_t count = 2;
    double mean[] = {1}, m2[] = {2};                    // 0, 2
    const double other_mean[] = {7}, other_m2[] = {8};  // 5, 7, 9
    ASSERT_EQ(halnorm_statistics_merge(1, &count, mean, m2, 3, other_mean, other_m2), HALNORM_OK);
    EXPECT_EQ(count, 5);
    EXPECT_DOUBLE_EQ(mean[0], 4.6);  // 23 / 5
    EXPECT_DOUBLE_EQ(m2[0], 53.2);   // 0 + 4 + 25 + 49 + 81 - 5 * 4.6^2
}

TEST(MergeByHand, with_nothing) {
    int64_t count = 0;
    double mean[] = {NAN}, m2[] = {NAN};  // of nothing: not read
    const double other_mean[] = {7}, other_m2[] = {8};
    ASSERT_EQ(halnorm_statistics_merge(1, &count, mean, m2, 3, other_mean, other_m2), HALNORM_OK);
    EXPECT_EQ(count, 3);
    EXPECT_EQ(mean[0], 7);
    EXPECT_EQ(m2[0], 8);
    const double nothing[] = {NAN};
    ASSERT_EQ(halnorm_statistics_merge(1, &count, mean, m2, 0, nothing, nothing), HALNORM_OK);
    EXPECT_EQ(count, 3);
    EXPECT_EQ(mean[0], 7);
    EXPECT_EQ(m2[0], 8);
}

TEST(MergeByHand, errors) {
    int64_t count = 2;
    double mean[] = {1, 2}, m2[] = {3, 4};
    const double other_mean[] = {5, 6}, other_m2[] = {7, 8};
    EXPECT_EQ(halnorm_statistics_merge(0, &count, mean, m2, 3, other_mean, other_m2),
              HALNORM_ERROR_PARAMETER);
    EXPECT_EQ(halnorm_statistics_merge(2, nullptr, mean, m2, 3, other_mean, other_m2),
              HALNORM_ERROR_NULL);
    EXPECT_EQ(halnorm_statistics_merge(2, &count, nullptr, m2, 3, other_mean, other_m2),
              HALNORM_ERROR_NULL);
    EXPECT_EQ(halnorm_statistics_merge(2, &count, mean, nullptr, 3, other_mean, other_m2),
              HALNORM_ERROR_NULL);
    EXPECT_EQ(halnorm_statistics_merge(2, &count, mean, m2, 3, nullptr, other_m2),
              HALNORM_ERROR_NULL);
    EXPECT_EQ(halnorm_statistics_merge(2, &count, mean, m2, 3, other_mean, nullptr),
              HALNORM_ERROR_NULL);
    EXPECT_EQ(halnorm_statistics_merge(2, &count, mean, m2, -1, other_mean, other_m2),
              HALNORM_ERROR_PARAMETER);
    EXPECT_EQ(halnorm_statistics_merge(2, &count, mean, m2, INT64_MAX - 1, other_mean, other_m2),
              HALNORM_ERROR_TOO_LARGE);
    EXPECT_EQ(halnorm_statistics_merge(INT64_MAX, &count, mean, m2, 3, other_mean, other_m2),
              HALNORM_ERROR_TOO_LARGE);
    EXPECT_EQ(halnorm_statistics_merge(2, &count, mean, mean, 3, other_mean, other_m2),
              HALNORM_ERROR_OVERLAP);
    EXPECT_EQ(halnorm_statistics_merge(2, &count, mean, m2, 3, mean, other_m2),
              HALNORM_ERROR_OVERLAP);
    EXPECT_EQ(count, 2);
    EXPECT_EQ(mean[0], 1);
    EXPECT_EQ(m2[1], 4);
}

HALNORM_FOR_EACH_VARIANT(Merge);

}  // namespace
