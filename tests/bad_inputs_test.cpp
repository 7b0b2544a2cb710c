// Every status for every bad input: a message that names the argument, and not one byte written.
#include <functional>
#include <gtest/gtest.h>
#include <math.h>
#include <string.h>

#include "call.h"
#include "refusal.h"
#include "variants.h"

namespace {

using namespace test;

// All arguments of a call, to be spoiled one at a time.
struct Arguments {
    explicit Arguments(Pipeline p) : pipeline(p), call(settings(p)), config_value(call.config()) {
        config = &config_value;
        x_value = call.x.view();
        y_value = call.y().view();
        x = &x_value;
        y = &y_value;
        gamma = call.gamma.data();
        beta = call.beta.data();
        moving_mean = call.moving_mean.data();
        moving_variance = call.moving_variance.data();
        saved_mean = static_cast<double *>(call.saved_mean.data());
        saved_inv_std = static_cast<double *>(call.saved_inv_std.data());
        EXPECT_EQ(size_query(&bytes), HALNORM_OK) << halnorm_last_error();
        lent =
            std::make_unique<Memory>(bytes, HALNORM_WORKSPACE_ALIGNMENT, Placement{}, output_fill);
        workspace = lent->data();
    }

    static Case settings(Pipeline pipeline) {
        Case k;
        k.pipeline = pipeline;
        k.n = 4, k.c = 6, k.s = 20;
        return k;
    }

    halnorm_status size_query(size_t *result) {
        return pipeline == Pipeline::inference ?
                   halnorm_forward_inference_workspace(config, x, result) :
               pipeline == Pipeline::training ?
                   halnorm_forward_training_workspace(config, x, result) :
                   halnorm_statistics_workspace(config, x, result);
    }

    halnorm_status run() {
        switch (pipeline) {
        case Pipeline::inference:
            return halnorm_forward_inference(config, x, gamma, beta, moving_mean, moving_variance,
                                             y, workspace, bytes);
        case Pipeline::training:
            return halnorm_forward_training(config, x, gamma, beta, moving_mean, moving_variance, y,
                                            saved_mean, saved_inv_std, workspace, bytes);
        case Pipeline::statistics:
            return halnorm_statistics(config, x, count, saved_mean, saved_inv_std, workspace,
                                      bytes);
        }
        return HALNORM_OK;
    }

    // Everything that a call may write, or must not.
    std::vector<unsigned char> memory() {
        std::vector<unsigned char> all =
            bits_of({&call.x, &call.y(), &call.gamma, &call.beta, &call.moving_mean,
                     &call.moving_variance, &call.saved_mean, &call.saved_inv_std});
        all.insert(all.end(), reinterpret_cast<unsigned char *>(&count_value),
                   reinterpret_cast<unsigned char *>(&count_value + 1));
        return all;
    }

    Pipeline pipeline;
    Call call;
    halnorm_config config_value;
    halnorm_tensor x_value, y_value;
    const halnorm_config *config;
    const halnorm_tensor *x, *y;
    void *gamma, *beta, *moving_mean, *moving_variance;
    double *saved_mean, *saved_inv_std;
    int64_t count_value = 77, *count = &count_value;
    std::unique_ptr<Memory> lent;
    void *workspace;
    size_t bytes = 0;
};

struct BadInput {
    const char *name;
    const char *pipelines;  // i, t, s
    bool in_size_query;     // the size query can see it too
    halnorm_status expected;
    const char *says;  // part of the message: the argument
    std::function<void(Arguments &)> spoil;
};

const halnorm_executor no_function = {nullptr, nullptr};

// clang-format off
const BadInput bad_inputs[] = {
    {"config NULL", "its", true, HALNORM_ERROR_NULL, "config", [](Arguments &a) { a.config = nullptr; }},
    {"x NULL", "its", true, HALNORM_ERROR_NULL, "x", [](Arguments &a) { a.x = nullptr; }},
    {"y NULL", "it", false, HALNORM_ERROR_NULL, "y", [](Arguments &a) { a.y = nullptr; }},
    {"x.data NULL", "its", false, HALNORM_ERROR_NULL, "x.data", [](Arguments &a) { a.x_value.data = nullptr; }},
    {"y.data NULL", "it", false, HALNORM_ERROR_NULL, "y.data", [](Arguments &a) { a.y_value.data = nullptr; }},
    {"moving_mean NULL", "it", false, HALNORM_ERROR_NULL, "moving_mean", [](Arguments &a) { a.moving_mean = nullptr; }},
    {"moving_variance NULL", "it", false, HALNORM_ERROR_NULL, "moving_variance", [](Arguments &a) { a.moving_variance = nullptr; }},
    {"both moving NULL", "i", false, HALNORM_ERROR_NULL, "moving_mean", [](Arguments &a) { a.moving_mean = a.moving_variance = nullptr; }},
    {"saved_mean NULL", "t", false, HALNORM_ERROR_NULL, "saved_mean", [](Arguments &a) { a.saved_mean = nullptr; }},
    {"saved_inv_std NULL", "t", false, HALNORM_ERROR_NULL, "saved_inv_std", [](Arguments &a) { a.saved_inv_std = nullptr; }},
    {"count NULL", "s", false, HALNORM_ERROR_NULL, "count", [](Arguments &a) { a.count = nullptr; }},
    {"mean NULL", "s", false, HALNORM_ERROR_NULL, "mean", [](Arguments &a) { a.saved_mean = nullptr; }},
    {"m2 NULL", "s", false, HALNORM_ERROR_NULL, "m2", [](Arguments &a) { a.saved_inv_std = nullptr; }},
    {"executor without a function", "its", true, HALNORM_ERROR_NULL, "executor", [](Arguments &a) { a.config_value.executor = &no_function; }},

    {"x rank 1", "its", true, HALNORM_ERROR_RANK, "x.rank", [](Arguments &a) { a.x_value.rank = 1; }},
    {"x rank 6", "its", true, HALNORM_ERROR_RANK, "x.rank", [](Arguments &a) { a.x_value.rank = 6; }},
    {"x rank negative", "its", true, HALNORM_ERROR_RANK, "x.rank", [](Arguments &a) { a.x_value.rank = -4; }},
    {"y rank 0", "it", false, HALNORM_ERROR_RANK, "y.rank", [](Arguments &a) { a.y_value.rank = 0; }},
    {"y of another rank", "it", false, HALNORM_ERROR_RANK, "y.rank", [](Arguments &a) { a.y_value.rank = 3; }},

    {"x extent negative", "its", true, HALNORM_ERROR_SHAPE, "x.shape[2]", [](Arguments &a) { a.x_value.shape[2] = -1; }},
    {"y extent negative", "it", false, HALNORM_ERROR_SHAPE, "y.shape[0]", [](Arguments &a) { a.y_value.shape[0] = -1; }},
    {"y of another shape", "it", false, HALNORM_ERROR_SHAPE, "y.shape[3]", [](Arguments &a) { a.y_value.shape[3] -= 1; }},
    {"y empty, x not", "it", false, HALNORM_ERROR_SHAPE, "y.shape[0]", [](Arguments &a) { a.y_value.shape[0] = 0; }},
    {"channels beyond 32 bits", "its", true, HALNORM_ERROR_TOO_LARGE, "config.num_channels", [](Arguments &a) { a.config_value.num_channels = int64_t{1} << 31; }},
    {"channels do not match", "its", true, HALNORM_ERROR_SHAPE, "num_channels", [](Arguments &a) { a.config_value.num_channels = 5; }},
    {"channels on the other axis", "its", true, HALNORM_ERROR_SHAPE, "num_channels", [](Arguments &a) { a.config_value.layout = HALNORM_NHWC; }},

    {"x stride 0", "its", true, HALNORM_ERROR_STRIDE, "x.strides[3]", [](Arguments &a) { a.x_value.strides[3] = 0; }},
    {"x stride negative", "its", true, HALNORM_ERROR_STRIDE, "x.strides[0]", [](Arguments &a) { a.x_value.strides[0] = -120; }},
    {"y stride 0", "it", false, HALNORM_ERROR_STRIDE, "y.strides[1]", [](Arguments &a) { a.y_value.strides[1] = 0; }},
    {"x channels overlap", "its", true, HALNORM_ERROR_STRIDE, "x.strides", [](Arguments &a) { a.x_value.strides[1] -= 1; }},
    {"x images are one", "its", true, HALNORM_ERROR_STRIDE, "x.strides", [](Arguments &a) { a.x_value.strides[0] = a.x_value.strides[1]; }},
    {"x rows do not fold", "its", true, HALNORM_ERROR_STRIDE, "x.strides", [](Arguments &a) {
        a.x_value.shape[0] = a.y_value.shape[0] = 2;  // half of the memory, each row with one element of padding
        for (halnorm_tensor *t : {&a.x_value, &a.y_value}) t->strides[2] += 1, t->strides[1] += 4, t->strides[0] += 24; }},
    {"x neither row nor channels dense", "its", true, HALNORM_ERROR_STRIDE, "x.strides", [](Arguments &a) {
        a.x_value.shape[0] = a.y_value.shape[0] = 2;
        for (halnorm_tensor *t : {&a.x_value, &a.y_value}) for (int i = 0; i < 4; i++) t->strides[i] *= 2; }},

    {"y is x one element on", "it", false, HALNORM_ERROR_OVERLAP, "y", [](Arguments &a) { a.y_value.data = moved(a.x_value.data, 4); a.x_value.shape[0] = a.y_value.shape[0] = 2; }},
    {"y is x one image on", "it", false, HALNORM_ERROR_OVERLAP, "y", [](Arguments &a) { a.y_value.data = moved(a.x_value.data, 480); a.x_value.shape[0] = a.y_value.shape[0] = 3; }},
    {"x is y one image on", "it", false, HALNORM_ERROR_OVERLAP, "y", [](Arguments &a) { a.y_value.data = a.x_value.data; a.x_value.data = moved(a.x_value.data, 480); a.x_value.shape[0] = a.y_value.shape[0] = 3; }},
    {"y is x with other strides", "it", false, HALNORM_ERROR_OVERLAP, "y", [](Arguments &a) { a.y_value.data = a.x_value.data; a.x_value.shape[0] = a.y_value.shape[0] = 2; a.y_value.strides[0] += 1; }},
    {"gamma in y", "it", false, HALNORM_ERROR_OVERLAP, "gamma", [](Arguments &a) { a.gamma = a.y_value.data; }},
    {"beta in y", "it", false, HALNORM_ERROR_OVERLAP, "beta", [](Arguments &a) { a.beta = moved(a.y_value.data, 40); }},
    {"moving_mean in y", "it", false, HALNORM_ERROR_OVERLAP, "moving_mean", [](Arguments &a) { a.moving_mean = moved(a.y_value.data, 1900); }},
    {"moving_variance in x", "t", false, HALNORM_ERROR_OVERLAP, "moving_variance", [](Arguments &a) { a.moving_variance = a.x_value.data; }},
    {"moving_variance is moving_mean", "t", false, HALNORM_ERROR_OVERLAP, "moving_variance", [](Arguments &a) { a.moving_variance = a.moving_mean; }},
    {"gamma is moving_mean", "t", false, HALNORM_ERROR_OVERLAP, "gamma", [](Arguments &a) { a.gamma = a.moving_mean; }},
    {"saved_inv_std is saved_mean", "ts", false, HALNORM_ERROR_OVERLAP, "", [](Arguments &a) { a.saved_inv_std = a.saved_mean; }},
    {"saved_mean in y", "t", false, HALNORM_ERROR_OVERLAP, "saved_mean", [](Arguments &a) { a.saved_mean = static_cast<double *>(a.y_value.data); }},
    {"mean in x", "s", false, HALNORM_ERROR_OVERLAP, "mean", [](Arguments &a) { a.saved_mean = static_cast<double *>(a.x_value.data); }},
    {"count in m2", "s", false, HALNORM_ERROR_OVERLAP, "", [](Arguments &a) { a.count = reinterpret_cast<int64_t *>(a.saved_inv_std + 1); }},
    {"y in the workspace", "it", false, HALNORM_ERROR_OVERLAP, "workspace", [](Arguments &a) { a.y_value.data = a.workspace; }},
    {"x in the workspace", "its", false, HALNORM_ERROR_OVERLAP, "workspace", [](Arguments &a) { a.x_value.data = a.workspace; }},
    {"gamma in the workspace", "it", false, HALNORM_ERROR_OVERLAP, "workspace", [](Arguments &a) { a.gamma = a.workspace; }},
    {"x in a workspace beyond all addresses", "its", false, HALNORM_ERROR_OVERLAP, "workspace", [](Arguments &a) { a.workspace = a.x_value.data; a.bytes = SIZE_MAX; }},

    {"x misaligned", "its", false, HALNORM_ERROR_ALIGNMENT, "x", [](Arguments &a) { a.x_value.data = moved(a.x_value.data, 2); a.x_value.shape[0] = a.y_value.shape[0] = 2; }},
    {"y misaligned", "it", false, HALNORM_ERROR_ALIGNMENT, "y", [](Arguments &a) { a.y_value.data = moved(a.y_value.data, 1); a.x_value.shape[0] = a.y_value.shape[0] = 2; }},
    {"gamma misaligned", "it", false, HALNORM_ERROR_ALIGNMENT, "gamma", [](Arguments &a) { a.gamma = moved(a.gamma, 1); }},
    {"beta misaligned", "it", false, HALNORM_ERROR_ALIGNMENT, "beta", [](Arguments &a) { a.beta = moved(a.beta, 3); }},
    {"moving_mean misaligned", "it", false, HALNORM_ERROR_ALIGNMENT, "moving_mean", [](Arguments &a) { a.moving_mean = moved(a.moving_mean, 2); }},
    {"moving_variance misaligned", "it", false, HALNORM_ERROR_ALIGNMENT, "moving_variance", [](Arguments &a) { a.moving_variance = moved(a.moving_variance, 2); }},
    {"saved_mean misaligned", "t", false, HALNORM_ERROR_ALIGNMENT, "saved_mean", [](Arguments &a) { a.saved_mean = moved(a.saved_mean, 4); }},
    {"m2 misaligned", "s", false, HALNORM_ERROR_ALIGNMENT, "m2", [](Arguments &a) { a.saved_inv_std = moved(a.saved_inv_std, 4); }},

    {"x dtype unknown", "its", true, HALNORM_ERROR_DTYPE, "x.dtype", [](Arguments &a) { memset(&a.x_value.dtype, 3, 1); }},
    {"y dtype unknown", "it", false, HALNORM_ERROR_DTYPE, "y.dtype", [](Arguments &a) { memset(&a.y_value.dtype, 3, 1); }},
    {"y of another dtype", "it", false, HALNORM_ERROR_DTYPE, "y.dtype", [](Arguments &a) { a.y_value.dtype = HALNORM_FLOAT64; }},

    {"momentum NaN", "its", true, HALNORM_ERROR_PARAMETER, "momentum", [](Arguments &a) { a.config_value.momentum = NAN; }},
    {"momentum infinite", "its", true, HALNORM_ERROR_PARAMETER, "momentum", [](Arguments &a) { a.config_value.momentum = -INFINITY; }},
    {"epsilon NaN", "its", true, HALNORM_ERROR_PARAMETER, "epsilon", [](Arguments &a) { a.config_value.epsilon = NAN; }},
    {"epsilon infinite", "its", true, HALNORM_ERROR_PARAMETER, "epsilon", [](Arguments &a) { a.config_value.epsilon = INFINITY; }},
    {"epsilon negative", "its", true, HALNORM_ERROR_PARAMETER, "epsilon", [](Arguments &a) { a.config_value.epsilon = -1e-9; }},
    {"num_channels 0", "its", true, HALNORM_ERROR_PARAMETER, "num_channels", [](Arguments &a) { a.config_value.num_channels = 0; }},
    {"num_channels negative", "its", true, HALNORM_ERROR_PARAMETER, "num_channels", [](Arguments &a) { a.config_value.num_channels = -6; }},
    {"activation unknown", "it", true, HALNORM_ERROR_PARAMETER, "activation", [](Arguments &a) { a.config_value.activation = HALNORM_ACT_COUNT; }},
    {"activation_alpha beyond float32", "it", true, HALNORM_ERROR_PARAMETER, "activation_alpha", [](Arguments &a) { a.config_value.activation_alpha = 1e39; }},
    {"activation_alpha infinite", "it", true, HALNORM_ERROR_PARAMETER, "activation_alpha", [](Arguments &a) { a.config_value.activation_alpha = INFINITY; }},
    {"threads negative", "its", true, HALNORM_ERROR_PARAMETER, "threads", [](Arguments &a) { a.config_value.threads = -1; }},
    {"layout unknown", "its", true, HALNORM_ERROR_PARAMETER, "layout", [](Arguments &a) { memset(&a.config_value.layout, 2, 1); }},
    {"estimator unknown", "its", true, HALNORM_ERROR_PARAMETER, "moving_variance_estimator", [](Arguments &a) { memset(&a.config_value.moving_variance_estimator, 2, 1); }},
    {"stores unknown", "its", true, HALNORM_ERROR_PARAMETER, "stores", [](Arguments &a) { memset(&a.config_value.stores, 3, 1); }},

    {"x beyond all addresses", "its", true, HALNORM_ERROR_TOO_LARGE, "x", [](Arguments &a) { a.x_value.shape[0] = INT64_MAX / 2; a.x_value.strides[0] = 120; }},
    {"x stride beyond all addresses", "its", true, HALNORM_ERROR_TOO_LARGE, "x", [](Arguments &a) { a.x_value.strides[0] = INT64_MAX - 1; }},
    {"x nearly 2^31 elements", "its", true, HALNORM_ERROR_TOO_LARGE, "x", [](Arguments &a) { // what kernels round up to vectors would overflow
        a.config_value.num_channels = 1;
        for (halnorm_tensor *t : {&a.x_value, &a.y_value}) for (int i = 0; i < 4; i++) t->shape[i] = i == 3 ? INT32_MAX : 1; }},
    {"x beyond 2^31 elements by its rows", "its", true, HALNORM_ERROR_TOO_LARGE, "x", [](Arguments &a) { // its images alone are not
        a.x_value.shape[0] = a.y_value.shape[0] = 2; a.x_value.strides[0] = INT32_MAX - 1024; }},
    {"x elements beyond 64 bits", "its", true, HALNORM_ERROR_TOO_LARGE, "x", [](Arguments &a) { for (int i : {0, 2, 3}) a.x_value.shape[i] = int64_t{1} << 30; }},

    {"workspace NULL", "its", false, HALNORM_ERROR_WORKSPACE, "workspace", [](Arguments &a) { a.workspace = nullptr; }},
    {"workspace too small", "its", false, HALNORM_ERROR_WORKSPACE, "workspace", [](Arguments &a) { a.bytes -= 1; }},
    {"workspace of no bytes", "its", false, HALNORM_ERROR_WORKSPACE, "workspace", [](Arguments &a) { a.bytes = 0; }},
    {"workspace misaligned", "its", false, HALNORM_ERROR_WORKSPACE, "workspace", [](Arguments &a) { a.workspace = moved(a.workspace, -8); }},

    {"variant unknown", "its", true, HALNORM_ERROR_VARIANT_UNKNOWN, "generic", [](Arguments &a) { a.config_value.variant = "x86_sse9"; }},
    {"variant of no name", "its", true, HALNORM_ERROR_VARIANT_UNKNOWN, "generic", [](Arguments &a) { a.config_value.variant = ""; }},

    {"x device unknown", "its", true, HALNORM_ERROR_DEVICE, "x.device", [](Arguments &a) { memset(&a.x_value.device, 3, 1); }},
    {"y device unknown", "it", false, HALNORM_ERROR_DEVICE, "y.device", [](Arguments &a) { memset(&a.y_value.device, 3, 1); }},
    {"y on another device", "it", false, HALNORM_ERROR_DEVICE, "y.device", [](Arguments &a) { a.y_value.device = HALNORM_CUDA; }},
    {"x on the device, variant for the CPU", "its", true, HALNORM_ERROR_DEVICE, "x.device", [](Arguments &a) {
        a.x_value.device = a.y_value.device = HALNORM_CUDA; a.config_value.variant = "generic"; }},
};
// clang-format on

char letter(Pipeline pipeline) {
    return name(pipeline)[0];
}

class BadInputs : public testing::TestWithParam<Pipeline> {};

TEST_P(BadInputs, are_refused_and_nothing_is_written) {
    for (const BadInput &bad : bad_inputs) {
        if (strchr(bad.pipelines, letter(GetParam())) == nullptr)
            continue;
        SCOPED_TRACE(bad.name);
        Arguments a(GetParam());
        // The size query of inference or of a small tensor may be 0; then there is no workspace to
        // be wrong.
        if (a.bytes == 0 && bad.expected == HALNORM_ERROR_WORKSPACE)
            continue;
        const std::vector<unsigned char> before = a.memory();
        bad.spoil(a);
        expect_refused(a.run(), bad.expected, bad.says);
        EXPECT_TRUE(a.memory() == before) << "something was written";
    }
}

TEST_P(BadInputs, are_refused_by_the_size_query) {
    for (const BadInput &bad : bad_inputs) {
        if (strchr(bad.pipelines, letter(GetParam())) == nullptr || !bad.in_size_query)
            continue;
        SCOPED_TRACE(bad.name);
        Arguments a(GetParam());
        bad.spoil(a);
        size_t bytes = 12345;
        expect_refused(a.size_query(&bytes), bad.expected, bad.says);
        EXPECT_EQ(bytes, 12345u);
    }
}

TEST_P(BadInputs, of_the_size_query_itself) {
    Arguments a(GetParam());
    EXPECT_EQ(a.size_query(nullptr), HALNORM_ERROR_NULL);
    EXPECT_NE(std::string(halnorm_last_error()).find("bytes"), std::string::npos);
    a.x_value.data = nullptr;  // not read
    size_t bytes = 0;
    EXPECT_EQ(a.size_query(&bytes), HALNORM_OK);
    EXPECT_EQ(bytes, a.bytes);
    const int64_t largest[] = {1, 1, (int64_t{1} << 31) - 32 * 1024};
    a.config_value.num_channels = 1;
    a.x_value = halnorm_dense_tensor(nullptr, HALNORM_FLOAT32, 3, largest);
    EXPECT_EQ(a.size_query(&bytes), HALNORM_OK) << halnorm_last_error();
}

// What looks wrong and is not.
TEST_P(BadInputs, are_not_these) {
    const std::function<void(Arguments &)> good[] = {
        [](Arguments &) {},
        [](Arguments &a) { a.gamma = a.beta = nullptr; },
        [](Arguments &a) { a.config_value.activation_alpha = NAN; },
        [](Arguments &a) { a.config_value.momentum = -3; },
        [](Arguments &a) { a.config_value.epsilon = 0; },
        [](Arguments &a) { a.config_value.threads = 1000; },
        [](Arguments &a) { a.gamma = a.beta; },       // inputs may be one
        [](Arguments &a) { a.y_value = a.x_value; },  // in place
        [](Arguments &a) { a.bytes = a.lent->bytes(); },
        [](Arguments &a) {  // what an empty tensor's other extents and strides are does not matter
            for (halnorm_tensor *t : {&a.x_value, &a.y_value}) {
                t->shape[0] = 0, t->shape[2] = INT64_MAX, t->strides[2] = INT64_MAX;
                t->strides[3] = INT64_MIN;
            }
        },
    };
    for (size_t i = 0; i < std::size(good); i++) {
        Arguments a(GetParam());
        good[i](a);
        EXPECT_EQ(a.run(), HALNORM_OK) << i << ": " << halnorm_last_error();
    }
}

std::string pipeline_name(const testing::TestParamInfo<Pipeline> &info) {
    return name(info.param);
}
INSTANTIATE_TEST_SUITE_P(, BadInputs,
                         testing::Values(Pipeline::inference, Pipeline::training,
                                         Pipeline::statistics),
                         pipeline_name);

}  // namespace
