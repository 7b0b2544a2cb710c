// The edges of docs/semantics.md: one element, none, no variance, epsilon 0, any momentum, missing
// arguments.
#include <gtest/gtest.h>
#include <math.h>

#include "call.h"
#include "variants.h"

namespace {

using namespace test;

class Edges : public VariantTest {
protected:
    template<typename Body>
    void for_each_setting(Body body) {
        Case k;
        k.variant = GetParam();
        k.n = 3, k.c = 7, k.s = 20;
        for_each_layout_and_dtype(k, body);
    }
};

// y = act(x) bit for bit, no scale or bias; saved 0 and 0; moving statistics untouched.
TEST_P(Edges, one_element_per_channel) {
    for_each_setting([](Case k) {
        for (int rank = 2; rank <= 5; rank++) {
            for (bool in_place : {false, true}) {
                for (double epsilon : {1e-5, 0.0}) {
                    k.rank = rank;
                    k.n = k.s = 1;
                    k.c = 70;
                    k.in_place = in_place;
                    k.epsilon = epsilon;
                    Call call(k);
                    call.x.set(5, -3e38), call.x.set(6, 1e-30), call.x.set(7, INFINITY),
                        call.x.set(8, NAN);
                    const std::vector<double> x = call.x.values();
                    call.expect_reference();
                    const std::vector<double> y = call.y().values();
                    for (size_t i = 0; i < x.size(); i++)
                        EXPECT_TRUE(i == 8 ? isnan(y[i]) : y[i] == x[i]) << i;
                    EXPECT_EQ(call.saved_mean.values(), std::vector<double>(70, 0));
                    EXPECT_EQ(call.saved_inv_std.values(), std::vector<double>(70, 0));
                }
            }
        }
        k.pipeline = Pipeline::statistics;
        Call(k).expect_reference();
        k.pipeline = Pipeline::inference;
        Call(k).expect_reference();
    });
}

// An empty tensor in each of its dimensions but the channels'.
TEST_P(Edges, no_elements) {
    for_each_setting([](Case k) {
        for (Pipeline pipeline : {Pipeline::inference, Pipeline::training, Pipeline::statistics}) {
            for (int rank = 2; rank <= 5; rank++) {
                for (int empty = 0; empty < rank; empty++) {
                    const int channel_axis = k.layout == HALNORM_NCHW ? 1 : rank - 1;
                    if (empty == channel_axis)
                        continue;
                    k.pipeline = pipeline;
                    k.rank = rank;
                    k.n = 3;
                    k.s = rank == 2 ? 1 : 8;
                    Call shape(k);  // for its vectors; x and y are replaced by empty views of the
                                    // same memory
                    halnorm_tensor x = shape.x.view(), y = shape.separate_y ? shape.y().view() : x;
                    x.shape[empty] = y.shape[empty] = 0;
                    const halnorm_config config = shape.config();
                    const auto before = shape.y().bits();
                    const auto mean = shape.moving_mean.bits(),
                               variance = shape.moving_variance.bits();
                    double *saved_mean = static_cast<double *>(shape.saved_mean.data());
                    double *saved_inv_std = static_cast<double *>(shape.saved_inv_std.data());
                    SCOPED_TRACE(k.describe() + ", axis " + std::to_string(empty) + " empty");

                    size_t bytes = 1;
                    halnorm_status status = HALNORM_OK;
                    for (void *data :
                         {x.data, static_cast<void *>(nullptr)}) {  // nothing to point to is fine
                        x.data = data;
                        y.data = data == nullptr ? nullptr : shape.y().data();
                        if (pipeline == Pipeline::inference) {
                            ASSERT_EQ(halnorm_forward_inference_workspace(&config, &x, &bytes),
                                      HALNORM_OK);
                            Memory workspace(bytes, HALNORM_WORKSPACE_ALIGNMENT, {}, output_fill);
                            status = halnorm_forward_inference(
                                &config, &x, shape.gamma.data(), shape.beta.data(),
                                shape.moving_mean.data(), shape.moving_variance.data(), &y,
                                workspace.data(), bytes);
                        } else if (pipeline == Pipeline::training) {
                            ASSERT_EQ(halnorm_forward_training_workspace(&config, &x, &bytes),
                                      HALNORM_OK);
                            Memory workspace(bytes, HALNORM_WORKSPACE_ALIGNMENT, {}, output_fill);
                            status = halnorm_forward_training(
                                &config, &x, shape.gamma.data(), shape.beta.data(),
                                shape.moving_mean.data(), shape.moving_variance.data(), &y,
                                saved_mean, saved_inv_std, workspace.data(), bytes);
                            EXPECT_EQ(shape.saved_mean.values(), std::vector<double>(7, 0));
                            EXPECT_EQ(shape.saved_inv_std.values(), std::vector<double>(7, 0));
                        } else {
                            ASSERT_EQ(halnorm_statistics_workspace(&config, &x, &bytes),
                                      HALNORM_OK);
                            Memory workspace(bytes, HALNORM_WORKSPACE_ALIGNMENT, {}, output_fill);
                            status = halnorm_statistics(&config, &x, &shape.count, saved_mean,
                                                        saved_inv_std, workspace.data(), bytes);
                            EXPECT_EQ(shape.count, 0);
                            EXPECT_EQ(shape.saved_mean.values(), std::vector<double>(7, 0));
                            EXPECT_EQ(shape.saved_inv_std.values(), std::vector<double>(7, 0));
                        }
                        EXPECT_EQ(status, HALNORM_OK) << halnorm_last_error();
                    }
                    EXPECT_TRUE(shape.y().bits() == before) << "y was written";
                    EXPECT_TRUE(shape.moving_mean.bits() == mean &&
                                shape.moving_variance.bits() == variance);
                }
            }
        }
    });
}

// The channels must match even where there is nothing to normalize.
TEST_P(Edges, no_elements_with_other_channels_is_an_error) {
    const int64_t shape[] = {0, 6, 2, 2};
    const halnorm_tensor x = halnorm_dense_tensor(nullptr, HALNORM_FLOAT32, 4, shape);
    halnorm_config config = halnorm_default_config(7);
    config.variant = GetParam().c_str();
    size_t bytes = 0;
    EXPECT_EQ(halnorm_forward_training_workspace(&config, &x, &bytes), HALNORM_ERROR_SHAPE);
}

TEST_P(Edges, epsilon_zero) {
    for_each_setting([](Case k) {
        for (Pipeline pipeline : {Pipeline::inference, Pipeline::training}) {
            k.pipeline = pipeline;
            k.epsilon = 0;
            Call usual(k);
            usual.expect_reference();

            // Channel 2 has no variance: y == beta exactly.
            Call constant(k);
            const reference::Array shape = constant.shape();
            for (size_t i = 0; i < constant.x.size(); i++) {
                if (pipeline == Pipeline::training && shape.channel_of(i) == 2)
                    constant.x.set(i, 100.1);
            }
            constant.moving_variance.set(2, 0);
            constant.expect_reference();
            for (size_t i = 0; i < constant.x.size(); i++) {
                if (shape.channel_of(i) == 2) {
                    EXPECT_EQ(constant.y().get(i), constant.beta.get(2));
                }
            }
            if (pipeline == Pipeline::training) {
                EXPECT_EQ(constant.saved_inv_std.get(2), 0);
            }
        }
    });
}

TEST_P(Edges, large_epsilon) {
    for_each_setting([](Case k) {
        for (Pipeline pipeline : {Pipeline::inference, Pipeline::training}) {
            k.pipeline = pipeline;
            k.epsilon = 1e6;
            Call(k).expect_reference();
        }
    });
}

// moving_variance + epsilon == 0 gives beta; below 0 the channel is NaN, the others are not.
TEST_P(Edges, moving_variance_of_minus_epsilon_and_below) {
    for_each_setting([](Case k) {
        k.pipeline = Pipeline::inference;
        k.epsilon = 0.5;
        Call call(k);
        call.moving_variance.set(1, -0.5);
        call.moving_variance.set(3, -0.25);  // the sum is still positive
        call.moving_variance.set(6, -2);
        call.expect_reference();
        const reference::Array shape = call.shape();
        for (size_t i = 0; i < call.x.size(); i++) {
            const size_t c = shape.channel_of(i);
            EXPECT_EQ(isnan(call.y().get(i)), c == 6);
            if (c == 1) {
                EXPECT_EQ(call.y().get(i), call.beta.get(1));
            }
        }
    });
}

TEST_P(Edges, any_finite_momentum) {
    for_each_setting([](Case k) {
        for (double momentum : {0.0, 1.0, 0.5, -1.0, 1.5, 1e6, -1e6}) {
            for (halnorm_variance_estimator estimator :
                 {HALNORM_VARIANCE_POPULATION, HALNORM_VARIANCE_SAMPLE}) {
                k.momentum = momentum;
                k.estimator = estimator;
                Call call(k);
                const std::vector<double> old = call.moving_mean.values();
                call.expect_reference();
                if (momentum == 1) {
                    EXPECT_EQ(call.moving_mean.values(), old);
                }
            }
        }
    });
}

TEST_P(Edges, sample_variance_of_few_elements) {
    for_each_setting([](Case k) {
        k.estimator = HALNORM_VARIANCE_SAMPLE;
        for (int64_t n : {1, 2, 3}) {
            k.rank = 2;
            k.n = n, k.s = 1;
            Call(k).expect_reference();
        }
    });
}

TEST_P(Edges, without_moving_or_saved) {
    for_each_setting([](Case k) {
        for (int given = 0; given < 4; given++) {
            for (int64_t s : {1, 20}) {
                k.moving = given % 2;
                k.saved = given / 2;
                k.s = s;
                Call(k).expect_reference();
            }
        }
    });
}

TEST_P(Edges, inference_leaves_moving_statistics_alone) {
    for_each_setting([](Case k) {
        k.pipeline = Pipeline::inference;
        Call call(k);
        call.moving_variance.set(0, NAN);
        call.moving_mean.set(1, -0.0);
        call.moving_mean.set(2, INFINITY);
        const auto mean = call.moving_mean.bits(), variance = call.moving_variance.bits();
        ASSERT_EQ(call.run(), HALNORM_OK);
        EXPECT_TRUE(call.moving_mean.bits() == mean);
        EXPECT_TRUE(call.moving_variance.bits() == variance);
    });
}

// gamma 0 cuts a channel off; a negative gamma turns it round.
TEST_P(Edges, gamma_zero_and_negative) {
    for_each_setting([](Case k) {
        for (Pipeline pipeline : {Pipeline::inference, Pipeline::training}) {
            k.pipeline = pipeline;
            Call call(k);
            call.gamma.set(0, 0);
            call.gamma.set(1, -1);
            call.expect_reference();
        }
    });
}

// In the caller's view an extent of 1 may have any stride.
TEST_P(Edges, strides_of_extents_of_one_do_not_count) {
    for_each_setting([](Case k) {
        k.n = 1;
        Call call(k);
        halnorm_tensor x = call.x.view(), y = call.y().view();
        x.strides[0] = 123456789;
        y.strides[0] = 1;
        const halnorm_config config = call.config();
        size_t bytes = 0;
        ASSERT_EQ(halnorm_forward_inference_workspace(&config, &x, &bytes), HALNORM_OK)
            << halnorm_last_error();
        Memory workspace(bytes, HALNORM_WORKSPACE_ALIGNMENT, {}, output_fill);
        EXPECT_EQ(halnorm_forward_inference(&config, &x, nullptr, nullptr, call.moving_mean.data(),
                                            call.moving_variance.data(), &y, workspace.data(),
                                            bytes),
                  HALNORM_OK)
            << halnorm_last_error();
    });
}

HALNORM_FOR_EACH_VARIANT(Edges);

}  // namespace
