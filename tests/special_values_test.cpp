// NaN, infinities, subnormals, -0 and the largest number, in tensors and in vectors of channels, in
// the bodies and tails of vectors: they reach the results of their channel, and no other.
#include <float.h>
#include <gtest/gtest.h>
#include <math.h>
#include <set>

#include "backward_call.h"
#include "call.h"
#include "cells.h"
#include "compare.h"
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

// A variance so small that a double has it as a subnormal number only.
TEST_P(SpecialValues, subnormal_variances_count) {
    if (flushes_subnormals(GetParam()))
        GTEST_SKIP() << GetParam() << " flushes subnormals to zero";
    for (halnorm_layout layout : {HALNORM_NCHW, HALNORM_NHWC}) {
        Case k;
        k.variant = GetParam();
        k.pipeline = Pipeline::inference;
        k.layout = layout;
        k.dtype = HALNORM_FLOAT64;
        k.epsilon = 0;
        k.c = 35, k.s = 9;
        Call call(k);
        for (size_t c = 0; c < call.moving_mean.size(); c++) {
            call.moving_mean.set(c, 0);
            const double factor = static_cast<double>(1 + c % 3);
            call.moving_variance.set(c, factor * (c % 2 ? 0x1p-1074 : 0x1p-1030));
        }
        for (size_t i = 0; i < call.x.size(); i++)
            call.x.set(i, call.x.get(i) * 0x1p-530);
        call.expect_reference();
    }
}

// Where 1 / sqrt(epsilon) is beyond float32, and where epsilon is subnormal.
TEST_P(SpecialValues, a_constant_channel_is_act_beta_with_the_smallest_epsilon) {
    for (Pipeline pipeline : {Pipeline::training, Pipeline::inference}) {
        for_each_setting(pipeline, [](Case k) {
            for (double epsilon : {1e-78, 1e-90, 1e-300, 0x1p-1074}) {
                k.epsilon = epsilon;
                if (epsilon < 1e-300 && flushes_subnormals(k.variant))
                    continue;
                Call call(k);
                for (size_t c = 0; c < call.moving_mean.size(); c++) {
                    call.moving_mean.set(c, 3);
                    call.moving_variance.set(c, 0);
                }
                for (size_t i = 0; i < call.x.size(); i++)
                    call.x.set(i, 3);
                ASSERT_EQ(call.run(), HALNORM_OK) << halnorm_last_error();
                const reference::Array shape = call.shape();
                size_t wrong = 0;
                for (size_t i = 0; i < call.x.size(); i++)
                    wrong += call.y().get(i) != call.beta.get(shape.channel_of(i));
                EXPECT_EQ(wrong, 0u) << k.describe() << " epsilon " << epsilon;
            }
        });
    }
}

// ---- Every value at every place of a row of 2 L + 3 elements ----

enum class Special { nan, inf, minus_inf, subnormal, minus_zero, large, largest };
constexpr Special specials[] = {Special::nan,        Special::inf,   Special::minus_inf,
                                Special::subnormal,  Special::minus_zero,
                                Special::large,      Special::largest};

double largest(halnorm_dtype dtype) {
    return dtype == HALNORM_FLOAT32 ? static_cast<double>(FLT_MAX) : DBL_MAX;
}

double value_of(Special special, halnorm_dtype dtype) {
    switch (special) {
    case Special::nan:
        return NAN;
    case Special::inf:
        return INFINITY;
    case Special::minus_inf:
        return -INFINITY;
    case Special::subnormal:
        return 1000 * least_subnormal(dtype);
    case Special::minus_zero:
        return -0.0;
    case Special::large:  // its products with numbers of order 1, and sums of some, are in range
        return largest(dtype) / 1024;
    case Special::largest:
        break;
    }
    return largest(dtype);
}

// Specials in one call, each in a channel of its own with ordinary ones between them.
struct Placed {
    size_t channel, index;  // of the element, where it goes into a tensor
    Special special;
};

// Whether results are those of the reference: finite for finite, NaN for NaN and the same infinity
// for an infinity; of `sums`, and what is made of them, anything that is not finite for what is
// not, since on the way an infinity may meet another or a zero.
bool as_the_reference(halnorm_dtype dtype, double actual, double expected, double tolerance,
                      bool sums) {
    if (sums && !isfinite(expected))
        return !isfinite(actual);
    return close(dtype, actual, expected, tolerance);
}

class SpecialPlaces : public VariantTest {
protected:
    // body(setting, placed): rows along s, then rows along c, of 2 L + 3 elements with specials at
    // the start, in and at the end of a vector's body, where the next one starts, and in the tail.
    template<typename AnyCase, typename Body>
    void for_each_row(AnyCase k, Body body) {
        k.variant = GetParam();
        size_t turn = 0;
        for_each_layout_and_dtype(k, [&](AnyCase s) {
            const int64_t L = vector_length(s.variant, s.dtype), length = 2 * L + 3;
            const int64_t positions[] = {0, L / 2, L - 1, L, 2 * L - 1, 2 * L, length - 1};
            for (bool along_c : {false, true}) {
                s.n = 2, s.c = along_c ? length : 9, s.s = along_c ? 5 : length;
                s.rank = 3 + static_cast<int>(turn % 3);
                std::set<int64_t> channels = {1, 3, 5, 7};
                if (along_c) {
                    channels.clear();
                    for (int64_t p : positions) {
                        if (channels.count(p - 1) == 0)
                            channels.insert(p);
                    }
                }
                constexpr size_t values = std::size(specials), places = std::size(positions);
                const size_t rounds = along_c ? values : values * places;
                // Along s a round has four channels, so every fourth of the rounds does.
                for (size_t round = 0; round < rounds; round += along_c ? 1 : channels.size()) {
                    if ((options.reduced || runs_on_a_device(s.variant)) && turn++ % 4 != 0)
                        continue;
                    std::vector<Placed> placed;
                    size_t i = round;
                    for (int64_t c : channels) {
                        const int64_t pixel = along_c ? 2 : positions[i / values % places];
                        const int64_t n = static_cast<int64_t>(i % 2);
                        const int64_t index = s.layout == HALNORM_NCHW ?
                                                  (n * s.c + c) * s.s + pixel :
                                                  (n * s.s + pixel) * s.c + c;
                        placed.push_back({static_cast<size_t>(c), static_cast<size_t>(index),
                                          specials[i % values]});
                        i++;
                    }
                    body(s, placed);
                    if (failures() > 3)
                        return;
                }
            }
        });
    }

    // Puts them into a tensor, or into a vector of channels, and says which channels they are in.
    static std::set<size_t> put(const std::vector<Placed> &placed, Tensor &where, bool vector,
                                const std::set<Special> &which) {
        std::set<size_t> channels;
        for (const Placed &p : placed) {
            if (which.count(p.special)) {
                where.set(vector ? p.channel : p.index, value_of(p.special, where.dtype()));
                channels.insert(p.channel);
            }
        }
        return channels;
    }

    std::set<Special> all() const {
        std::set<Special> which(std::begin(specials), std::end(specials));
        if (flushes_subnormals(GetParam()))
            which.erase(Special::subnormal);
        return which;
    }
    std::set<Special> all_but(const std::set<Special> &some) const {
        std::set<Special> which = all();
        for (Special special : some)
            which.erase(special);
        return which;
    }

    // Elements of channels without specials have the bits of a call without any.
    static size_t changed(const Tensor &actual, const Tensor &clean, const reference::Array &shape,
                          bool vector, const std::set<size_t> &channels) {
        const std::vector<unsigned char> a = actual.bits(), b = clean.bits();
        const size_t width = size_of(actual.dtype());
        size_t count = 0;
        for (size_t i = 0; i < actual.size(); i++) {
            const bool own = channels.count(vector ? i : shape.channel_of(i)) != 0;
            count += !own && !std::equal(&a[i * width], &a[i * width] + width, &b[i * width]);
        }
        return count;
    }
};

// All that an element meets in inference is the numbers of its channel.
TEST_P(SpecialPlaces, inference) {
    Case k;
    k.pipeline = Pipeline::inference;
    for_each_row(k, [&](Case s, const std::vector<Placed> &placed) {
        for (halnorm_activation activation : {HALNORM_ACT_NONE, HALNORM_ACT_RELU}) {
            s.activation = activation;
            // The largest number may not be multiplied by more than 1 on the way; large may.
            Call x(s), gamma(s), beta(s), mean(s), variance(s);
            put(placed, x.x, false, all_but({Special::largest}));
            put(placed, gamma.gamma, true, all_but({Special::largest}));
            put(placed, beta.beta, true, all());
            put(placed, mean.moving_mean, true, all_but({Special::largest}));
            put(placed, variance.moving_variance, true, all());
            for (Call *call : {&x, &gamma, &beta, &mean, &variance})
                call->expect_reference();
        }
    });
}

// The largest number in x becomes the result, or an infinity where that is larger.
TEST_P(SpecialPlaces, largest_number_in_inference) {
    Case k;
    k.pipeline = Pipeline::inference;
    for_each_row(k, [](Case s, const std::vector<Placed> &placed) {
        s.epsilon = 0;
        s.beta = false;
        Call call(s);
        for (size_t c = 0; c < call.gamma.size(); c++) {
            call.gamma.set(c, c % 4 == 1 ? 2 : -1);
            call.moving_mean.set(c, 0);
            call.moving_variance.set(c, 1);
        }
        const double max = largest(s.dtype);
        for (const Placed &p : placed)
            call.x.set(p.index, max);
        ASSERT_EQ(call.run(), HALNORM_OK) << halnorm_last_error();
        for (const Placed &p : placed) {
            EXPECT_EQ(call.y().get(p.index),
                      p.channel % 4 == 1 ? static_cast<double>(INFINITY) : -max)
                << s.describe() << " " << p.index;
        }
    });
}

// In the batch, gamma and beta are of their channel, the moving statistics go into their own.
TEST_P(SpecialPlaces, parameters_in_training) {
    for_each_row(Case(), [&](const Case &s, const std::vector<Placed> &placed) {
        Call gamma(s), beta(s), mean(s), variance(s);
        put(placed, gamma.gamma, true,
            all_but({Special::largest, Special::inf, Special::minus_inf}));
        put(placed, beta.beta, true, all());
        put(placed, mean.moving_mean, true, all());
        put(placed, variance.moving_variance, true, all());
        for (Call *call : {&gamma, &beta, &mean, &variance})
            call->expect_reference();

        // An infinite gamma meets what the rounding of the mean has left: NaN or an infinity.
        Call clean(s), infinite(s);
        const std::set<size_t> channels =
            put(placed, infinite.gamma, true, {Special::inf, Special::minus_inf});
        ASSERT_EQ(clean.run(), HALNORM_OK) << halnorm_last_error();
        ASSERT_EQ(infinite.run(), HALNORM_OK) << halnorm_last_error();
        const reference::Array shape = clean.shape();
        EXPECT_EQ(changed(infinite.y(), clean.y(), shape, false, channels), 0u) << s.describe();
        for (size_t i = 0; i < clean.x.size(); i++) {
            EXPECT_EQ(isfinite(infinite.y().get(i)), channels.count(shape.channel_of(i)) == 0)
                << s.describe() << " " << i;
        }
    });
}

// NaN, infinities and numbers whose squares overflow make the whole channel NaN; small ones count
// as what they are; other channels have the bits that they have without.
TEST_P(SpecialPlaces, x_in_training_and_statistics) {
    for (Pipeline pipeline : {Pipeline::training, Pipeline::statistics}) {
        Case k;
        k.pipeline = pipeline;
        for_each_row(k, [&](const Case &s, const std::vector<Placed> &placed) {
            SCOPED_TRACE(s.describe());
            Call small(s), clean(s), call(s);
            put(placed, small.x, false,
                all_but({Special::nan, Special::inf, Special::minus_inf, Special::large,
                         Special::largest}));
            small.expect_reference();

            ASSERT_EQ(clean.run(), HALNORM_OK) << halnorm_last_error();
            const std::set<size_t> channels =
                put(placed, call.x, false, all_but({Special::subnormal, Special::minus_zero}));
            const reference::Array shape = call.shape();
            ASSERT_EQ(call.run(), HALNORM_OK) << halnorm_last_error();
            for (Tensor Call::*vector : {&Call::saved_mean, &Call::saved_inv_std,
                                         &Call::moving_mean, &Call::moving_variance}) {
                EXPECT_EQ(changed(call.*vector, clean.*vector, shape, true, channels), 0u);
            }
            if (pipeline == Pipeline::training) {
                EXPECT_EQ(changed(call.y(), clean.y(), shape, false, channels), 0u);
                size_t numbers = 0;
                for (size_t i = 0; i < call.x.size(); i++)
                    numbers += channels.count(shape.channel_of(i)) && !isnan(call.y().get(i));
                EXPECT_EQ(numbers, 0u) << "elements of the channels are not NaN";
            }
            for (const Placed &p : placed) {
                if (channels.count(p.channel) == 0)
                    continue;
                EXPECT_TRUE(isnan(call.saved_inv_std.get(p.channel))) << p.channel;
                if (!isfinite(value_of(p.special, s.dtype))) {
                    EXPECT_FALSE(isfinite(call.saved_mean.get(p.channel))) << p.channel;
                }
            }
        });
    }
}

TEST_P(SpecialPlaces, backward) {
    size_t turn = 0;
    for (bool batch : {true, false}) {
        BackwardCase k;
        k.batch = batch;
        for_each_row(k, [&](BackwardCase s, const std::vector<Placed> &placed) {
            constexpr halnorm_activation activations[] = {HALNORM_ACT_NONE, HALNORM_ACT_RELU,
                                                          HALNORM_ACT_SILU};
            s.activation = activations[turn++ % 3];
            SCOPED_TRACE(s.describe());
            BackwardCall clean(s);
            ASSERT_EQ(clean.run(), HALNORM_OK) << halnorm_last_error();
            struct Where {
                const char *name;
                Tensor BackwardCall::*tensor;
                std::set<Special> which;
            };
            const Special max = Special::largest, large = Special::large;
            const Where all_of[] = {
                {"x", &BackwardCall::x, all_but({max})},
                {"dy", &BackwardCall::dy, all_but({max})},
                // Behind an infinite gamma v is NaN or an infinity, as in training.
                {"gamma", &BackwardCall::gamma,
                 all_but({max, large, Special::inf, Special::minus_inf})},
                {"beta", &BackwardCall::beta, all_but({max})},
                {"mean", &BackwardCall::mean, all_but({max, large})},
                // So it is behind an infinite inverse deviation, which no forward pass saves.
                {"inv_std", &BackwardCall::inv_std,
                 batch ? all_but({max, large, Special::subnormal, Special::inf,
                                  Special::minus_inf}) :
                         all()},
            };
            for (const Where &where : all_of) {
                SCOPED_TRACE(where.name);
                BackwardCall call(s);
                Tensor &tensor = call.*where.tensor;
                const bool vector = tensor.size() == static_cast<size_t>(s.c);
                const std::set<size_t> channels = put(placed, tensor, vector, where.which);
                reference::Backward b = call.input();
                if (s.activation == HALNORM_ACT_RELU) {  // what is cut off does not count
                    const std::vector<double> v = backward(b).v;
                    for (size_t i = 0; i < v.size(); i++)
                        b.dy[i] = v[i] <= 0 ? 0 : b.dy[i];
                }
                const reference::Gradients expected = backward(b);
                const BackwardTolerance tolerance =
                    backward_tolerance(s.dtype, b, expected, expected.sums.count);
                ASSERT_EQ(call.run(), HALNORM_OK) << halnorm_last_error();

                EXPECT_EQ(changed(call.dx(), clean.dx(), b.x, false, channels), 0u);
                EXPECT_EQ(changed(call.dgamma, clean.dgamma, b.x, true, channels), 0u);
                EXPECT_EQ(changed(call.dbeta, clean.dbeta, b.x, true, channels), 0u);
                // The coefficients of dx are rounded too, to a multiple of the smallest number.
                const double step = 16 * least_subnormal(s.dtype), u = unit_roundoff(s.dtype);
                for (size_t i = 0; i < b.x.values.size(); i++) {
                    EXPECT_TRUE(as_the_reference(s.dtype, call.dx().get(i), expected.dx[i],
                                                 tolerance.dx[i] + step, batch))
                        << "dx[" << i << "] is " << call.dx().get(i) << ", should be "
                        << expected.dx[i] << "; x " << b.x.values[i] << ", dy " << b.dy[i];
                    if (HasFailure())
                        return;
                }
                for (size_t c = 0; c < expected.dgamma.size(); c++) {
                    EXPECT_TRUE(as_the_reference(
                        s.dtype, call.dgamma.get(c), expected.dgamma[c],
                        tolerance.dgamma[c] + u * fabs(expected.dgamma[c]) + step, true))
                        << "dgamma[" << c << "] is " << call.dgamma.get(c) << ", should be "
                        << expected.dgamma[c];
                    EXPECT_TRUE(as_the_reference(
                        s.dtype, call.dbeta.get(c), expected.dbeta[c],
                        tolerance.dbeta[c] + u * fabs(expected.dbeta[c]) + step, true))
                        << "dbeta[" << c << "] is " << call.dbeta.get(c) << ", should be "
                        << expected.dbeta[c];
                }
            }
        });
    }
}

// Every value anywhere, whatever it does to its own channel.
TEST_P(SpecialPlaces, every_value_stays_in_its_channel) {
    for (Pipeline pipeline : {Pipeline::inference, Pipeline::training}) {
        Case k;
        k.pipeline = pipeline;
        for_each_row(k, [&](const Case &s, const std::vector<Placed> &placed) {
            Call clean(s);
            ASSERT_EQ(clean.run(), HALNORM_OK) << halnorm_last_error();
            for (Tensor Call::*where : {&Call::x, &Call::gamma, &Call::moving_mean}) {
                Call call(s);
                const std::set<size_t> channels =
                    put(placed, call.*where, where != &Call::x, all());
                ASSERT_EQ(call.run(), HALNORM_OK) << halnorm_last_error();
                EXPECT_EQ(changed(call.y(), clean.y(), call.shape(), false, channels), 0u)
                    << s.describe();
            }
        });
    }
    for_each_row(BackwardCase(), [&](const BackwardCase &s, const std::vector<Placed> &placed) {
        BackwardCall clean(s);
        ASSERT_EQ(clean.run(), HALNORM_OK) << halnorm_last_error();
        for (Tensor BackwardCall::*where : {&BackwardCall::x, &BackwardCall::dy,
                                            &BackwardCall::gamma, &BackwardCall::mean,
                                            &BackwardCall::inv_std}) {
            BackwardCall call(s);
            Tensor &tensor = call.*where;
            const bool vector = tensor.size() == static_cast<size_t>(s.c);
            const std::set<size_t> channels = put(placed, tensor, vector, all());
            const reference::Array shape = call.input().x;
            ASSERT_EQ(call.run(), HALNORM_OK) << halnorm_last_error();
            EXPECT_EQ(changed(call.dx(), clean.dx(), shape, false, channels), 0u) << s.describe();
            EXPECT_EQ(changed(call.dgamma, clean.dgamma, shape, true, channels), 0u);
            EXPECT_EQ(changed(call.dbeta, clean.dbeta, shape, true, channels), 0u);
        }
    });
}

// Numbers that are all subnormal are neither flushed where they come in nor where they go out.
TEST_P(SpecialPlaces, subnormals_come_out_of_parameters_and_gradients) {
    if (flushes_subnormals(GetParam()))
        GTEST_SKIP() << GetParam() << " flushes subnormals to zero";
    Case k;
    k.pipeline = Pipeline::inference;
    k.epsilon = 0;
    for_each_row(k, [](const Case &s, const std::vector<Placed> &) {
        const double tiny = least_subnormal(s.dtype);
        Call gamma(s), beta(s);
        for (Call *call : {&gamma, &beta}) {
            for (size_t c = 0; c < call->gamma.size(); c++) {
                call->moving_mean.set(c, 0);
                call->moving_variance.set(c, 1);
                call->gamma.set(c, call == &gamma ? tiny : 1);
                call->beta.set(c, call == &gamma ? 0 : static_cast<double>(c + 1) * tiny);
            }
            for (size_t i = 0; i < call->x.size(); i++)
                call->x.set(i, call == &gamma ? static_cast<double>(i) : 0);
            ASSERT_EQ(call->run(), HALNORM_OK) << halnorm_last_error();
            const reference::Array shape = call->shape();
            for (size_t i = 0; i < call->x.size(); i++) {
                const double number =
                    static_cast<double>(call == &gamma ? i : shape.channel_of(i) + 1);
                ASSERT_EQ(call->y().get(i), number * tiny) << s.describe() << " " << i;
            }
        }
    });
    BackwardCase b;
    b.batch = false;
    b.gamma = false;
    b.epsilon = 0;
    for_each_row(b, [](const BackwardCase &s, const std::vector<Placed> &) {
        const double tiny = least_subnormal(s.dtype);
        BackwardCall call(s);
        for (size_t c = 0; c < call.mean.size(); c++) {
            call.mean.set(c, 0);
            call.inv_std.set(c, 1);  // the moving variance
        }
        std::vector<double> dy;
        for (size_t i = 0; i < call.dy.size(); i++)
            dy.push_back(static_cast<double>(i + 1) * tiny);
        call.dy.set(dy);
        const reference::Array shape = call.input().x;
        std::vector<double> dbeta(call.dbeta.size(), 0);
        for (size_t i = 0; i < dy.size(); i++)
            dbeta[shape.channel_of(i)] += dy[i];
        ASSERT_EQ(call.run(), HALNORM_OK) << halnorm_last_error();
        EXPECT_EQ(call.dx().values(), dy) << s.describe();
        EXPECT_EQ(call.dbeta.values(), dbeta) << s.describe();
    });
}

HALNORM_FOR_EACH_VARIANT(SpecialValues);
HALNORM_FOR_EACH_VARIANT(SpecialPlaces);

}  // namespace
