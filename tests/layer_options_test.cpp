// The options of the layer: every parameter reaches the call, or is refused; bad ones give a status
// and a message.
#include <gtest/gtest.h>
#include <math.h>
#include <set>
#include <string.h>
#include <string>
#include <vector>

#include "executors.h"
#include "halnorm/halnorm.hpp"
#include "layers.h"

namespace {

using namespace test;
using halnorm::BatchNorm;
using halnorm::BatchNormOptions;
using halnorm::ParamAttr;
using halnorm::Status;

// y of one forward pass over (2, 3, 2) or (2, 2, 3).
std::vector<double> forward(const BatchNormOptions &options) {
    BatchNormOptions o = options;
    o.dtype = HALNORM_FLOAT64;
    BatchNorm layer = make(o);
    const double x[12] = {1, 2, -3, 4, 0.5, 6, -7, 8, 9, -1, 1.5, 2.5};
    std::vector<double> y(12);
    const bool nchw = options.data_layout == HALNORM_NCHW;
    const auto shape = [&](auto *data) {
        return nchw ? halnorm::tensor(data, {2, 3, 2}) : halnorm::tensor(data, {2, 2, 3});
    };
    const Status status = layer.forward(shape(x), shape(y.data()));
    EXPECT_TRUE(status.ok()) << status.message;
    for (const halnorm::Vector &v : {layer.moving_mean(), layer.moving_variance()}) {
        y.insert(y.end(), v.as<double>(), v.as<double>() + v.size);
    }
    return y;
}

TEST(LayerOptions, EachReachesTheCall) {
    std::set<std::vector<double>> results = {forward(with_channels(3))};
    const auto expect_another = [&](const char *what, const auto &change) {
        BatchNormOptions options = with_channels(3);
        change(options);
        EXPECT_TRUE(results.insert(forward(options)).second) << what << " changed nothing";
    };
    expect_another("act", [](auto &o) { o.act = HALNORM_ACT_LEAKY_RELU; });
    expect_another("act_alpha",
                   [](auto &o) { o.act = HALNORM_ACT_LEAKY_RELU, o.act_alpha = 0.25; });
    expect_another("momentum", [](auto &o) { o.momentum = 0.5; });
    expect_another("epsilon", [](auto &o) { o.epsilon = 0.5; });
    expect_another("param_attr", [](auto &o) { o.param_attr = halnorm::Initializer::constant(2); });
    expect_another("bias_attr", [](auto &o) { o.bias_attr = halnorm::Initializer::constant(2); });
    expect_another("cumulative_average", [](auto &o) { o.cumulative_average = true; });
    expect_another("data_layout", [](auto &o) { o.data_layout = HALNORM_NHWC; });
    expect_another("moving_variance_estimator",
                   [](auto &o) { o.moving_variance_estimator = HALNORM_VARIANCE_SAMPLE; });
    expect_another("is_test", [](auto &o) { o.is_test = true; });
}

TEST(LayerOptions, VariantIsCopied) {
    char name[] = "generic";
    BatchNormOptions options = with_channels(1);
    options.variant = name;
    BatchNorm layer = make(options);
    memset(name, 'x', sizeof name - 1);
    float x[2] = {1, 2}, y[2];
    ASSERT_TRUE(layer.forward(halnorm::tensor(x, {2, 1}), halnorm::tensor(y, {2, 1})).ok());
    EXPECT_STREQ(halnorm_last_variant(), "generic");
}

TEST(LayerOptions, ExecutorIsCopied) {
    ReverseExecutor reverse;
    BatchNormOptions options = with_channels(64);
    BatchNorm layer;
    {
        halnorm_executor executor = *reverse.get();
        options.executor = &executor;
        layer = make(options);
        executor.parallel_for = nullptr;
    }
    std::vector<float> x(16 * 64 * 400, 1), y(x.size());
    const Status status = layer.forward(halnorm::tensor(x.data(), {16, 64, 400}),
                                        halnorm::tensor(y.data(), {16, 64, 400}));
    EXPECT_TRUE(status.ok()) << status.message;
    EXPECT_GT(reverse.tasks(), 0);
}

TEST(LayerOptions, WeightAndBiasMayBeAbsent) {
    const std::vector<double> both = forward(with_channels(3));
    BatchNormOptions options = with_channels(3);
    options.param_attr = false;
    options.bias_attr = false;
    EXPECT_EQ(forward(options), both);
    BatchNorm layer = make(options);
    EXPECT_EQ(layer.weight().data, nullptr);
    EXPECT_EQ(layer.weight().size, 0);
    EXPECT_EQ(layer.bias().data, nullptr);
    EXPECT_NE(layer.moving_mean().data, nullptr);
    options.param_attr = nullptr;  // "none", and true, are the default
    options.bias_attr = true;
    EXPECT_NE(make(options).weight().data, nullptr);
    EXPECT_NE(make(options).bias().data, nullptr);
}

// A pointer or a number is no bool.
static_assert(std::is_constructible_v<halnorm::ParamAttr, bool>);
static_assert(!std::is_constructible_v<halnorm::ParamAttr, float *>);
static_assert(!std::is_constructible_v<halnorm::ParamAttr, int>);
static_assert(!std::is_constructible_v<halnorm::ParamAttr, double>);

TEST(LayerOptions, NamesAreKeptOrGenerated) {
    std::string weight = "stem.weight";
    BatchNormOptions options = with_channels(3);
    options.param_attr = weight.c_str();
    options.bias_attr = "stem.bias";
    options.moving_mean_name = "stem.mean";
    options.moving_variance_name = "stem.variance";
    BatchNorm first = make(options), second = make(with_channels(3));
    weight.assign(weight.size(), 'x');
    EXPECT_STREQ(first.weight().name, "stem.weight");
    EXPECT_STREQ(first.bias().name, "stem.bias");
    EXPECT_STREQ(first.moving_mean().name, "stem.mean");
    EXPECT_STREQ(first.moving_variance().name, "stem.variance");
    std::set<std::string> names;
    for (BatchNorm *layer : {&first, &second}) {
        for (const halnorm::Vector &v :
             {layer->weight(), layer->bias(), layer->moving_mean(), layer->moving_variance()}) {
            EXPECT_TRUE(names.insert(v.name).second) << v.name;
            EXPECT_STRNE(v.name, "");
        }
    }
}

struct Refused {
    const char *mentions;
    halnorm_status code;
    void (*change)(BatchNormOptions &);
};

TEST(LayerOptions, BadOnesAreRefused) {
    const Refused cases[] = {
        {"num_channels", HALNORM_ERROR_PARAMETER, [](auto &o) { o.num_channels = 0; }},
        {"num_channels", HALNORM_ERROR_PARAMETER, [](auto &o) { o.num_channels = -1; }},
        {"num_channels", HALNORM_ERROR_PARAMETER,
         [](auto &o) {
             static const double one = 1;
             o.num_channels = -1, o.param_attr = halnorm::Initializer::values(&one, 1);
         }},
        {"dtype: was 7", HALNORM_ERROR_DTYPE,
         [](auto &o) { o.dtype = static_cast<halnorm_dtype>(7); }},
        {"alpha", HALNORM_ERROR_PARAMETER, [](auto &o) { o.act_alpha = 1e39; }},
        {"num_channels", HALNORM_ERROR_TOO_LARGE, [](auto &o) { o.num_channels = INT64_MAX; }},
        {"momentum", HALNORM_ERROR_PARAMETER,
         [](auto &o) { o.momentum = static_cast<double>(NAN); }},
        {"epsilon", HALNORM_ERROR_PARAMETER, [](auto &o) { o.epsilon = -1e-9; }},
        {"epsilon", HALNORM_ERROR_PARAMETER,
         [](auto &o) { o.epsilon = static_cast<double>(INFINITY); }},
        {"activation", HALNORM_ERROR_PARAMETER, [](auto &o) { o.act = HALNORM_ACT_COUNT; }},
        {"alpha", HALNORM_ERROR_PARAMETER,
         [](auto &o) { o.act_alpha = static_cast<double>(INFINITY); }},
        {"threads", HALNORM_ERROR_PARAMETER, [](auto &o) { o.threads = -1; }},
        {"generic", HALNORM_ERROR_VARIANT_UNKNOWN, [](auto &o) { o.variant = "sse9"; }},
        {"name", HALNORM_ERROR_PARAMETER, [](auto &o) { o.param_attr = ""; }},
        {"name", HALNORM_ERROR_PARAMETER, [](auto &o) { o.moving_variance_name = ""; }},
        {"name", HALNORM_ERROR_PARAMETER,
         [](auto &o) { o.param_attr = "a", o.moving_mean_name = "a"; }},
        {"name", HALNORM_ERROR_PARAMETER,
         [](auto &o) { o.bias_attr = "a", o.bias_attr.present = false; }},
    };
    BatchNorm layer = make(with_channels(7));
    const void *weight = layer.weight().data;
    for (const Refused &refused : cases) {
        BatchNormOptions options = with_channels(3);
        refused.change(options);
        const Status status = BatchNorm::create(options, &layer);
        EXPECT_EQ(status.code, refused.code) << refused.mentions << ": " << status.message;
        EXPECT_NE(std::string(status.message).find(refused.mentions), std::string::npos)
            << status.message;
        EXPECT_EQ(layer.num_channels(), 7) << "the layer stays as it was";
        EXPECT_EQ(layer.weight().data, weight);
    }
    EXPECT_EQ(BatchNorm::create(with_channels(3), nullptr).code, HALNORM_ERROR_NULL);
}

TEST(LayerCalls, BadTensorsAreRefusedAndNothingIsWritten) {
    BatchNorm empty;
    halnorm::Workspace workspace;
    float x[12] = {}, y[12];
    double wide[12] = {};
    for (float &value : y)
        value = 42;
    const auto in = halnorm::tensor(x, {2, 3, 2}), out = halnorm::tensor(y, {2, 3, 2});
    EXPECT_EQ(empty.forward(in, out).code, HALNORM_ERROR_NULL);
    EXPECT_EQ(empty.infer(in, out, workspace).code, HALNORM_ERROR_NULL);

    for (const bool is_test : {false, true}) {
        BatchNormOptions options = with_channels(3);
        options.is_test = is_test;
        BatchNorm layer = make(options);
        const auto expect = [&](halnorm_status code, const halnorm_tensor &a,
                                const halnorm_tensor &b) {
            const Status status = layer.forward(a, b);
            EXPECT_EQ(status.code, code) << status.message;
            EXPECT_STRNE(status.message, "");
        };
        expect(HALNORM_ERROR_DTYPE, halnorm::tensor(wide, {2, 3, 2}),
               halnorm::tensor(wide, {2, 3, 2}));
        expect(HALNORM_ERROR_DTYPE, in, halnorm::tensor(wide, {2, 3, 2}));
        expect(HALNORM_ERROR_SHAPE, halnorm::tensor(x, {3, 2, 2}), halnorm::tensor(y, {3, 2, 2}));
        expect(HALNORM_ERROR_SHAPE, in, halnorm::tensor(y, {1, 3, 4}));
        expect(HALNORM_ERROR_RANK, halnorm::tensor(x, {12}), halnorm::tensor(y, {12}));
        expect(HALNORM_ERROR_RANK, halnorm::tensor(x, {1, 3, 1, 1, 2, 2}),
               halnorm::tensor(y, {1, 3, 1, 1, 2, 2}));
        expect(HALNORM_ERROR_NULL, halnorm::tensor(static_cast<float *>(nullptr), {2, 3, 2}), out);
        expect(HALNORM_ERROR_OVERLAP, halnorm::tensor(x, {1, 3, 2}),
               halnorm::tensor(x + 1, {1, 3, 2}));
        halnorm_tensor device = in;
        device.device = HALNORM_CUDA;
        expect(HALNORM_ERROR_UNSUPPORTED, device, device);
        EXPECT_EQ(layer.saved_mean(), nullptr);
        EXPECT_EQ(layer.moving_variance().as<float>()[0], 1);
    }
    for (float value : y)
        EXPECT_EQ(value, 42);
}

TEST(LayerCalls, MessagesNameTheTensorThatWasWrong) {
    float x[12] = {}, y[12] = {}, z[12] = {};
    double wide[12] = {};
    const auto view = [](auto *data) { return halnorm::tensor(data, {2, 3, 2}); };
    for (const bool is_test : {false, true}) {
        BatchNormOptions options = with_channels(3);
        options.is_test = is_test;
        BatchNorm layer = make(options);
        const auto expect = [](const Status &status, halnorm_status code, const char *start) {
            EXPECT_EQ(status.code, code);
            EXPECT_EQ(std::string(status.message).find(start), 0u) << status.message;
        };
        expect(layer.forward_add(view(x), view(z), view(z)), HALNORM_ERROR_OVERLAP, "y: was z ");
        expect(layer.forward_add(view(x), view(z), view(x)), HALNORM_ERROR_OVERLAP, "y: was x ");
        expect(layer.forward_add(view(x), view(wide), view(y)), HALNORM_ERROR_DTYPE, "z.dtype");
        ASSERT_TRUE(layer.forward(view(x), view(y)).ok());
        expect(layer.backward(view(wide), view(z), view(y)), HALNORM_ERROR_DTYPE, "saved.dtype");
    }
}

// Extents whose product would not fit, of a tensor without elements.
TEST(LayerCalls, EmptyTensorsOfAnyExtentsAreNoBatch) {
    const int64_t large = int64_t{1} << 40;
    BatchNormOptions options = with_channels(2);
    options.data_layout = HALNORM_NHWC;
    options.cumulative_average = true;
    BatchNorm layer = make(options);
    float x[2] = {}, y[2] = {};
    const Status status = layer.forward(halnorm::tensor(x, {large, large, 0, 2}),
                                        halnorm::tensor(y, {large, large, 0, 2}));
    EXPECT_TRUE(status.ok()) << status.message;
    EXPECT_EQ(layer.batches(), 0);
}

TEST(LayerWorkspace, GrowsAlignedAndNeverShrinks) {
    halnorm::Workspace workspace;
    EXPECT_EQ(workspace.data(), nullptr);
    for (const size_t bytes : {size_t{1}, size_t{1000}, size_t{100}, size_t{100000}}) {
        ASSERT_TRUE(workspace.reserve(bytes).ok());
        EXPECT_GE(workspace.size(), bytes);
        EXPECT_EQ(reinterpret_cast<uintptr_t>(workspace.data()) % HALNORM_WORKSPACE_ALIGNMENT, 0u);
        memset(workspace.data(), 1, workspace.size());
    }
    const void *data = workspace.data();
    EXPECT_EQ(workspace.reserve(SIZE_MAX).code, HALNORM_ERROR_WORKSPACE);
#if !HALNORM_INSTRUMENTED  // a sanitizer's may end the program instead
    const volatile size_t too_much =
        SIZE_MAX / 2 - 1;  // volatile: the compiler would see that it is
    EXPECT_EQ(workspace.reserve(too_much).code, HALNORM_ERROR_WORKSPACE);
#endif
    EXPECT_EQ(workspace.data(), data);
    EXPECT_EQ(workspace.size(), 100000u);
    halnorm::Workspace other = std::move(workspace);
    EXPECT_EQ(other.data(), data);
    EXPECT_EQ(workspace.data(), nullptr);
}

}  // namespace
