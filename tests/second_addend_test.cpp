// The second addend and the second half of training: what is refused, with a message that names the
// argument and not one byte written. Their results are in the grid and in parts_test.cpp.
#include <functional>
#include <gtest/gtest.h>
#include <string.h>

#include "call.h"
#include "refusal.h"

namespace {

using namespace test;

enum class Function { inference_add, training_add, apply };

// All arguments of a call, to be spoiled one at a time: 4 images of 6 channels of 20 float32.
struct Arguments {
    explicit Arguments(Function f) : function(f), call(settings()), config(call.config()) {
        x = call.x.view(), y = call.y().view(), z = call.z->view();
        size_t needed[3] = {};
        EXPECT_EQ(halnorm_forward_inference_workspace(&config, &x, &needed[0]), HALNORM_OK);
        EXPECT_EQ(halnorm_forward_training_workspace(&config, &x, &needed[1]), HALNORM_OK);
        EXPECT_EQ(halnorm_forward_apply_workspace(&config, &x, &needed[2]), HALNORM_OK);
        bytes = needed[static_cast<int>(f)];
        lent =
            std::make_unique<Memory>(bytes, HALNORM_WORKSPACE_ALIGNMENT, Placement{}, output_fill);
        workspace = bytes == 0 ? nullptr : lent->data();
        mean.assign(6, 0);
        m2.assign(6, 80);
        given_mean = mean.data();
        given_m2 = m2.data();
        saved_mean = static_cast<double *>(call.saved_mean.data());
        saved_inv_std = static_cast<double *>(call.saved_inv_std.data());
    }

    static Case settings() {
        Case k;
        k.n = 4, k.c = 6, k.s = 20;
        k.add = true;
        return k;
    }

    halnorm_status run() {
        const void *const gamma = call.gamma.data(), *const beta = call.beta.data();
        void *const moving[] = {call.moving_mean.data(), call.moving_variance.data()};
        switch (function) {
        case Function::inference_add:
            return halnorm_forward_inference_add(&config, &x, pointer, gamma, beta, moving[0],
                                                 moving[1], &y, workspace, bytes);
        case Function::training_add:
            return halnorm_forward_training_add(&config, &x, pointer, gamma, beta, moving[0],
                                                moving[1], &y, saved_mean, saved_inv_std, workspace,
                                                bytes);
        case Function::apply:
            return halnorm_forward_apply(&config, &x, pointer, count, given_mean, given_m2, gamma,
                                         beta, moving[0], moving[1], &y, saved_mean, saved_inv_std,
                                         workspace, bytes);
        }
        return HALNORM_OK;
    }

    // Everything that a call may write, or must not.
    std::vector<unsigned char> memory() {
        return bits_of({&call.x, &call.y(), call.z.get(), &call.gamma, &call.beta,
                        &call.moving_mean, &call.moving_variance, &call.saved_mean,
                        &call.saved_inv_std});
    }

    Function function;
    Call call;
    halnorm_config config;
    halnorm_tensor x, y, z;
    const halnorm_tensor *pointer = &z;
    std::vector<double> mean, m2;
    const double *given_mean, *given_m2;
    double *saved_mean, *saved_inv_std;
    int64_t count = 80;
    std::unique_ptr<Memory> lent;
    void *workspace;
    size_t bytes = 0;
};

void halve(Arguments &a) {
    a.x.shape[0] = a.y.shape[0] = a.z.shape[0] = 2;
}

struct BadInput {
    const char *name;
    const char *functions;  // i, t, a
    halnorm_status expected;
    const char *says;  // part of the message: the argument
    std::function<void(Arguments &)> spoil;
};

// clang-format off
const BadInput bad_inputs[] = {
    {"z NULL", "it", HALNORM_ERROR_NULL, "z", [](Arguments &a) { a.pointer = nullptr; }},
    {"z.data NULL", "ita", HALNORM_ERROR_NULL, "z.data", [](Arguments &a) { a.z.data = nullptr; }},
    {"z of another rank", "ita", HALNORM_ERROR_RANK, "z.rank", [](Arguments &a) { a.z.rank = 3; }},
    {"z of another shape", "ita", HALNORM_ERROR_SHAPE, "z.shape[0]", [](Arguments &a) { a.z.shape[0] = 1; }},
    {"z stride 0", "ita", HALNORM_ERROR_STRIDE, "z.strides[3]", [](Arguments &a) { a.z.strides[3] = 0; }},
    {"z in another order of axes", "ita", HALNORM_ERROR_STRIDE, "strides", [](Arguments &a) { a.z.strides[1] = 1, a.z.strides[3] = 6, a.z.strides[2] = 30; }},
    {"z of another dtype", "ita", HALNORM_ERROR_DTYPE, "z.dtype", [](Arguments &a) { a.z.dtype = HALNORM_FLOAT64; }},
    {"z dtype unknown", "ita", HALNORM_ERROR_DTYPE, "z.dtype", [](Arguments &a) { memset(&a.z.dtype, 3, 1); }},
    {"z on another device", "ita", HALNORM_ERROR_DEVICE, "z.device", [](Arguments &a) { a.z.device = HALNORM_CUDA; }},
    {"z misaligned", "ita", HALNORM_ERROR_ALIGNMENT, "z", [](Arguments &a) { halve(a); a.z.data = moved(a.z.data, 2); }},
    {"y one image into z", "ita", HALNORM_ERROR_OVERLAP, "y", [](Arguments &a) { halve(a); a.y.data = moved(a.z.data, 480); }},
    {"y one element into z", "ita", HALNORM_ERROR_OVERLAP, "y", [](Arguments &a) { halve(a); a.y.data = moved(a.z.data, 4); }},
    {"y is z with other strides", "ita", HALNORM_ERROR_OVERLAP, "y", [](Arguments &a) { halve(a); a.y.data = a.z.data; a.y.strides[0] += 1; }},
    {"y one image into x", "ita", HALNORM_ERROR_OVERLAP, "y", [](Arguments &a) { halve(a); a.y.data = moved(a.x.data, 480); }},
    {"z is saved_mean", "ta", HALNORM_ERROR_OVERLAP, "saved_mean", [](Arguments &a) { a.saved_mean = static_cast<double *>(a.z.data); }},
    {"z in the workspace", "ta", HALNORM_ERROR_OVERLAP, "workspace", [](Arguments &a) { a.z.data = a.workspace; }},

    {"mean NULL", "a", HALNORM_ERROR_NULL, "mean", [](Arguments &a) { a.given_mean = nullptr; }},
    {"m2 NULL", "a", HALNORM_ERROR_NULL, "m2", [](Arguments &a) { a.given_m2 = nullptr; }},
    {"count negative", "a", HALNORM_ERROR_PARAMETER, "count", [](Arguments &a) { a.count = -1; }},
    {"saved_inv_std NULL", "a", HALNORM_ERROR_NULL, "saved_inv_std", [](Arguments &a) { a.saved_inv_std = nullptr; }},
    {"saved_mean is mean", "a", HALNORM_ERROR_OVERLAP, "mean", [](Arguments &a) { a.given_mean = a.saved_mean; }},
    {"saved_inv_std is m2", "a", HALNORM_ERROR_OVERLAP, "m2", [](Arguments &a) { a.given_m2 = a.saved_inv_std; }},
    {"mean in y", "a", HALNORM_ERROR_OVERLAP, "mean", [](Arguments &a) { a.given_mean = static_cast<const double *>(a.y.data); }},
    {"m2 misaligned", "a", HALNORM_ERROR_ALIGNMENT, "m2", [](Arguments &a) { a.given_m2 = static_cast<const double *>(moved(a.m2.data(), 4)); }},
    {"workspace too small", "a", HALNORM_ERROR_WORKSPACE, "workspace", [](Arguments &a) { a.bytes -= 1; }},
    {"workspace NULL", "a", HALNORM_ERROR_WORKSPACE, "workspace", [](Arguments &a) { a.workspace = nullptr; }},
};
// clang-format on

char letter(Function f) {
    return f == Function::inference_add ? 'i' : f == Function::training_add ? 't' : 'a';
}

class SecondAddendBadInputs : public testing::TestWithParam<Function> {};

TEST_P(SecondAddendBadInputs, are_refused_and_nothing_is_written) {
    for (const BadInput &bad : bad_inputs) {
        if (strchr(bad.functions, letter(GetParam())) == nullptr)
            continue;
        SCOPED_TRACE(bad.name);
        Arguments a(GetParam());
        const std::vector<unsigned char> before = a.memory();
        bad.spoil(a);
        expect_refused(a.run(), bad.expected, bad.says);
        EXPECT_TRUE(a.memory() == before) << "something was written";
    }
}

// What looks wrong and is not.
TEST_P(SecondAddendBadInputs, are_not_these) {
    const std::function<void(Arguments &)> good[] = {
        [](Arguments &) {},
        [](Arguments &a) { a.z = a.x; },  // inputs may be one
        [](Arguments &a) { a.y = a.x; },
        [](Arguments &a) { a.y = a.z; },
        [](Arguments &a) { a.y = a.z = a.x; },
    };
    for (size_t i = 0; i < std::size(good); i++) {
        Arguments a(GetParam());
        good[i](a);
        EXPECT_EQ(a.run(), HALNORM_OK) << i << ": " << halnorm_last_error();
    }
}

INSTANTIATE_TEST_SUITE_P(, SecondAddendBadInputs,
                         testing::Values(Function::inference_add, Function::training_add,
                                         Function::apply),
                         [](const testing::TestParamInfo<Function> &info) {
                             return info.param == Function::inference_add ? "inference_add" :
                                    info.param == Function::training_add  ? "training_add" :
                                                                            "apply";
                         });

}  // namespace
