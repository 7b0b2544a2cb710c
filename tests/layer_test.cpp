// The layer of halnorm.hpp: which statistics, ownership, in place, many threads. What its calls
// compute is tested through halnorm.h; here they are compared, bit by bit, with the C calls that
// they should make.
#include <gtest/gtest.h>
#include <math.h>
#include <string.h>
#include <string>
#include <thread>
#include <vector>

#include "halnorm/halnorm.hpp"
#include "layers.h"
#include "random.h"

namespace {

using namespace test;
using halnorm::BatchNorm;
using halnorm::BatchNormOptions;
using halnorm::PreparedInference;
using halnorm::Workspace;

constexpr int64_t n = 3, channels = 5, pixels = 7;
constexpr size_t elements = n * channels * pixels;

std::vector<float> random_values(uint64_t seed, size_t count = elements) {
    Random random(seed);
    std::vector<float> values(count);
    for (float &value : values)
        value = static_cast<float>(random.normal() + 0.5);
    return values;
}

// Weight, bias and moving statistics that are not what a layer starts with.
void fill(BatchNorm &layer) {
    for (int64_t c = 0; c < channels; c++) {
        const float f = static_cast<float>(c);
        if (layer.weight().data)
            layer.weight().as<float>()[c] = 1.5f - 0.25f * f;
        if (layer.bias().data)
            layer.bias().as<float>()[c] = 0.125f * f;
        layer.moving_mean().as<float>()[c] = 0.5f + 0.0625f * f;
        layer.moving_variance().as<float>()[c] = 2 + 0.5f * f;
    }
}

halnorm_tensor view(std::vector<float> &values) {
    return halnorm::tensor(values.data(), {n, channels, pixels});
}
halnorm::InputTensor view(const std::vector<float> &values) {
    return halnorm::tensor(values.data(), {n, channels, pixels});
}

// The C calls that a layer with these options should make.
struct Expected {
    std::vector<float> y = std::vector<float>(elements), mean, variance;
    std::vector<double> saved_mean = std::vector<double>(channels), saved_inv_std = saved_mean;

    Expected(BatchNorm &layer, const halnorm_config &config, const std::vector<float> &x,
             bool batch)
        : mean(copy_of<float>(layer.moving_mean())),
          variance(copy_of<float>(layer.moving_variance())) {
        const halnorm_tensor in = view(x).view, out = view(y);
        size_t bytes = 0;
        Workspace workspace;
        const auto size =
            batch ? halnorm_forward_training_workspace : halnorm_forward_inference_workspace;
        EXPECT_EQ(size(&config, &in, &bytes), HALNORM_OK);
        EXPECT_TRUE(workspace.reserve(bytes).ok());
        const void *gamma = layer.weight().data, *beta = layer.bias().data;
        EXPECT_EQ(batch ? halnorm_forward_training(&config, &in, gamma, beta, mean.data(),
                                                   variance.data(), &out, saved_mean.data(),
                                                   saved_inv_std.data(), workspace.data(), bytes) :
                          halnorm_forward_inference(&config, &in, gamma, beta, mean.data(),
                                                    variance.data(), &out, workspace.data(), bytes),
                  HALNORM_OK)
            << halnorm_last_error();
    }
};

TEST(Layer, StartsAsPaddles) {
    BatchNorm layer = make(with_channels(channels));
    EXPECT_TRUE(layer);
    EXPECT_EQ(layer.num_channels(), channels);
    EXPECT_EQ(layer.dtype(), HALNORM_FLOAT32);
    EXPECT_FALSE(layer.is_test());
    EXPECT_TRUE(layer.uses_batch_statistics());
    EXPECT_EQ(copy_of<float>(layer.weight()), std::vector<float>(channels, 1));
    EXPECT_EQ(copy_of<float>(layer.bias()), std::vector<float>(channels, 0));
    EXPECT_EQ(copy_of<float>(layer.moving_mean()), std::vector<float>(channels, 0));
    EXPECT_EQ(copy_of<float>(layer.moving_variance()), std::vector<float>(channels, 1));
    EXPECT_EQ(layer.saved_mean(), nullptr);
    EXPECT_EQ(layer.saved_inv_std(), nullptr);

    const BatchNormOptions o;
    EXPECT_EQ(o.momentum, 0.9);
    EXPECT_EQ(o.epsilon, 1e-5);
    EXPECT_EQ(o.act, HALNORM_ACT_NONE);
    EXPECT_EQ(o.data_layout, HALNORM_NCHW);
    EXPECT_EQ(o.moving_variance_estimator, HALNORM_VARIANCE_POPULATION);
    EXPECT_TRUE(o.do_model_average_for_mean_and_var && o.param_attr.present && o.bias_attr.present);
    EXPECT_FALSE(o.is_test || o.in_place || o.use_global_stats || o.trainable_statistics);
}

TEST(Layer, FirstWorkedCase) {
    BatchNormOptions options;
    options.num_channels = 1;
    options.dtype = HALNORM_FLOAT64;
    BatchNorm layer = make(options);
    layer.weight().as<double>()[0] = 2;
    layer.bias().as<double>()[0] = 1;
    double x[12], y[12];
    for (int i = 0; i < 12; i++)
        x[i] = i;
    ASSERT_TRUE(
        layer.forward(halnorm::tensor(x, {2, 1, 2, 3}), halnorm::tensor(y, {2, 1, 2, 3})).ok());
    EXPECT_NEAR(y[0], -2.18650869, 5e-9);
    EXPECT_NEAR(y[11], 4.18650869, 5e-9);
    EXPECT_NEAR(layer.saved_mean()[0], 5.5, 1e-14);
    EXPECT_NEAR(layer.saved_inv_std()[0], 0.289682608, 5e-10);
    EXPECT_NEAR(layer.moving_mean().as<double>()[0], 0.55, 1e-15);
    EXPECT_NEAR(layer.moving_variance().as<double>()[0], 2.09166667, 5e-9);
    EXPECT_EQ(layer.weight().as<float>(), nullptr) << "of another dtype";
}

// is_test x use_global_stats x trainable_statistics x (mode from the options, or by train() and
// eval())
class LayerStatistics : public testing::TestWithParam<std::tuple<bool, bool, bool, bool>> {};

TEST_P(LayerStatistics, FollowTheTable) {
    const auto [is_test, use_global_stats, trainable_statistics, switched] = GetParam();
    const bool batch = use_global_stats ? false :
                       is_test          ? trainable_statistics :
                                          true;  // the table, row by row
    BatchNormOptions options = with_channels(channels);
    options.is_test = is_test != switched;
    options.use_global_stats = use_global_stats;
    options.trainable_statistics = trainable_statistics;
    BatchNorm layer = make(options);
    if (switched)
        is_test ? layer.eval() : layer.train();
    ASSERT_EQ(layer.is_test(), is_test);
    EXPECT_EQ(layer.uses_batch_statistics(), batch);

    fill(layer);
    const std::vector<float> x = random_values(1), mean = copy_of<float>(layer.moving_mean()),
                             variance = copy_of<float>(layer.moving_variance());
    const Expected expected(layer, halnorm_default_config(channels), x, batch);
    std::vector<float> y(elements);
    ASSERT_TRUE(layer.forward(view(x), view(y)).ok());
    EXPECT_TRUE(same_bits(y, expected.y));
    EXPECT_TRUE(same_bits(copy_of<float>(layer.moving_mean()), expected.mean));
    EXPECT_TRUE(same_bits(copy_of<float>(layer.moving_variance()), expected.variance));
    EXPECT_EQ(same_bits(copy_of<float>(layer.moving_mean()), mean), !batch);
    EXPECT_EQ(same_bits(copy_of<float>(layer.moving_variance()), variance), !batch);
    ASSERT_EQ(layer.saved_mean() != nullptr, batch);
    ASSERT_EQ(layer.saved_inv_std() != nullptr, batch);
    for (int64_t c = 0; batch && c < channels; c++) {
        EXPECT_EQ(layer.saved_mean()[c], expected.saved_mean[static_cast<size_t>(c)]);
        EXPECT_EQ(layer.saved_inv_std()[c], expected.saved_inv_std[static_cast<size_t>(c)]);
    }
}

INSTANTIATE_TEST_SUITE_P(, LayerStatistics,
                         testing::Combine(testing::Bool(), testing::Bool(), testing::Bool(),
                                          testing::Bool()));

TEST(Layer, KeepsSavedStatisticsThroughInference) {
    BatchNorm layer = make(with_channels(channels));
    const std::vector<float> x = random_values(2);
    std::vector<float> y(elements);
    ASSERT_TRUE(layer.forward(view(x), view(y)).ok());
    const std::vector<double> saved(layer.saved_mean(), layer.saved_mean() + channels);
    layer.eval();
    ASSERT_TRUE(layer.forward(view(random_values(3)), view(y)).ok());
    EXPECT_EQ(std::vector<double>(layer.saved_mean(), layer.saved_mean() + channels), saved);
}

TEST(Layer, InPlaceGivesTheSameBits) {
    for (const bool is_test : {false, true}) {
        BatchNormOptions options = with_channels(channels);
        options.is_test = is_test;
        options.act = HALNORM_ACT_TANH;
        BatchNorm separate = make(options);
        options.in_place = true;
        BatchNorm in_place = make(options);
        fill(separate);
        fill(in_place);
        std::vector<float> x = random_values(4), y(elements);
        ASSERT_TRUE(
            separate.forward(view(static_cast<const std::vector<float> &>(x)), view(y)).ok());
        ASSERT_TRUE(in_place.forward(view(x)).ok());
        EXPECT_TRUE(same_bits(x, y));
        EXPECT_TRUE(same_bits(copy_of<float>(separate.moving_mean()),
                              copy_of<float>(in_place.moving_mean())));
    }
}

TEST(Layer, InPlaceHasToBeAskedFor) {
    for (const bool is_test : {false, true}) {
        BatchNormOptions options = with_channels(channels);
        options.is_test = is_test;
        BatchNorm layer = make(options);
        const std::vector<float> before = random_values(5);
        std::vector<float> x = before;
        EXPECT_EQ(layer.forward(view(x)).code, HALNORM_ERROR_OVERLAP);
        EXPECT_TRUE(same_bits(x, before));
        EXPECT_EQ(copy_of<float>(layer.moving_mean()), std::vector<float>(channels, 0));
    }
}

TEST(Layer, InPlaceIsNoPartialOverlap) {
    for (const bool is_test : {false, true}) {
        BatchNormOptions options = with_channels(channels);
        options.is_test = is_test;
        options.in_place = true;
        BatchNorm layer = make(options);
        const std::vector<float> before = random_values(5, elements + 1);
        std::vector<float> x = before;
        const halnorm_tensor shifted = halnorm::tensor(x.data() + 1, {n, channels, pixels});
        EXPECT_EQ(layer.forward(view(x), shifted).code, HALNORM_ERROR_OVERLAP);
        EXPECT_TRUE(same_bits(x, before));
    }
}

TEST(Layer, ManyThreadsInferOnOne) {
    BatchNormOptions options = with_channels(channels);
    options.is_test = true;
    for (const int32_t threads : {1, 2}) {
        options.threads = threads;
        BatchNorm layer = make(options);
        fill(layer);
        const std::vector<float> x = random_values(6);
        const Expected expected(layer, halnorm_default_config(channels), x, false);
        std::vector<std::thread> users;
        std::vector<int> wrong(8);
        for (size_t user = 0; user < wrong.size(); user++) {
            users.emplace_back([&, user] {
                Workspace workspace;
                const BatchNorm &shared = layer;
                for (int i = 0; i < 500; i++) {
                    std::vector<float> y(elements), z(elements);
                    if (!shared.infer(view(x), view(y), workspace).ok() ||
                        !same_bits(y, expected.y))
                        wrong[user]++;
                    if (!layer.forward(view(x), view(z)).ok() || !same_bits(z, expected.y))
                        wrong[user]++;
                }
            });
        }
        for (std::thread &user : users)
            user.join();
        EXPECT_EQ(wrong, std::vector<int>(wrong.size(), 0));
    }
}

TEST(Layer, InferUsesMovingStatisticsInEveryMode) {
    BatchNorm layer = make(with_channels(channels));
    fill(layer);
    const std::vector<float> x = random_values(7);
    const Expected expected(layer, halnorm_default_config(channels), x, false);
    std::vector<float> y(elements);
    Workspace workspace;
    ASSERT_TRUE(layer.infer(view(x), view(y), workspace).ok());
    EXPECT_TRUE(same_bits(y, expected.y));
    EXPECT_TRUE(same_bits(copy_of<float>(layer.moving_mean()), expected.mean));
}

// What a prepared one needs no more: the layer, its weights, and data in the tensors of prepare().
TEST(Layer, PreparesInferenceOnceForAll) {
    for (bool add : {false, true}) {
        PreparedInference prepared, moved;
        const std::vector<float> x = random_values(7), z = random_values(8);
        std::vector<float> expected(elements), y(elements);
        {
            BatchNormOptions options = with_channels(channels);
            options.act = HALNORM_ACT_RELU;
            BatchNorm layer = make(options);
            fill(layer);
            layer.eval();
            const float *const none = nullptr;
            float *const nowhere = nullptr;
            const auto in = halnorm::tensor(none, {n, channels, pixels});
            const auto out = halnorm::tensor(nowhere, {n, channels, pixels});
            ASSERT_TRUE((add ? layer.forward_add(view(x), view(z), view(expected)) :
                               layer.forward(view(x), view(expected)))
                            .ok());
            ASSERT_TRUE((add ? layer.prepare_add(in, in, out, &prepared) :
                               layer.prepare(in, out, &prepared))
                            .ok());
            layer.weight().as<float>()[0] = 1000;
            layer.train();
        }
        EXPECT_TRUE(prepared);
        moved = std::move(prepared);
        EXPECT_FALSE(prepared);
        const auto run = [&](const PreparedInference &p) {
            return add ? p.run_add(x.data(), z.data(), y.data()) : p.run(x.data(), y.data());
        };
        ASSERT_TRUE(run(moved).ok());
        EXPECT_TRUE(same_bits(y, expected));
        expect_refused(run(prepared), HALNORM_ERROR_NULL, {"prepared", "BatchNorm::prepare"});
    }
}

TEST(Layer, PreparedInferenceRefuses) {
    BatchNorm layer = make(with_channels(channels));
    std::vector<float> x = random_values(9), y(elements);
    const std::vector<float> before = x;
    PreparedInference prepared;
    expect_refused(BatchNorm().prepare(view(x), view(y), &prepared), HALNORM_ERROR_NULL, {"layer"});
    expect_refused(layer.prepare(view(x), view(y), nullptr), HALNORM_ERROR_NULL, {"prepared"});
    std::vector<double> wide(elements);
    const auto doubles = halnorm::tensor(wide.data(), {n, channels, pixels});
    expect_refused(layer.prepare(doubles, doubles, &prepared), HALNORM_ERROR_DTYPE, {"x.dtype"});
    expect_refused(
        layer.prepare(view(x), halnorm::tensor(y.data(), {n, channels, pixels - 1}), &prepared),
        HALNORM_ERROR_SHAPE, {"y.shape[2]"});
    EXPECT_FALSE(prepared);

    ASSERT_TRUE(layer.prepare(view(x), view(y), &prepared).ok());
    EXPECT_EQ(layer.prepare(doubles, doubles, &prepared).code, HALNORM_ERROR_DTYPE);
    ASSERT_TRUE(prepared) << "a failure took what there was";
    expect_refused(prepared.run(wide.data(), wide.data()), HALNORM_ERROR_DTYPE, {"float"});
    expect_refused(prepared.run(x.data(), x.data()), HALNORM_ERROR_OVERLAP, {"options.in_place"});
    expect_refused(prepared.run(x.data(), x.data() + 1), HALNORM_ERROR_OVERLAP, {"y", "x"});
    expect_refused(prepared.run(nullptr, y.data()), HALNORM_ERROR_NULL, {"x"});
    expect_refused(prepared.run_add(x.data(), x.data(), y.data()), HALNORM_ERROR_PARAMETER, {"z"});
    EXPECT_TRUE(same_bits(x, before));
    EXPECT_TRUE(same_bits(y, std::vector<float>(elements)));

    BatchNormOptions options = with_channels(channels);
    options.in_place = true;
    ASSERT_TRUE(make(options).prepare(view(x), view(x), &prepared).ok());
    ASSERT_TRUE(prepared.run(before.data(), y.data()).ok());
    ASSERT_TRUE(prepared.run(x.data(), x.data()).ok());
    EXPECT_TRUE(same_bits(x, y));
}

TEST(Layer, MovesWithItsMemory) {
    BatchNorm first = make(with_channels(channels));
    fill(first);
    const float *weight = first.weight().as<float>();
    BatchNorm second = std::move(first), third;
    third = std::move(second);
    EXPECT_EQ(third.weight().as<float>(), weight);
    const std::vector<float> x = random_values(8);
    std::vector<float> y(elements);
    EXPECT_TRUE(third.forward(view(x), view(y)).ok());
    EXPECT_FALSE(second);
    EXPECT_EQ(second.forward(view(x), view(y)).code, HALNORM_ERROR_NULL);
    EXPECT_EQ(second.weight().data, nullptr);
    EXPECT_EQ(second.num_channels(), 0);
    second.eval();
    EXPECT_FALSE(second.is_test());
}

}  // namespace
