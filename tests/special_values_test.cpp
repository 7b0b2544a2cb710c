// NaN, infinities and subnormals in x: they reach the results of their channel, and no other.
#include <gtest/gtest.h>
#include <math.h>

#include "call.h"
#include "options.h"
#include "variants.h"

namespace {

using namespace test;

struct Place {
    int64_t channel, position;  // position among the channel's elements, in the order of n and s
};

class SpecialValues : public VariantTest {
protected:
    template<typename Body>
    void for_each_setting(Pipeline pipeline, Body body) {
        for (halnorm_layout layout : {HALNORM_NCHW, HALNORM_NHWC}) {
            for (halnorm_dtype dtype : {HALNORM_FLOAT32, HALNORM_FLOAT64}) {
                for (int64_t c : {1, 3, 16, 17, 64, 257}) {
                    for (int64_t s : {1, 49, 67, 1100}) {
                        if (c * s > (options.reduced ? 1200 : 30000))
                            continue;
                        Case k;
                        k.variant = GetParam();
                        k.pipeline = pipeline;
                        k.layout = layout;
                        k.dtype = dtype;
                        k.rank = s == 1 ? 2 : 4;
                        k.n = 3, k.c = c, k.s = s;
                        body(k);
                    }
                }
            }
        }
    }

    // In the first and last channel and one between, at the start, in the middle (a vector's body)
    // and at the end (a tail).
    static std::vector<Place> places(const Case &k) {
        std::vector<Place> all;
        const int64_t count = k.n * k.s;
        const int64_t channels[] = {0, k.c / 2, k.c - 1}, positions[] = {count / 2, 0, count - 1};
        for (int i = 0; i < 3; i++)
            all.push_back({channels[i], positions[i]});
        all.push_back({k.c - 1, 0});
        return all;
    }

    static size_t index_of(const reference::Array &x, const Place &place) {
        int64_t seen = 0;
        for (size_t i = 0;; i++) {
            if (x.channel_of(i) == static_cast<size_t>(place.channel) && seen++ == place.position)
                return i;
        }
    }
};

TEST_P(SpecialValues, reach_all_of_their_channel_in_training) {
    for_each_setting(Pipeline::training, [](const Case &k) {
        Call clean(k);
        ASSERT_EQ(clean.run(), HALNORM_OK);
        for (double value : {static_cast<double>(NAN), static_cast<double>(INFINITY),
                             -static_cast<double>(INFINITY)}) {
            for (const Place &place : places(k)) {
                SCOPED_TRACE(k.describe() + ", " + std::to_string(value) + " in channel " +
                             std::to_string(place.channel) + " at " +
                             std::to_string(place.position));
                Call call(k);
                const reference::Array shape = call.shape();
                call.x.set(index_of(shape, place), value);
                ASSERT_EQ(call.run(), HALNORM_OK) << halnorm_last_error();
                EXPECT_EQ(halnorm_last_variant(), k.variant);
                size_t finite = 0, changed = 0;
                for (size_t i = 0; i < call.x.size(); i++) {
                    const bool own = shape.channel_of(i) == static_cast<size_t>(place.channel);
                    if (own)
                        finite += !isnan(call.y().get(i));
                    if (!own)
                        changed += call.y().get(i) != clean.y().get(i);
                }
                EXPECT_EQ(finite, 0u) << "elements of the channel are not NaN";
                EXPECT_EQ(changed, 0u) << "elements of other channels changed";
                for (size_t c = 0; c < static_cast<size_t>(k.c); c++) {
                    const bool own = c == static_cast<size_t>(place.channel);
                    EXPECT_EQ(!isfinite(call.saved_mean.get(c)), own) << c;
                    EXPECT_EQ(isnan(call.saved_inv_std.get(c)), own) << c;
                    EXPECT_EQ(!isfinite(call.moving_mean.get(c)), own) << c;
                    EXPECT_EQ(isnan(call.moving_variance.get(c)), own) << c;
                }
                if (HasFailure())
                    return;
            }
        }
    });
}

TEST_P(SpecialValues, reach_all_of_their_channel_in_statistics) {
    for_each_setting(Pipeline::statistics, [](const Case &k) {
        for (double value : {static_cast<double>(NAN), static_cast<double>(INFINITY)}) {
            for (const Place &place : places(k)) {
                SCOPED_TRACE(k.describe());
                Call call(k);
                call.x.set(index_of(call.shape(), place), value);
                ASSERT_EQ(call.run(), HALNORM_OK) << halnorm_last_error();
                for (size_t c = 0; c < static_cast<size_t>(k.c); c++) {
                    const bool own = c == static_cast<size_t>(place.channel);
                    EXPECT_EQ(!isfinite(call.saved_mean.get(c)), own) << c;
                    EXPECT_EQ(isnan(call.saved_inv_std.get(c)), own) << c;
                }
                if (HasFailure())
                    return;
            }
        }
    });
}

// Not act(beta), as 1 / sqrt(Inf) would make it.
TEST_P(SpecialValues, squares_that_overflow_make_their_channel_nan) {
    for (halnorm_layout layout : {HALNORM_NCHW, HALNORM_NHWC}) {
        for (halnorm_dtype dtype : {HALNORM_FLOAT32, HALNORM_FLOAT64}) {
            Case k;
            k.variant = GetParam();
            k.layout = layout;
            k.dtype = dtype;
            k.n = 3, k.c = 5, k.s = 49;
            Call call(k);
            const reference::Array shape = call.shape();
            const double factor = dtype == HALNORM_FLOAT32 ? 1e20 : 1e160;
            for (size_t i = 0; i < call.x.size(); i++) {
                if (shape.channel_of(i) == 3)
                    call.x.set(i, call.x.get(i) * factor);
            }
            ASSERT_EQ(call.run(), HALNORM_OK) << halnorm_last_error();
            for (size_t i = 0; i < call.x.size(); i++)
                EXPECT_EQ(isnan(call.y().get(i)), shape.channel_of(i) == 3) << i;
            for (size_t c = 0; c < 5; c++) {
                EXPECT_EQ(isnan(call.saved_inv_std.get(c)), c == 3) << c;
                EXPECT_EQ(isnan(call.moving_variance.get(c)), c == 3) << c;
            }
        }
    }
}

TEST_P(SpecialValues, stay_where_they_are_in_inference) {
    for_each_setting(Pipeline::inference, [](const Case &k) {
        for (double value : {static_cast<double>(NAN), static_cast<double>(INFINITY),
                             -static_cast<double>(INFINITY)}) {
            Call call(k);
            const reference::Array shape = call.shape();
            for (const Place &place : places(k))
                call.x.set(index_of(shape, place), value);
            call.expect_reference();
        }
    });
}

TEST_P(SpecialValues, nan_parameters_stay_in_their_channel) {
    for (Pipeline pipeline : {Pipeline::inference, Pipeline::training}) {
        for_each_setting(pipeline, [](const Case &k) {
            const size_t c = static_cast<size_t>(k.c - 1);
            Call gamma(k), beta(k), mean(k);
            gamma.gamma.set(c, NAN);
            gamma.expect_reference();
            beta.beta.set(c, NAN);
            beta.expect_reference();
            mean.moving_mean.set(c, NAN);
            mean.moving_variance.set(c / 2, NAN);
            mean.expect_reference();
        });
    }
}

// With numbers of the size of FLT_MIN and epsilon 0 everything that is computed is tiny but the
// result.
TEST_P(SpecialValues, subnormals_count) {
    if (flushes_subnormals(GetParam()))
        GTEST_SKIP() << GetParam() << " flushes subnormals to zero";
    for_each_setting(Pipeline::inference, [](Case k) {
        k.epsilon = 0;
        k.gamma = k.beta = false;
        Call call(k);
        const double tiny = k.dtype == HALNORM_FLOAT32 ? 0x1p-140 : 0x1p-1060;
        for (size_t c = 0; c < call.moving_mean.size(); c++) {
            call.moving_mean.set(c, 0);
            call.moving_variance.set(c, 1);
        }
        for (size_t i = 0; i < call.x.size(); i++)
            call.x.set(i, static_cast<double>(i % 100) * tiny);
        ASSERT_EQ(call.run(), HALNORM_OK);
        EXPECT_EQ(call.y().values(), call.x.values()) << k.describe();
    });
}

HALNORM_FOR_EACH_VARIANT(SpecialValues);

}  // namespace
