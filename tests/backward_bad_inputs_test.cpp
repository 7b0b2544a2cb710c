// Every status for every bad input of the backward functions: a message that names the argument,
// and not one byte written.
#include <functional>
#include <gtest/gtest.h>
#include <math.h>
#include <string.h>

#include "backward_call.h"
#include "refusal.h"

namespace {

using namespace test;

enum class Function { whole, reduce, apply };

// All arguments of a call, to be spoiled one at a time: 4 images of 6 channels of 20 float32, with
// a second addend, all results wanted.
struct Arguments {
    explicit Arguments(Function f) : function(f), call(settings()), config_value(call.config()) {
        args = call.args();
        views[0] = *args.x, views[1] = *args.dy, views[2] = *args.z, views[3] = *args.dx;
        views[4] = *args.dz;
        args.x = &x, args.dy = &dy, args.z = &z, args.dx = &dx, args.dz = &dz;
        sum_g = static_cast<double *>(call.sum_g.data());
        sum_g_xhat = static_cast<double *>(call.sum_g_xhat.data());
        call.sum_g.set(std::vector<double>(6, 1));
        call.sum_g_xhat.set(std::vector<double>(6, 1));
        EXPECT_EQ(size_query(&bytes), HALNORM_OK) << halnorm_last_error();
        lent =
            std::make_unique<Memory>(bytes, HALNORM_WORKSPACE_ALIGNMENT, Placement{}, output_fill);
        workspace = lent->data();
    }

    static BackwardCase settings() {
        BackwardCase k;
        k.n = 4, k.c = 6, k.s = 20;
        k.add = k.dz = true;
        return k;
    }

    // y in place of x, which z cannot stand beside.
    void take_y(halnorm_activation activation) {
        args.y = args.x;
        args.x = args.z = args.dz = nullptr;
        config_value.activation = activation;
    }
    void take_moving() {
        args.saved_mean = args.saved_inv_std = nullptr;
        args.moving_mean = call.mean.data();
        args.moving_variance = call.inv_std.data();
    }

    // gamma with a zero for one channel, in memory of its own.
    const float *gamma_with_zero(size_t c, float zero) {
        gamma_copy.assign(6, 1);
        gamma_copy[c] = zero;
        return gamma_copy.data();
    }

    halnorm_status size_query(size_t *result) {
        const auto query = function == Function::whole  ? halnorm_backward_workspace :
                           function == Function::reduce ? halnorm_backward_reduce_workspace :
                                                          halnorm_backward_apply_workspace;
        return query(config, pointer, result);
    }

    halnorm_status run() {
        switch (function) {
        case Function::whole:
            return halnorm_backward(config, pointer, workspace, bytes);
        case Function::reduce:
            return halnorm_backward_reduce(config, pointer, sum_g, sum_g_xhat, workspace, bytes);
        case Function::apply:
            return halnorm_backward_apply(config, pointer, count, sum_g, sum_g_xhat, workspace,
                                          bytes);
        }
        return HALNORM_OK;
    }

    // Everything that a call may write, or must not.
    std::vector<unsigned char> memory() {
        return bits_of({&call.x, &call.dy, call.z.get(), &call.dx(), &call.dz(), &call.gamma,
                        &call.beta, &call.mean, &call.inv_std, &call.dgamma, &call.dbeta,
                        &call.sum_g, &call.sum_g_xhat});
    }

    Function function;
    BackwardCall call;
    std::vector<float> gamma_copy;
    halnorm_config config_value;
    const halnorm_config *config = &config_value;
    halnorm_backward_args args;
    const halnorm_backward_args *pointer = &args;
    halnorm_tensor views[5];
    halnorm_tensor &x = views[0], &dy = views[1], &z = views[2], &dx = views[3], &dz = views[4];
    double *sum_g, *sum_g_xhat;
    int64_t count = 80;
    std::unique_ptr<Memory> lent;
    void *workspace;
    size_t bytes = 0;
};

// Fewer images, so that a pointer may be moved within the memory.
void halve(Arguments &a) {
    for (halnorm_tensor &t : a.views)
        t.shape[0] = 2;
}

struct BadInput {
    const char *name;
    const char *functions;  // w, r, a
    bool in_size_query;     // the size query can see it too
    halnorm_status expected;
    const char *says;  // part of the message: the argument
    std::function<void(Arguments &)> spoil;
};

// clang-format off
const BadInput bad_inputs[] = {
    {"config NULL", "wra", true, HALNORM_ERROR_NULL, "config", [](Arguments &a) { a.config = nullptr; }},
    {"args NULL", "wra", true, HALNORM_ERROR_NULL, "args", [](Arguments &a) { a.pointer = nullptr; }},
    {"neither x nor y", "wra", true, HALNORM_ERROR_NULL, "x", [](Arguments &a) { a.args.x = nullptr; }},
    {"x and y", "wra", true, HALNORM_ERROR_PARAMETER, "y", [](Arguments &a) { a.args.y = a.args.x; }},
    {"dy NULL", "wra", true, HALNORM_ERROR_NULL, "dy", [](Arguments &a) { a.args.dy = nullptr; }},
    {"z with y", "wra", true, HALNORM_ERROR_UNSUPPORTED, "z", [](Arguments &a) { a.args.y = a.args.x; a.args.x = nullptr; }},
    {"dz without z", "wa", true, HALNORM_ERROR_NULL, "z", [](Arguments &a) { a.args.z = nullptr; }},
    {"no statistics", "wra", true, HALNORM_ERROR_NULL, "saved_mean", [](Arguments &a) { a.args.saved_mean = a.args.saved_inv_std = nullptr; }},
    {"saved_mean NULL", "wra", true, HALNORM_ERROR_NULL, "saved_mean", [](Arguments &a) { a.args.saved_mean = nullptr; }},
    {"saved_inv_std NULL", "wra", true, HALNORM_ERROR_NULL, "saved_inv_std", [](Arguments &a) { a.args.saved_inv_std = nullptr; }},
    {"moving_mean NULL", "wra", true, HALNORM_ERROR_NULL, "moving_mean", [](Arguments &a) { a.take_moving(); a.args.moving_mean = nullptr; }},
    {"moving_variance NULL", "wra", true, HALNORM_ERROR_NULL, "moving_variance", [](Arguments &a) { a.take_moving(); a.args.moving_variance = nullptr; }},
    {"saved and moving", "wra", true, HALNORM_ERROR_PARAMETER, "moving_mean", [](Arguments &a) { a.args.moving_mean = a.call.gamma.data(); a.args.moving_variance = a.call.beta.data(); }},
    {"half of each", "wra", true, HALNORM_ERROR_PARAMETER, "moving", [](Arguments &a) { a.args.saved_inv_std = nullptr; a.args.moving_variance = a.call.beta.data(); }},
    {"sum_g NULL", "ra", false, HALNORM_ERROR_NULL, "sum_g", [](Arguments &a) { a.sum_g = nullptr; }},
    {"sum_g_xhat NULL", "ra", false, HALNORM_ERROR_NULL, "sum_g_xhat", [](Arguments &a) { a.sum_g_xhat = nullptr; }},
    {"count negative", "a", false, HALNORM_ERROR_PARAMETER, "count", [](Arguments &a) { a.count = -1; }},
    {"x.data NULL", "wra", false, HALNORM_ERROR_NULL, "x.data", [](Arguments &a) { a.x.data = nullptr; }},
    {"y.data NULL", "wra", false, HALNORM_ERROR_NULL, "y.data", [](Arguments &a) { a.take_y(HALNORM_ACT_NONE); a.x.data = nullptr; }},
    {"dy.data NULL", "wra", false, HALNORM_ERROR_NULL, "dy.data", [](Arguments &a) { a.dy.data = nullptr; }},
    {"z.data NULL", "wra", false, HALNORM_ERROR_NULL, "z.data", [](Arguments &a) { a.z.data = nullptr; }},
    {"dx.data NULL", "wa", false, HALNORM_ERROR_NULL, "dx.data", [](Arguments &a) { a.dx.data = nullptr; }},
    {"dz.data NULL", "wa", false, HALNORM_ERROR_NULL, "dz.data", [](Arguments &a) { a.dz.data = nullptr; }},

    {"activation that y does not tell", "wra", true, HALNORM_ERROR_UNSUPPORTED, "activation", [](Arguments &a) { a.take_y(HALNORM_ACT_RELU); }},
    {"leaky_relu of alpha 0 from y", "wra", true, HALNORM_ERROR_UNSUPPORTED, "alpha", [](Arguments &a) { a.take_y(HALNORM_ACT_LEAKY_RELU); a.config_value.activation_alpha = 0; }},
    {"leaky_relu of alpha -1 from y", "wra", true, HALNORM_ERROR_UNSUPPORTED, "alpha", [](Arguments &a) { a.take_y(HALNORM_ACT_LEAKY_RELU); a.config_value.activation_alpha = -1; }},
    {"elu of alpha 0 from y", "wra", true, HALNORM_ERROR_UNSUPPORTED, "alpha", [](Arguments &a) { a.take_y(HALNORM_ACT_ELU); a.config_value.activation_alpha = 0; }},
    {"leaky_relu of an alpha with an infinite inverse from y", "wra", true, HALNORM_ERROR_UNSUPPORTED, "alpha", [](Arguments &a) { a.take_y(HALNORM_ACT_LEAKY_RELU); a.config_value.activation_alpha = 1e-39; }},
    {"elu of an alpha that is 0 in float32 from y", "wra", true, HALNORM_ERROR_UNSUPPORTED, "alpha", [](Arguments &a) { a.take_y(HALNORM_ACT_ELU); a.config_value.activation_alpha = 1e-46; }},
    {"gamma 0 in y", "wra", false, HALNORM_ERROR_PARAMETER, "gamma[4]", [](Arguments &a) { a.take_y(HALNORM_ACT_NONE); a.args.gamma = a.gamma_with_zero(4, 0.0f); }},
    {"gamma -0 in y", "wra", false, HALNORM_ERROR_PARAMETER, "gamma[5]", [](Arguments &a) { a.take_y(HALNORM_ACT_NONE); a.args.gamma = a.gamma_with_zero(5, -0.0f); }},

    {"x rank 1", "wra", true, HALNORM_ERROR_RANK, "x.rank", [](Arguments &a) { a.x.rank = 1; }},
    {"dy of another rank", "wra", true, HALNORM_ERROR_RANK, "dy.rank", [](Arguments &a) { a.dy.rank = 3; }},
    {"z of another rank", "wra", true, HALNORM_ERROR_RANK, "z.rank", [](Arguments &a) { a.z.rank = 5; }},
    {"dx rank 6", "wa", true, HALNORM_ERROR_RANK, "dx.rank", [](Arguments &a) { a.dx.rank = 6; }},
    {"dz rank 0", "wa", true, HALNORM_ERROR_RANK, "dz.rank", [](Arguments &a) { a.dz.rank = 0; }},

    {"x extent negative", "wra", true, HALNORM_ERROR_SHAPE, "x.shape[2]", [](Arguments &a) { a.x.shape[2] = -1; }},
    {"dy of another shape", "wra", true, HALNORM_ERROR_SHAPE, "dy.shape[3]", [](Arguments &a) { a.dy.shape[3] -= 1; }},
    {"z of another shape", "wra", true, HALNORM_ERROR_SHAPE, "z.shape[0]", [](Arguments &a) { a.z.shape[0] = 3; }},
    {"dx of another shape", "wa", true, HALNORM_ERROR_SHAPE, "dx.shape[2]", [](Arguments &a) { a.dx.shape[2] -= 1; }},
    {"dz empty", "wa", true, HALNORM_ERROR_SHAPE, "dz.shape[0]", [](Arguments &a) { a.dz.shape[0] = 0; }},
    {"channels do not match", "wra", true, HALNORM_ERROR_SHAPE, "num_channels", [](Arguments &a) { a.config_value.num_channels = 5; }},

    {"x stride 0", "wra", true, HALNORM_ERROR_STRIDE, "x.strides[3]", [](Arguments &a) { a.x.strides[3] = 0; }},
    {"dy channels overlap", "wra", true, HALNORM_ERROR_STRIDE, "dy.strides", [](Arguments &a) { a.dy.strides[1] -= 1; }},
    {"dx stride negative", "wa", true, HALNORM_ERROR_STRIDE, "dx.strides[0]", [](Arguments &a) { a.dx.strides[0] = -120; }},
    {"dy in another order of axes", "wra", true, HALNORM_ERROR_STRIDE, "strides", [](Arguments &a) { a.dy.strides[1] = 1, a.dy.strides[3] = 6, a.dy.strides[2] = 30; }},

    {"dx is x", "wa", false, HALNORM_ERROR_OVERLAP, "dx", [](Arguments &a) { a.dx.data = a.x.data; }},
    {"dx one image into x", "wa", false, HALNORM_ERROR_OVERLAP, "dx", [](Arguments &a) { halve(a); a.dx.data = moved(a.x.data, 480); }},
    {"dx is z", "wa", false, HALNORM_ERROR_OVERLAP, "dx", [](Arguments &a) { a.dx.data = a.z.data; }},
    {"dx is dz", "wa", false, HALNORM_ERROR_OVERLAP, "", [](Arguments &a) { a.dx.data = a.dz.data; }},
    {"dx and dz are dy", "wa", false, HALNORM_ERROR_OVERLAP, "", [](Arguments &a) { a.dx.data = a.dz.data = a.dy.data; }},
    {"dx one element into dy", "wa", false, HALNORM_ERROR_OVERLAP, "dx", [](Arguments &a) { halve(a); a.dx.data = moved(a.dy.data, 4); }},
    {"dx is dy with other strides", "wa", false, HALNORM_ERROR_OVERLAP, "dx", [](Arguments &a) { halve(a); a.dx.data = a.dy.data; a.dx.strides[0] += 1; }},
    {"dz is z", "wa", false, HALNORM_ERROR_OVERLAP, "dz", [](Arguments &a) { a.dz.data = a.z.data; }},
    {"dgamma is gamma", "wa", false, HALNORM_ERROR_OVERLAP, "dgamma", [](Arguments &a) { a.args.dgamma = const_cast<void *>(a.args.gamma); }},
    {"dbeta is gamma", "wa", false, HALNORM_ERROR_OVERLAP, "dbeta", [](Arguments &a) { a.args.dbeta = const_cast<void *>(a.args.gamma); }},
    {"dgamma is dbeta", "wa", false, HALNORM_ERROR_OVERLAP, "dbeta", [](Arguments &a) { a.args.dgamma = a.args.dbeta; }},
    {"dgamma in x", "wa", false, HALNORM_ERROR_OVERLAP, "dgamma", [](Arguments &a) { a.args.dgamma = moved(a.x.data, 40); }},
    {"dbeta in dy", "wa", false, HALNORM_ERROR_OVERLAP, "dbeta", [](Arguments &a) { a.args.dbeta = a.dy.data; }},
    {"dgamma in saved_mean", "wa", false, HALNORM_ERROR_OVERLAP, "dgamma", [](Arguments &a) { a.args.dgamma = const_cast<double *>(a.args.saved_mean); }},
    {"beta in dx", "wa", false, HALNORM_ERROR_OVERLAP, "beta", [](Arguments &a) { a.args.beta = a.dx.data; }},
    {"sum_g is sum_g_xhat", "r", false, HALNORM_ERROR_OVERLAP, "sum_g", [](Arguments &a) { a.sum_g = a.sum_g_xhat; }},
    {"sum_g is saved_mean", "r", false, HALNORM_ERROR_OVERLAP, "sum_g", [](Arguments &a) { a.sum_g = const_cast<double *>(a.args.saved_mean); }},
    {"sum_g in dy", "r", false, HALNORM_ERROR_OVERLAP, "sum_g", [](Arguments &a) { a.sum_g = static_cast<double *>(a.dy.data); }},
    {"sum_g in dx", "a", false, HALNORM_ERROR_OVERLAP, "sum_g", [](Arguments &a) { a.sum_g = static_cast<double *>(a.dx.data); }},
    {"dx in the workspace", "wa", false, HALNORM_ERROR_OVERLAP, "workspace", [](Arguments &a) { a.dx.data = a.workspace; }},
    {"dy in the workspace", "wra", false, HALNORM_ERROR_OVERLAP, "workspace", [](Arguments &a) { a.dy.data = a.workspace; }},
    {"gamma in the workspace", "wra", false, HALNORM_ERROR_OVERLAP, "workspace", [](Arguments &a) { a.args.gamma = a.workspace; }},

    {"x misaligned", "wra", false, HALNORM_ERROR_ALIGNMENT, "x", [](Arguments &a) { halve(a); a.x.data = moved(a.x.data, 2); }},
    {"dy misaligned", "wra", false, HALNORM_ERROR_ALIGNMENT, "dy", [](Arguments &a) { halve(a); a.dy.data = moved(a.dy.data, 1); }},
    {"dx misaligned", "wa", false, HALNORM_ERROR_ALIGNMENT, "dx", [](Arguments &a) { halve(a); a.dx.data = moved(a.dx.data, 3); }},
    {"gamma misaligned", "wra", false, HALNORM_ERROR_ALIGNMENT, "gamma", [](Arguments &a) { a.args.gamma = moved(a.args.gamma, -1); }},
    {"dgamma misaligned", "wa", false, HALNORM_ERROR_ALIGNMENT, "dgamma", [](Arguments &a) { a.args.dgamma = moved(a.args.dgamma, -2); }},
    {"saved_mean misaligned", "wra", false, HALNORM_ERROR_ALIGNMENT, "saved_mean", [](Arguments &a) { a.args.saved_mean = moved(a.args.saved_mean, -4); }},
    {"sum_g misaligned", "ra", false, HALNORM_ERROR_ALIGNMENT, "sum_g", [](Arguments &a) { a.sum_g = moved(a.sum_g, -4); }},

    {"x dtype unknown", "wra", true, HALNORM_ERROR_DTYPE, "x.dtype", [](Arguments &a) { memset(&a.x.dtype, 3, 1); }},
    {"dy of another dtype", "wra", true, HALNORM_ERROR_DTYPE, "dy.dtype", [](Arguments &a) { a.dy.dtype = HALNORM_FLOAT64; }},
    {"z of another dtype", "wra", true, HALNORM_ERROR_DTYPE, "z.dtype", [](Arguments &a) { a.z.dtype = HALNORM_FLOAT64; }},
    {"dx of another dtype", "wa", true, HALNORM_ERROR_DTYPE, "dx.dtype", [](Arguments &a) { a.dx.dtype = HALNORM_FLOAT64; }},
    {"dz of another dtype", "wa", true, HALNORM_ERROR_DTYPE, "dz.dtype", [](Arguments &a) { a.dz.dtype = HALNORM_FLOAT64; }},

    {"epsilon negative", "wra", true, HALNORM_ERROR_PARAMETER, "epsilon", [](Arguments &a) { a.config_value.epsilon = -1e-9; }},
    {"activation unknown", "wra", true, HALNORM_ERROR_PARAMETER, "activation", [](Arguments &a) { a.config_value.activation = HALNORM_ACT_COUNT; }},
    {"threads negative", "wra", true, HALNORM_ERROR_PARAMETER, "threads", [](Arguments &a) { a.config_value.threads = -1; }},
    {"variant unknown", "wra", true, HALNORM_ERROR_VARIANT_UNKNOWN, "generic", [](Arguments &a) { a.config_value.variant = "x86_sse9"; }},
    {"dy on another device", "wra", true, HALNORM_ERROR_DEVICE, "dy.device", [](Arguments &a) { a.dy.device = HALNORM_CUDA; }},
    {"dx on another device", "wa", true, HALNORM_ERROR_DEVICE, "dx.device", [](Arguments &a) { a.dx.device = HALNORM_CUDA; }},
    {"x beyond all addresses", "wra", true, HALNORM_ERROR_TOO_LARGE, "x", [](Arguments &a) { for (halnorm_tensor &t : a.views) t.shape[0] = INT64_MAX / 2; }},

    {"workspace NULL", "wra", false, HALNORM_ERROR_WORKSPACE, "workspace", [](Arguments &a) { a.workspace = nullptr; }},
    {"workspace too small", "wra", false, HALNORM_ERROR_WORKSPACE, "workspace", [](Arguments &a) { a.bytes -= 1; }},
    {"workspace of no bytes", "wra", false, HALNORM_ERROR_WORKSPACE, "workspace", [](Arguments &a) { a.bytes = 0; }},
    {"workspace misaligned", "wra", false, HALNORM_ERROR_WORKSPACE, "workspace", [](Arguments &a) { a.workspace = moved(a.workspace, -8); }},
};
// clang-format on

const char *name(Function f) {
    return f == Function::whole ? "whole" : f == Function::reduce ? "reduce" : "apply";
}

class BackwardBadInputs : public testing::TestWithParam<Function> {};

TEST_P(BackwardBadInputs, are_refused_and_nothing_is_written) {
    for (const BadInput &bad : bad_inputs) {
        if (strchr(bad.functions, name(GetParam())[0]) == nullptr)
            continue;
        SCOPED_TRACE(bad.name);
        Arguments a(GetParam());
        const std::vector<unsigned char> before = a.memory();
        bad.spoil(a);
        expect_refused(a.run(), bad.expected, bad.says);
        EXPECT_TRUE(a.memory() == before) << "something was written";
    }
}

TEST_P(BackwardBadInputs, are_refused_by_the_size_query) {
    for (const BadInput &bad : bad_inputs) {
        if (strchr(bad.functions, name(GetParam())[0]) == nullptr || !bad.in_size_query)
            continue;
        SCOPED_TRACE(bad.name);
        Arguments a(GetParam());
        bad.spoil(a);
        size_t bytes = 12345;
        expect_refused(a.size_query(&bytes), bad.expected, bad.says);
        EXPECT_EQ(bytes, 12345u);
    }
}

TEST_P(BackwardBadInputs, of_the_size_query_itself) {
    Arguments a(GetParam());
    EXPECT_EQ(a.size_query(nullptr), HALNORM_ERROR_NULL);
    EXPECT_NE(std::string(halnorm_last_error()).find("bytes"), std::string::npos);
    for (halnorm_tensor &t : a.views)
        t.data = nullptr;  // not read
    size_t bytes = 0;
    EXPECT_EQ(a.size_query(&bytes), HALNORM_OK);
    EXPECT_EQ(bytes, a.bytes);
}

// What looks wrong and is not.
TEST_P(BackwardBadInputs, are_not_these) {
    const std::function<void(Arguments &)> good[] = {
        [](Arguments &) {},
        [](Arguments &a) { a.args.gamma = a.args.beta = nullptr; },
        [](Arguments &a) { a.args.dgamma = nullptr, a.args.dbeta = nullptr; },
        [](Arguments &a) { a.args.dx = a.args.dz = nullptr; },
        [](Arguments &a) { a.args.dz = nullptr; },
        [](Arguments &a) { a.args.z = a.args.dz = nullptr; },
        [](Arguments &a) { a.dx.data = a.dy.data; },
        [](Arguments &a) { a.dz.data = a.dy.data; },
        [](Arguments &a) { a.z.data = a.x.data; },  // inputs may be one
        [](Arguments &a) { a.dy.data = a.x.data; },
        [](Arguments &a) { a.args.beta = a.args.gamma; },
        [](Arguments &a) { a.config_value.threads = 1000; },
        [](Arguments &a) { a.count = 81; },
        [](Arguments &a) { a.count = INT64_MAX / 2; },
        [](Arguments &a) { a.take_y(HALNORM_ACT_NONE); },
        [](Arguments &a) { a.take_y(HALNORM_ACT_ELU); },
        [](Arguments &a) {
            a.take_y(HALNORM_ACT_LEAKY_RELU);
            a.args.gamma = nullptr;
        },
    };
    for (size_t i = 0; i < std::size(good); i++) {
        Arguments a(GetParam());
        good[i](a);
        // What a case may need more than the one that was asked about.
        size_t bytes = 0;
        ASSERT_EQ(a.size_query(&bytes), HALNORM_OK) << i << ": " << halnorm_last_error();
        Memory workspace(bytes, HALNORM_WORKSPACE_ALIGNMENT, {}, output_fill);
        a.workspace = workspace.data();
        a.bytes = bytes;
        EXPECT_EQ(a.run(), HALNORM_OK) << i << ": " << halnorm_last_error();
        EXPECT_TRUE(workspace.surroundings_intact());
    }
}

INSTANTIATE_TEST_SUITE_P(, BackwardBadInputs,
                         testing::Values(Function::whole, Function::reduce, Function::apply),
                         [](const testing::TestParamInfo<Function> &info) {
                             return name(info.param);
                         });

}  // namespace
