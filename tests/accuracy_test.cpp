// The accuracy that docs/semantics.md promises, at the numbers it gives.
#include <algorithm>
#include <gtest/gtest.h>
#include <math.h>

#include "call.h"
#include "options.h"
#include "random.h"
#include "tolerance.h"
#include "variants.h"

namespace {

using namespace test;

using Values = std::vector<double>;

struct Order {
    const char *name;
    void (*apply)(Values &);  // of numbers of mean 0 and deviation 1
};

constexpr double outlier = 1e4;  // deviations

// The three smallest numbers at the first, middle and last place, where a careless sample would
// look.
void extremes_where_samples_are_taken(Values &v) {
    const size_t places[] = {0, v.size() / 2, v.size() - 1};
    for (size_t k = 0; k < 3; k++) {
        size_t smallest = v.size() - 1;
        for (size_t i = 0; i < v.size(); i++) {
            const bool taken = (k > 0 && i == places[0]) || (k > 1 && i == places[1]);
            if (!taken && v[i] < v[smallest])
                smallest = i;
        }
        std::swap(v[places[k]], v[smallest]);
    }
}

constexpr Order orders[] = {
    {"random", [](Values &) {}},
    {"rising", [](Values &v) { std::sort(v.begin(), v.end()); }},
    {"falling", [](Values &v) { std::sort(v.rbegin(), v.rend()); }},
    {"alternating",
     [](Values &v) {
         for (size_t i = 0; i < v.size(); i++)
             v[i] = (i % 2 ? -1 : 1) + 1e-3 * v[i];
     }},
    {"drifting",
     [](Values &v) {
         const double span = static_cast<double>(v.size());
         for (size_t i = 0; i < v.size(); i++)
             v[i] = (static_cast<double>(i) / span - 0.5) * 3.4 + 0.1 * v[i];
     }},
    {"outlier first", [](Values &v) { v[0] = outlier; }},
    {"outlier last", [](Values &v) { v.back() = -outlier; }},
    {"outlier in the middle", [](Values &v) { v[v.size() / 2] = outlier; }},
    {"extremes first, middle and last", extremes_where_samples_are_taken},
    // Each small one is half an ulp of a sum that holds a large one, and is lost or counted twice.
    {"small ones behind a large one",
     [](Values &v) {
         for (size_t i = 0; i < v.size(); i++)
             v[i] = (i % 2 ? -1 : 1) * (i % 448 == 0 ? 256 : 0.0441941738);
     }},
};
constexpr double offsets[] = {0, 1e2, 1e4, 1e6};

class Accuracy : public VariantTest {
protected:
    // Each channel gets its values in the order of n and s, an offset of its own, and random
    // numbers of its own.
    static void fill(Call &call, const Order &order) {
        const reference::Array shape = call.shape();
        const size_t channels = static_cast<size_t>(shape.channels());
        std::vector<Values> values(channels);
        for (size_t c = 0; c < channels; c++) {
            Random random(c + 1);
            for (int64_t i = 0; i < shape.count(); i++)
                values[c].push_back(random.normal());
            order.apply(values[c]);
        }
        std::vector<size_t> next(channels, 0);
        for (size_t i = 0; i < call.x.size(); i++) {
            const size_t c = shape.channel_of(i);
            call.x.set(i, offsets[c % 4] + values[c][next[c]++]);
        }
    }

    std::vector<Case> settings(Pipeline pipeline) {
        std::vector<Case> all;
        // Long rows, 14x14, 7x7, and a column per channel; 8 channels, two of each offset, and 33.
        const int64_t usual[][3] = {{1, 8, 12544}, {3, 8, 3136}, {33, 8, 196},
                                    {33, 33, 49},  {1, 8, 1030}, {4096, 8, 1}};
        const int64_t reduced[][3] = {{1, 4, 3136}, {5, 8, 196}, {9, 17, 49},
                                      {1, 8, 1030}, {512, 8, 1}, {33, 17, 1}};
        for (halnorm_layout layout : {HALNORM_NCHW, HALNORM_NHWC}) {
            for (const auto &shape : options.reduced ? reduced : usual) {
                Case s;
                s.variant = GetParam();
                s.pipeline = pipeline;
                s.layout = layout;
                s.n = shape[0], s.c = shape[1], s.s = shape[2];
                s.rank = s.s == 1 ? 2 : 4;
                s.gamma = s.beta = false;
                all.push_back(s);
            }
        }
        return all;
    }
};

// gamma 1 and beta 0: the tolerance is 16 * 2^-24 * (1 + |y|).
TEST_P(Accuracy, y_in_float32_at_any_offset_and_order) {
    for (const Case &s : settings(Pipeline::training)) {
        for (const Order &order : orders) {
            SCOPED_TRACE(order.name);
            Call call(s);
            fill(call, order);
            call.expect_reference();
        }
    }
}

TEST_P(Accuracy, variance_in_float32_at_any_offset_and_order) {
    for (const Case &s : settings(Pipeline::statistics)) {
        for (const Order &order : orders) {
            SCOPED_TRACE(order.name);
            Call call(s);
            fill(call, order);
            call.expect_reference();
        }
    }
}

// Equal squares are the worst addends: all roundings of an accumulator may be of one sign.
TEST_P(Accuracy, variance_of_two_levels_in_float32) {
    for (Spread spread : {Spread::dense, Spread::image_gap}) {
        Case s;
        s.variant = GetParam();
        s.pipeline = Pipeline::statistics;
        s.layout = HALNORM_NHWC;
        s.n = 3, s.c = 32, s.s = 1030;
        s.x_spread = spread;
        Call call(s);
        const reference::Array shape = call.shape();
        for (size_t i = 0; i < call.x.size(); i++) {
            const size_t c = shape.channel_of(i);
            const double level = 1 + static_cast<double>(c) / 37;
            call.x.set(i, i / 32 % 2 == 0 ? level : -level);
        }
        call.expect_reference();
    }
}

TEST_P(Accuracy, everything_in_float64) {
    for (Pipeline pipeline : {Pipeline::training, Pipeline::statistics}) {
        for (Case s : settings(pipeline)) {
            s.dtype = HALNORM_FLOAT64;
            for (const Order &order : orders) {
                SCOPED_TRACE(order.name);
                Call call(s);
                fill(call, order);
                call.expect_reference();
            }
        }
    }
}

// Statistics of data that offsets hide: the moving ones must be as near.
TEST_P(Accuracy, y_from_moving_statistics_at_an_offset) {
    for (const Case &s : settings(Pipeline::inference)) {
        Call call(s);
        fill(call, orders[0]);
        for (size_t c = 0; c < call.moving_mean.size(); c++) {
            call.moving_mean.set(c, offsets[c % 4] + 0.25);
            call.moving_variance.set(c, 1);
        }
        call.expect_reference();
    }
}

TEST_P(Accuracy, constant_channels_give_beta_exactly) {
    const double constants[] = {100.1, 1e10, 3e38, 1e-38, -7.3, 0, 1, -3e38, 16777217};
    for (halnorm_dtype dtype : {HALNORM_FLOAT32, HALNORM_FLOAT64}) {
        for (halnorm_activation activation :
             {HALNORM_ACT_NONE, HALNORM_ACT_RELU, HALNORM_ACT_LEAKY_RELU}) {
            for (Case s : settings(Pipeline::training)) {
                s.dtype = dtype;
                s.c = 9;
                s.gamma = s.beta = true;
                s.activation = activation;
                if (s.n * s.s > 10000)
                    s.n = 1;
                SCOPED_TRACE(s.describe());
                Call call(s);
                const reference::Array shape = call.shape();
                for (size_t i = 0; i < call.x.size(); i++)
                    call.x.set(i, constants[shape.channel_of(i)]);
                for (size_t c = 0; c < 9; c++)
                    call.moving_variance.set(c, 0);
                ASSERT_EQ(call.run(), HALNORM_OK) << halnorm_last_error();
                EXPECT_EQ(halnorm_last_variant(), GetParam());
                size_t wrong = 0;
                for (size_t i = 0; i < call.x.size(); i++) {
                    const double beta = call.beta.get(shape.channel_of(i));
                    // A slope of 0.02 is rounded once as a number and once in the product.
                    const double slope =
                        dtype == HALNORM_FLOAT32 ? static_cast<double>(0.02f) : 0.02;
                    const bool leaky = activation == HALNORM_ACT_LEAKY_RELU && beta < 0;
                    const double product = slope * beta;
                    const double expected =
                        beta > 0 || activation == HALNORM_ACT_NONE ? beta :
                        !leaky                                     ? 0 :
                        dtype == HALNORM_FLOAT32 ?
                                 static_cast<double>(static_cast<float>(product)) :
                                 product;
                    wrong += call.y().get(i) != expected;
                }
                EXPECT_EQ(wrong, 0u) << "of " << call.x.size();
                for (size_t c = 0; c < 9; c++) {
                    EXPECT_DOUBLE_EQ(call.saved_inv_std.get(c), 1 / sqrt(1e-5)) << constants[c];
                    EXPECT_EQ(call.moving_variance.get(c), 0) << constants[c];
                }
            }
        }
    }
}

TEST_P(Accuracy, constant_channels_have_no_variance) {
    const double constants[] = {100.1, 1e10, 3e38, 1e-38, -7.3, 0, 1, -3e38, 16777217};
    for (halnorm_dtype dtype : {HALNORM_FLOAT32, HALNORM_FLOAT64}) {
        for (Case s : settings(Pipeline::statistics)) {
            s.dtype = dtype;
            s.c = 9;
            SCOPED_TRACE(s.describe());
            Call call(s);
            const reference::Array shape = call.shape();
            for (size_t i = 0; i < call.x.size(); i++)
                call.x.set(i, constants[shape.channel_of(i)]);
            ASSERT_EQ(call.run(), HALNORM_OK) << halnorm_last_error();
            for (size_t c = 0; c < 9; c++) {
                const double constant = dtype == HALNORM_FLOAT32 ?
                                            static_cast<double>(static_cast<float>(constants[c])) :
                                            constants[c];
                EXPECT_EQ(call.saved_inv_std.get(c), 0) << constants[c];  // M2
                const bool flushed = fabs(constant) < 1.2e-38 && flushes_subnormals(GetParam());
                if (!flushed) {
                    EXPECT_EQ(call.saved_mean.get(c), constant);
                }
            }
        }
    }
}

// Far values at just the places that the shift is taken from: deviations from there are a thousand
// times as large as the channel's own, and the sums have to be made once more.
TEST_P(Accuracy, shift_that_is_misled) {
    Case k;
    k.variant = GetParam();
    k.rank = 3;
    k.n = 1, k.c = 1, k.s = 10000;
    Call call(k);
    for (size_t start : {size_t{0}, call.x.size() / 2 - 4, call.x.size() - 8}) {
        for (size_t i = 0; i < 8; i++)
            call.x.set(start + i, 1e4);
    }
    call.expect_reference();
}

HALNORM_FOR_EACH_VARIANT(Accuracy);

}  // namespace
