// The layer as its users meet it first: default configuration, dense tensors, whatever variant this
// machine chooses.
#include <gtest/gtest.h>

#include "call.h"
#include "variants.h"

namespace {

using namespace test;

// x = paddle.randn([3, 10, 3, 7]); BatchNorm(10).
TEST(FirstUse, image_of_ten_channels) {
    for (Pipeline pipeline : {Pipeline::training, Pipeline::inference}) {
        for (halnorm_dtype dtype : {HALNORM_FLOAT32, HALNORM_FLOAT64}) {
            Case s;
            s.pipeline = pipeline;
            s.dtype = dtype;
            s.n = 3;
            s.c = 10;
            s.s = 21;
            s.gamma = s.beta = false;
            s.threads = 0;
            Call call(s);
            call.expect_reference();
            EXPECT_EQ(call.x.view().shape[2], 3);
            EXPECT_EQ(call.x.view().shape[3], 7);
        }
    }
}

TEST(FirstUse, fully_connected) {
    for (halnorm_layout layout : {HALNORM_NCHW, HALNORM_NHWC}) {
        for (Pipeline pipeline : {Pipeline::training, Pipeline::inference}) {
            for (int64_t n : {2, 5, 128}) {
                for (int64_t c : {1, 10, 100}) {
                    Case s;
                    s.pipeline = pipeline;
                    s.layout = layout;
                    s.rank = 2;
                    s.n = n;
                    s.c = c;
                    s.s = 1;
                    s.threads = 0;
                    Call(s).expect_reference();
                }
            }
        }
    }
}

TEST(FirstUse, defaults) {
    const halnorm_config config = halnorm_default_config(10);
    EXPECT_EQ(config.num_channels, 10);
    EXPECT_EQ(config.layout, HALNORM_NCHW);
    EXPECT_EQ(config.activation, HALNORM_ACT_NONE);
    EXPECT_TRUE(isnan(config.activation_alpha));
    EXPECT_EQ(config.momentum, 0.9);
    EXPECT_EQ(config.epsilon, 1e-5);
    EXPECT_EQ(config.moving_variance_estimator, HALNORM_VARIANCE_POPULATION);
    EXPECT_EQ(config.variant, nullptr);
    EXPECT_EQ(config.threads, 0);
    EXPECT_EQ(config.executor, nullptr);
    EXPECT_EQ(config.cuda_stream, nullptr);
}

TEST(FirstUse, dense_tensors) {
    float data[24];
    const int64_t shape[] = {2, 3, 4, 1};
    const halnorm_tensor t = halnorm_dense_tensor(data, HALNORM_FLOAT32, 4, shape);
    EXPECT_EQ(t.data, data);
    EXPECT_EQ(t.dtype, HALNORM_FLOAT32);
    EXPECT_EQ(t.device, HALNORM_CPU);
    EXPECT_EQ(t.rank, 4);
    const int64_t strides[] = {12, 4, 1, 1};
    for (int axis = 0; axis < 4; axis++) {
        EXPECT_EQ(t.shape[axis], shape[axis]);
        EXPECT_EQ(t.strides[axis], strides[axis]);
    }
    EXPECT_EQ(halnorm_dense_tensor(data, HALNORM_FLOAT32, 6, shape).rank, 6);
    EXPECT_EQ(halnorm_dense_tensor(data, HALNORM_FLOAT32, 1, shape).rank, 1);
}

class WorkedCases : public VariantTest {};

void expect_all_near(const std::vector<double> &actual, const std::vector<double> &expected,
                     double tolerance) {
    ASSERT_EQ(actual.size(), expected.size());
    for (size_t i = 0; i < expected.size(); i++)
        EXPECT_NEAR(actual[i], expected[i], tolerance) << i;
}

// The numbers of docs/semantics.md, to the digits given there.
TEST_P(WorkedCases, case_1) {
    Case s;
    s.variant = GetParam();
    s.dtype = HALNORM_FLOAT64;
    s.n = 2, s.c = 1, s.s = 6;
    Call call(s);
    call.x.set({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
    call.gamma.set(0, 2);
    call.beta.set(0, 1);
    call.moving_mean.set(0, 0);
    call.moving_variance.set(0, 1);
    call.expect_reference();
    expect_all_near(call.y().values(),
                    {-2.18650869, -1.60714347, -1.02777826, -0.44841304, 0.13095218, 0.71031739,
                     1.28968261, 1.86904782, 2.44841304, 3.02777826, 3.60714347, 4.18650869},
                    5e-9);
    EXPECT_NEAR(call.saved_mean.get(0), 5.5, 1e-14);
    EXPECT_NEAR(call.saved_inv_std.get(0), 0.289682608, 5e-10);
    EXPECT_NEAR(call.moving_mean.get(0), 0.55, 1e-14);
    EXPECT_NEAR(call.moving_variance.get(0), 2.09166667, 5e-9);
}

TEST_P(WorkedCases, case_3) {
    for (halnorm_dtype dtype : {HALNORM_FLOAT32, HALNORM_FLOAT64}) {
        Case s;
        s.variant = GetParam();
        s.dtype = dtype;
        s.n = 1, s.c = 1, s.s = 9;
        s.gamma = s.beta = false;
        Call call(s);
        call.x.set(std::vector<double>(9, 100));
        call.moving_mean.set(0, 0);
        call.moving_variance.set(0, 1);
        call.expect_reference();
        EXPECT_EQ(call.y().values(), std::vector<double>(9, 0));
        EXPECT_NEAR(call.saved_inv_std.get(0), 316.227766, 5e-7);
        EXPECT_NEAR(call.moving_mean.get(0), 10, 1e-6);
        EXPECT_NEAR(call.moving_variance.get(0), 0.9, 1e-7);
    }
}

HALNORM_FOR_EACH_VARIANT(WorkedCases);

}  // namespace
