#include <gtest/gtest.h>

#include "common/split.h"
#include "train/augmentation.h"

namespace {

using namespace digits;

TEST(DigitsSplit, parts_every_fifth_digit_from_the_others) {
    const Digits digits = load(DIGITS_CSV);
    const Split data = split(digits);
    ASSERT_EQ(data.train.count(), 1437);
    ASSERT_EQ(data.test.count(), 360);
    for (size_t i = 0; i < 360; i++) {
        ASSERT_EQ(data.test.labels[i], digits.labels[5 * i]);
        const float pixel = digits.images[5 * i * pixels + 20],
                    first = data.test.images.values(0, 0);
        // The first pixel of the first digit is paper.
        ASSERT_EQ(first, background);
        EXPECT_EQ(pixel == 0,
                  data.test.images.values(static_cast<int64_t>(i) * pixels + 20, 0) == background);
    }
    for (size_t i = 0; i < 1437; i++)
        ASSERT_EQ(data.train.labels[i], digits.labels[i / 4 * 5 + i % 4 + 1]);
    const auto &values = data.train.images.values;
    EXPECT_NEAR(static_cast<double>(values.mean()), 0, 0.01);
    EXPECT_NEAR(static_cast<double>(values.squaredNorm()) / static_cast<double>(values.size()), 1,
                0.01);
}

TEST(DigitsSplit, takes_what_was_asked_for) {
    const Examples test = split(load(DIGITS_CSV)).test;
    const size_t indices[] = {7, 0, 359};
    Examples batch;
    take(test, indices, 3, &batch);
    ASSERT_EQ(batch.count(), 3);
    for (int64_t i = 0; i < 3; i++) {
        const auto from = static_cast<int64_t>(indices[i]);
        EXPECT_EQ(batch.labels[static_cast<size_t>(i)], test.labels[indices[i]]);
        EXPECT_EQ(batch.images.values.middleRows(i * pixels, pixels),
                  test.images.values.middleRows(from * pixels, pixels));
    }
}

TEST(DigitsAugmentation, of_nothing_is_the_image) {
    Examples batch = split(load(DIGITS_CSV)).test;
    const Matrix<float> before = batch.images.values;
    Random random(1);
    augment({0, 0}, background, random, &batch.images);
    EXPECT_EQ(batch.images.values, before);
}

TEST(DigitsAugmentation, stays_between_paper_and_ink_and_brings_paper_in) {
    Examples batch = split(load(DIGITS_CSV)).test;
    const Matrix<float> before = batch.images.values;
    const float darkest = before.maxCoeff();
    Random random(1);
    augment({8, 0.2}, background, random, &batch.images);
    EXPECT_NE(batch.images.values, before);
    // Four weights that sum up to 1, within their rounding.
    EXPECT_GE(batch.images.values.minCoeff(), background - 4 * 0x1p-24f);
    EXPECT_LE(batch.images.values.maxCoeff(), darkest * (1 + 4 * 0x1p-24f));
    EXPECT_LT(batch.images.values.mean(), before.mean());
}

}  // namespace
