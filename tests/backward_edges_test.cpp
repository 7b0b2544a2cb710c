// The edges of the backward pass: one element per channel, none, no variance, a negative variance,
// and what NaN and infinities reach.
#include <gtest/gtest.h>
#include <math.h>

#include "backward_call.h"
#include "options.h"
#include "variants.h"

namespace {

using namespace test;

class EdgesBackward : public VariantTest {
protected:
    template<typename Body>
    void for_each_setting(Body body) {
        BackwardCase k;
        k.variant = GetParam();
        k.n = 3, k.c = 7, k.s = 20;
        for_each_layout_and_dtype(k, body);
    }

    // The shapes at whose ends vectors begin and end.
    template<typename Body>
    void for_each_shape(Body body) {
        for_each_setting([&](BackwardCase k) {
            for (int64_t c : {1, 3, 17, 64, 257}) {
                for (int64_t s : {1, 49, 67, 1100}) {
                    if (c * s > (options.reduced ? 1200 : 8000))
                        continue;
                    k.rank = s == 1 ? 2 : 4;
                    k.c = c, k.s = s;
                    body(k);
                }
            }
        });
    }

    // Of channel `c`, at the start, in the middle and at the end.
    static std::vector<size_t> places(const BackwardCall &call, size_t c) {
        const reference::Array x = call.input().x;
        std::vector<size_t> own;
        for (size_t i = 0; i < x.values.size(); i++) {
            if (x.channel_of(i) == c)
                own.push_back(i);
        }
        return {own.front(), own[own.size() / 2], own.back()};
    }
};

// dx = dz = dy * act'(x + z) bit for bit where act' is 0 or 1, whatever gamma, beta and epsilon
// are.
TEST_P(EdgesBackward, one_element_per_channel) {
    for_each_setting([](BackwardCase k) {
        for (int rank = 2; rank <= 5; rank++) {
            for (halnorm_activation activation :
                 {HALNORM_ACT_NONE, HALNORM_ACT_RELU, HALNORM_ACT_TANH, HALNORM_ACT_HARDSIGMOID}) {
                for (int option = 0; option < 8; option++) {
                    k.rank = rank;
                    k.n = k.s = 1;
                    k.c = 70;
                    k.activation = activation;
                    k.epsilon = rank % 2 == 0 ? 1e-5 : 0;
                    k.add = k.dz = option % 2;
                    k.over = option / 2 % 2 ? Over::dx : Over::nothing;
                    k.cuts = option / 4 ? std::vector<int64_t>{0, 1} : std::vector<int64_t>{};
                    BackwardCall call(k);
                    const std::vector<double> dy = call.dy.values();
                    call.expect_reference();
                    EXPECT_EQ(call.dgamma.values(), std::vector<double>(70, 0));
                    EXPECT_EQ(call.dbeta.values(), std::vector<double>(70, 0));
                    if (activation == HALNORM_ACT_NONE) {
                        EXPECT_EQ(call.dx().values(), dy);
                    }
                }
            }
        }
        k.rank = 2, k.n = k.s = 1, k.c = 70;
        k.add = k.dz = false;
        for (halnorm_activation activation :
             {HALNORM_ACT_NONE, HALNORM_ACT_LEAKY_RELU, HALNORM_ACT_ELU}) {
            k.activation = activation;
            k.from_y = true;
            k.batch = true;
            BackwardCall(k).expect_reference();
            k.batch = false;
            BackwardCall(k).expect_reference();
        }
    });
}

TEST_P(EdgesBackward, no_elements) {
    for_each_setting([](BackwardCase k) {
        for (bool batch : {true, false}) {
            for (int rank = 2; rank <= 5; rank++) {
                k.gamma = k.beta = rank != 2;
                for (int empty = 0; empty < rank; empty++) {
                    if (empty == (k.layout == HALNORM_NCHW ? 1 : rank - 1))
                        continue;
                    k.batch = batch;
                    k.rank = rank;
                    k.s = rank == 2 ? 1 : 8;
                    SCOPED_TRACE(k.describe() + ", axis " + std::to_string(empty) + " empty");
                    BackwardCall call(k);  // for its vectors; the tensors become empty views
                    halnorm_backward_args a = call.args();
                    halnorm_tensor x = *a.x, dy = *a.dy, dx = *a.dx;
                    x.shape[empty] = dy.shape[empty] = dx.shape[empty] = 0;
                    a.x = &x, a.dy = &dy, a.dx = &dx;
                    const auto before = call.dx().bits();
                    const halnorm_config config = call.config();
                    const std::vector<double> zeros(7, 0);
                    for (bool data : {true, false}) {  // nothing to point to is fine
                        if (!data)
                            x.data = dy.data = dx.data = nullptr;
                        for (Tensor *t : {&call.dgamma, &call.dbeta, &call.sum_g, &call.sum_g_xhat})
                            t->set(std::vector<double>(7, NAN));
                        double *const g = static_cast<double *>(call.sum_g.data());
                        double *const g_xhat = static_cast<double *>(call.sum_g_xhat.data());
                        size_t bytes = 1;
                        ASSERT_EQ(halnorm_backward_workspace(&config, &a, &bytes), HALNORM_OK)
                            << halnorm_last_error();
                        Memory workspace(bytes, HALNORM_WORKSPACE_ALIGNMENT, {}, output_fill);
                        EXPECT_EQ(halnorm_backward(&config, &a, workspace.data(), bytes),
                                  HALNORM_OK)
                            << halnorm_last_error();
                        EXPECT_EQ(call.dgamma.values(), zeros);
                        EXPECT_EQ(call.dbeta.values(), zeros);

                        ASSERT_EQ(halnorm_backward_reduce_workspace(&config, &a, &bytes),
                                  HALNORM_OK);
                        Memory second(bytes, HALNORM_WORKSPACE_ALIGNMENT, {}, output_fill);
                        EXPECT_EQ(
                            halnorm_backward_reduce(&config, &a, g, g_xhat, second.data(), bytes),
                            HALNORM_OK)
                            << halnorm_last_error();
                        EXPECT_EQ(call.sum_g.values(), zeros);
                        EXPECT_EQ(call.sum_g_xhat.values(), zeros);
                        // An empty part of a batch that has elements elsewhere.
                        call.sum_g.set(std::vector<double>(7, 3));
                        call.sum_g_xhat.set(std::vector<double>(7, -2));
                        ASSERT_EQ(halnorm_backward_apply_workspace(&config, &a, &bytes),
                                  HALNORM_OK);
                        Memory third(bytes, HALNORM_WORKSPACE_ALIGNMENT, {}, output_fill);
                        EXPECT_EQ(
                            halnorm_backward_apply(&config, &a, 5, g, g_xhat, third.data(), bytes),
                            HALNORM_OK)
                            << halnorm_last_error();
                        EXPECT_EQ(call.dbeta.values(), std::vector<double>(7, 3));
                        EXPECT_EQ(call.dgamma.values(), std::vector<double>(7, -2));
                    }
                    EXPECT_TRUE(call.dx().bits() == before) << "dx was written";
                }
            }
        }
    });
}

// A constant channel: xhat is 0, so dgamma is 0 and nothing is infinite.
TEST_P(EdgesBackward, constant_channels) {
    for_each_setting([](BackwardCase k) {
        for (double epsilon : {1e-5, 0.0}) {
            k.epsilon = epsilon;
            k.activation = HALNORM_ACT_TANH;
            k.add = k.dz = true;
            BackwardCall call(k);
            const reference::Array shape = call.input().x;
            std::vector<double> x = call.x.values();
            for (size_t i = 0; i < x.size(); i++)
                x[i] = shape.channel_of(i) == 2 ? 100.125 : x[i];
            call.forward(x);
            call.expect_reference();
            EXPECT_EQ(call.dgamma.get(2), 0);
            for (size_t i = 0; i < x.size(); i++) {
                if (shape.channel_of(i) == 2 && epsilon == 0) {
                    EXPECT_EQ(call.dx().get(i), 0);
                }
            }
        }
    });
}

// moving_variance + epsilon == 0: dx = 0, as y was beta; below 0 the channel is NaN, the others are
// not.
TEST_P(EdgesBackward, moving_variance_of_minus_epsilon_and_below) {
    for_each_setting([](BackwardCase k) {
        k.batch = false;
        k.epsilon = 0.5;
        BackwardCall call(k);
        call.inv_std.set(1, -0.5);
        call.inv_std.set(3, -0.25);  // the sum is still positive
        call.inv_std.set(6, -2);
        call.expect_reference();
        const reference::Array shape = call.input().x;
        for (size_t i = 0; i < call.x.size(); i++) {
            const size_t c = shape.channel_of(i);
            EXPECT_EQ(isnan(call.dx().get(i)), c == 6) << i;
            if (c == 1) {
                EXPECT_EQ(call.dx().get(i), 0);
            }
        }
        EXPECT_EQ(call.dgamma.get(1), 0);
        EXPECT_TRUE(isnan(call.dgamma.get(6)));
    });
}

TEST_P(EdgesBackward, large_epsilon_and_gamma_zero) {
    for_each_setting([](BackwardCase k) {
        for (bool batch : {true, false}) {
            k.batch = batch;
            k.epsilon = 1e6;
            BackwardCall(k).expect_reference();
            k.epsilon = 1e-5;
            BackwardCall call(k);
            call.gamma.set(0, 0);
            call.gamma.set(1, -1);
            call.expect_reference();
            const reference::Array shape = call.input().x;
            for (size_t i = 0; i < call.x.size(); i++) {
                if (shape.channel_of(i) == 0) {
                    EXPECT_EQ(call.dx().get(i), 0);
                }
            }
        }
    });
}

// An elu that has rounded to -alpha gives finite gradients.
TEST_P(EdgesBackward, saturated_elu_from_y) {
    for_each_setting([](BackwardCase k) {
        k.from_y = true;
        k.activation = HALNORM_ACT_ELU;
        for (double alpha : {1.0, 0.5}) {
            k.alpha = alpha;
            BackwardCall call(k);
            const reference::Array shape = call.input().x;
            for (size_t i = 0; i < call.x.size(); i++) {
                if (shape.channel_of(i) == 3 && i % 3 == 0)
                    call.x.set(i, -alpha);
            }
            call.expect_reference();
        }
    });
}

// gamma 1e-3 and 1e3 beside beta 1: from y, xhat has the digits that y has of it.
TEST_P(EdgesBackward, small_and_large_gamma_from_y) {
    for_each_setting([](BackwardCase k) {
        k.from_y = true;
        for (halnorm_activation activation :
             {HALNORM_ACT_NONE, HALNORM_ACT_LEAKY_RELU, HALNORM_ACT_ELU}) {
            k.activation = activation;
            BackwardCall call(k);
            const std::vector<double> x = call.x.values();
            call.gamma.set(0, 1e-3);
            call.gamma.set(1, activation == HALNORM_ACT_ELU ? 4 : 1e3);
            call.forward(x);
            call.expect_reference();
        }
    });
}

// Where x need not be recovered from y: dx is g, or there is nothing.
TEST_P(EdgesBackward, zero_gamma_from_y_where_it_does_not_matter) {
    for_each_setting([](BackwardCase k) {
        k.rank = 2, k.n = k.s = 1, k.c = 7;
        k.activation = HALNORM_ACT_NONE;
        k.from_y = k.batch = k.gamma = true;
        BackwardCall call(k);
        call.gamma.set(std::vector<double>(7, 0));
        EXPECT_EQ(call.run(), HALNORM_OK) << halnorm_last_error();
        EXPECT_EQ(call.dx().values(), call.dy.values());
        halnorm_backward_args a = call.args();
        halnorm_tensor y = *a.y, dy = *a.dy, dx = *a.dx;
        y.shape[0] = dy.shape[0] = dx.shape[0] = 0;
        a.y = &y, a.dy = &dy, a.dx = &dx;
        const halnorm_config config = call.config();
        EXPECT_EQ(halnorm_backward(&config, &a, nullptr, 0), HALNORM_OK) << halnorm_last_error();
        EXPECT_EQ(call.dgamma.values(), std::vector<double>(7, 0));
    });
}

// In batch mode a NaN or an infinity in dy reaches all dx of its channel and its sums; one in x
// (whose statistics then are NaN) likewise. With moving statistics dx is touched where it is.
TEST_P(EdgesBackward, special_values_in_dy_stay_in_their_channel) {
    for_each_shape([](BackwardCase k) {
        for (bool batch : {true, false}) {
            k.batch = batch;
            BackwardCall clean(k);
            ASSERT_EQ(clean.run(), HALNORM_OK) << halnorm_last_error();
            for (double value : {static_cast<double>(NAN), static_cast<double>(INFINITY)}) {
                for (size_t c : {size_t{0}, static_cast<size_t>(k.c - 1)}) {
                    for (size_t place : places(clean, c)) {
                        SCOPED_TRACE(k.describe() + ", " + std::to_string(value) + " at " +
                                     std::to_string(place));
                        BackwardCall call(k);
                        call.dy.set(place, value);
                        ASSERT_EQ(call.run(), HALNORM_OK) << halnorm_last_error();
                        const reference::Array shape = call.input().x;
                        size_t finite = 0, changed = 0;
                        for (size_t i = 0; i < call.x.size(); i++) {
                            const bool own = batch ? shape.channel_of(i) == c : i == place;
                            finite += own && isfinite(call.dx().get(i));
                            changed += !own && call.dx().get(i) != clean.dx().get(i);
                        }
                        EXPECT_EQ(finite, 0u) << "gradients that should not be finite are";
                        EXPECT_EQ(changed, 0u) << "gradients elsewhere changed";
                        for (size_t i = 0; i < call.dgamma.size(); i++) {
                            EXPECT_EQ(!isfinite(call.dgamma.get(i)), i == c) << i;
                            EXPECT_EQ(!isfinite(call.dbeta.get(i)), i == c) << i;
                        }
                        if (HasFailure())
                            return;
                    }
                }
            }
        }
    });
}

TEST_P(EdgesBackward, special_values_in_x_stay_in_their_channel) {
    for_each_shape([](BackwardCase k) {
        for (bool batch : {true, false}) {
            k.batch = batch;
            k.activation = HALNORM_ACT_TANH;
            BackwardCall clean(k);
            const std::vector<double> x = clean.x.values();
            ASSERT_EQ(clean.run(), HALNORM_OK) << halnorm_last_error();
            const size_t c = static_cast<size_t>(k.c - 1);
            for (size_t place : places(clean, c)) {
                SCOPED_TRACE(k.describe() + ", NaN at " + std::to_string(place));
                std::vector<double> spoilt = x;
                spoilt[place] = NAN;
                BackwardCall call(k);
                call.forward(spoilt);
                ASSERT_EQ(call.run(), HALNORM_OK) << halnorm_last_error();
                const reference::Array shape = call.input().x;
                size_t wrong = 0;
                for (size_t i = 0; i < x.size(); i++) {
                    const bool own = batch ? shape.channel_of(i) == c : i == place;
                    wrong += own ? !isnan(call.dx().get(i)) : call.dx().get(i) != clean.dx().get(i);
                }
                EXPECT_EQ(wrong, 0u);
                for (size_t i = 0; i < call.dgamma.size(); i++) {
                    EXPECT_EQ(isnan(call.dgamma.get(i)), i == c) << i;
                    EXPECT_EQ(isnan(call.dbeta.get(i)), i == c) << i;
                }
                if (HasFailure())
                    return;
            }
        }
    });
}

TEST_P(EdgesBackward, strides_of_extents_of_one_do_not_count) {
    for_each_setting([](BackwardCase k) {
        k.n = 1;
        BackwardCall call(k);
        halnorm_backward_args a = call.args();
        halnorm_tensor x = *a.x, dy = *a.dy;
        x.strides[0] = 123456789;
        dy.strides[0] = 1;
        a.x = &x, a.dy = &dy;
        const halnorm_config config = call.config();
        size_t bytes = 0;
        ASSERT_EQ(halnorm_backward_workspace(&config, &a, &bytes), HALNORM_OK)
            << halnorm_last_error();
        Memory workspace(bytes, HALNORM_WORKSPACE_ALIGNMENT, {}, output_fill);
        EXPECT_EQ(halnorm_backward(&config, &a, workspace.data(), bytes), HALNORM_OK)
            << halnorm_last_error();
    });
}

HALNORM_FOR_EACH_VARIANT(EdgesBackward);

}  // namespace
