// Every kernel against pages that fault: tensors, gamma, beta, statistics, their gradients and the
// workspace all end right before one, or start right after one. A read or write outside is a crash,
// in a gap or beside a buffer a failure.
#include <gtest/gtest.h>

#include "backward_call.h"
#include "options.h"
#include "variants.h"

namespace {

using namespace test;

class GuardPages : public VariantTest {
protected:
    template<typename Body>
    void for_each_setting(Pipeline pipeline, Body body) {
        for_each_shape([&](const Setting &setting) {
            Case k;
            static_cast<Setting &>(k) = setting;
            k.pipeline = pipeline;
            body(k);
        });
    }

    // Extents that are multiples of nothing, and of everything; rows and channels shorter than any
    // vector.
    template<typename Body>
    void for_each_shape(Body body) {
        const int64_t shapes[][3] = {
            {1, 1, 1},    {2, 1, 1},    {1, 1, 2},     {1, 2, 3},   {3, 3, 3},    {2, 5, 7},
            {1, 10, 49},  {5, 13, 49},  {7, 17, 4},    {3, 31, 15}, {2, 33, 16},  {64, 10, 1},
            {63, 10, 1},  {100, 3, 1},  {31, 257, 1},  {2, 65, 63}, {4, 16, 64},  {3, 6, 1025},
            {1, 3, 4099}, {17, 100, 3}, {2, 129, 100}, {40, 48, 9}, {1, 1000, 2}, {70, 7, 33},
        };
        for (halnorm_layout layout : {HALNORM_NCHW, HALNORM_NHWC}) {
            for (halnorm_dtype dtype : {HALNORM_FLOAT32, HALNORM_FLOAT64}) {
                for (const auto &shape : shapes) {
                    if (options.reduced && shape[0] * shape[1] * shape[2] > 1500)
                        continue;
                    for (Guard guard : {Guard::before, Guard::after}) {
                        Setting k;
                        k.variant = GetParam();
                        k.layout = layout;
                        k.dtype = dtype;
                        k.n = shape[0], k.c = shape[1], k.s = shape[2];
                        k.rank = k.s == 1 ? 2 : 3;
                        k.placement.guard = guard;
                        body(k);
                    }
                }
            }
        }
    }
};

TEST_P(GuardPages, around_statistics) {
    for_each_setting(Pipeline::statistics, [](Case k) {
        Call(k).expect_reference();
        k.x_spread = Spread::channel_gap;
        Call(k).expect_reference();
    });
}

TEST_P(GuardPages, around_training) {
    for_each_setting(Pipeline::training, [](Case k) {
        Call(k).expect_reference();
        k.in_place = true;
        Call(k).expect_reference();
        k.gamma = k.beta = k.moving = k.saved = false;
        k.x_spread = Spread::channel_gap;
        Call(k).expect_reference();
    });
}

TEST_P(GuardPages, around_inference) {
    for_each_setting(Pipeline::inference, [](Case k) {
        Call(k).expect_reference();
        k.in_place = true;
        Call(k).expect_reference();
        k.gamma = k.beta = false;
        k.x_spread = Spread::channel_gap;
        Call(k).expect_reference();
    });
}

TEST_P(GuardPages, around_the_second_addend) {
    for (Pipeline pipeline : {Pipeline::inference, Pipeline::training}) {
        for_each_setting(pipeline, [](Case k) {
            k.add = true;
            Call(k).expect_reference();
            k.over_z = true;
            k.y_spread = Spread::channel_gap;
            Call(k).expect_reference();
        });
    }
}

TEST_P(GuardPages, around_backward) {
    for_each_shape([](const Setting &setting) {
        BackwardCase k;
        static_cast<Setting &>(k) = setting;
        BackwardCall(k).expect_reference();
        k.activation = HALNORM_ACT_TANH;
        k.dx = false;  // g has no place of its own
        BackwardCall(k).expect_reference();
        k.add = k.dx = k.dz = true;
        k.batch = false;
        k.over = Over::dz;
        k.x_spread = Spread::channel_gap;
        BackwardCall(k).expect_reference();
        k.dgamma = k.dbeta = k.gamma = k.beta = k.add = k.dz = false;
        k.over = Over::dx;
        k.dy_spread = Spread::channel_gap;
        k.cuts = {0, k.n / 2, k.n};
        BackwardCall(k).expect_reference();
        k.activation = HALNORM_ACT_LEAKY_RELU;
        k.from_y = k.batch = true;
        k.cuts = {};
        BackwardCall(k).expect_reference();
    });
}

// Each activation is a branch of the kernel with loops of its own.
TEST_P(GuardPages, around_every_activation) {
    const int64_t shapes[][3] = {{3, 7, 13}, {5, 17, 1}, {2, 3, 35}};
    for (const auto &shape : shapes) {
        for (halnorm_layout layout : {HALNORM_NCHW, HALNORM_NHWC}) {
            for (halnorm_dtype dtype : {HALNORM_FLOAT32, HALNORM_FLOAT64}) {
                for (int a = 0; a < HALNORM_ACT_COUNT; a++) {
                    for (Guard guard : {Guard::before, Guard::after}) {
                        Case k;
                        k.variant = GetParam();
                        k.pipeline = Pipeline::inference;
                        k.layout = layout;
                        k.dtype = dtype;
                        k.n = shape[0], k.c = shape[1], k.s = shape[2];
                        k.rank = k.s == 1 ? 2 : 3;
                        k.activation = static_cast<halnorm_activation>(a);
                        k.placement.guard = guard;
                        Call(k).expect_reference();
                        BackwardCase b;
                        static_cast<Setting &>(b) = k;
                        b.dx = a % 2 == 0;  // without it, g has no place of its own
                        BackwardCall(b).expect_reference();
                    }
                }
            }
        }
    }
}

// What the size query says has to be enough for every number of threads, and no more than it says
// is used.
TEST_P(GuardPages, around_the_workspace_with_threads) {
    if (options.reduced)
        GTEST_SKIP() << "larger than an emulated machine likes";
    for (Pipeline pipeline : {Pipeline::inference, Pipeline::training, Pipeline::statistics}) {
        for (halnorm_layout layout : {HALNORM_NCHW, HALNORM_NHWC}) {
            for (int threads : {1, 2, 8}) {
                Case k;
                k.variant = GetParam();
                k.pipeline = pipeline;
                k.layout = layout;
                k.n = 9, k.c = 65, k.s = 400;
                k.threads = threads;
                Call(k).expect_reference();
                if (pipeline != Pipeline::training)
                    continue;
                for (bool dx : {true, false}) {
                    BackwardCase b;
                    static_cast<Setting &>(b) = k;
                    b.activation = HALNORM_ACT_SILU;
                    b.dx = dx;
                    BackwardCall(b).expect_reference();
                    b.cuts = {0, 5, 9};
                    BackwardCall(b).expect_reference();
                }
            }
        }
    }
}

HALNORM_FOR_EACH_VARIANT(GuardPages);

}  // namespace
