// Inference in two steps: what the first keeps, what the second may be given, what both refuse.
// That the second gives the bits of halnorm_forward_inference, call.cpp checks in every test of
// that.
#include <functional>
#include <gtest/gtest.h>
#include <math.h>

#include "at_once.h"
#include "call.h"
#include "executors.h"
#include "refusal.h"
#include "variants.h"

namespace {

using namespace test;

Case inference_of(const std::string &variant, int64_t n, int64_t c, int64_t s) {
    Case k;
    k.variant = variant;
    k.pipeline = Pipeline::inference;
    k.n = n, k.c = c, k.s = s;
    k.rank = s == 1 ? 2 : 3;
    k.activation = HALNORM_ACT_RELU;
    return k;
}

class Prepared : public VariantTest {
protected:
    void SetUp() override {
        VariantTest::SetUp();
        if (runs_on_a_device(GetParam()))
            GTEST_SKIP() << GetParam() << " is for a device: nothing is prepared for it";
    }
};

// Weights, configuration and the tensors' descriptions have gone when it runs, and the elements are
// others each time.
TEST_P(Prepared, needs_nothing_but_its_memory) {
    for (bool add : {false, true}) {
        Case k = inference_of(GetParam(), 5, 17, 49);
        k.add = add;
        for_each_layout_and_dtype(k, [&](const Case &c) {
            SCOPED_TRACE(c.describe());
            Call prepared(c);
            ASSERT_EQ(prepared.prepare(), HALNORM_OK) << halnorm_last_error();
            for (Tensor *t : {&prepared.gamma, &prepared.beta, &prepared.moving_mean,
                              &prepared.moving_variance})
                t->set(std::vector<double>(t->size(), NAN));
            for (uint64_t seed = 1; seed < 4; seed++) {
                Call other(c, seed);  // the same weights where the seed is 1
                Call same(c);
                for (Tensor *x : {&prepared.x, &same.x})
                    x->set(other.x.values());
                for (Tensor *z : {prepared.z.get(), same.z.get()}) {
                    if (z != nullptr)
                        z->set(other.z->values());
                }
                ASSERT_EQ(same.run(), HALNORM_OK);
                ASSERT_EQ(prepared.run_prepared(), HALNORM_OK) << halnorm_last_error();
                EXPECT_TRUE(prepared.y().bits() == same.y().bits()) << "seed " << seed;
            }
        });
    }
}

// The caller's own copies of what the configuration points to may go too.
TEST_P(Prepared, keeps_the_executor_and_the_choice_of_kernels) {
    Case k = inference_of(GetParam(), 6, 32, 784);
    ReverseExecutor executor;
    halnorm_executor interface = *executor.get();
    k.executor = &interface;
    Call call(k);
    ASSERT_EQ(call.prepare(), HALNORM_OK) << halnorm_last_error();
    interface.parallel_for = nullptr;
    call.settings.variant.assign(call.settings.variant.size(), '?');
    ASSERT_EQ(call.run_prepared(), HALNORM_OK) << halnorm_last_error();
    EXPECT_GT(executor.tasks(), 1);
    EXPECT_EQ(halnorm_last_variant(), GetParam());
}

// One for any place of x and y: in place or not, where y can be stored past the cache and where
// not.
TEST_P(Prepared, serves_tensors_wherever_they_lie) {
    const int64_t shapes[][2] = {{48, 64}, {48, 49}, {3, 4501}};
    for (const auto &[channels, s] : shapes) {
        Case k = inference_of(GetParam(), 2, channels, s);
        k.stores = HALNORM_STORES_STREAMING;
        for_each_layout_and_dtype(k, [&](const Case &c) {
            SCOPED_TRACE(c.describe());
            Call call(c);
            ASSERT_EQ(call.run(), HALNORM_OK) << halnorm_last_error();
            const std::vector<unsigned char> x = call.x.bits();
            ASSERT_EQ(call.prepare(), HALNORM_OK) << halnorm_last_error();
            for (int offset : {0, 1, 4, 0}) {
                for (bool in_place : {false, true}) {
                    Case there = c;
                    there.placement.offset = offset;
                    there.in_place = in_place;
                    Call in_one(there);
                    ASSERT_EQ(in_one.run(), HALNORM_OK) << halnorm_last_error();
                    Placement placement;
                    placement.offset = offset;
                    Tensor in(c.dtype, c.geometry_of(Spread::dense), placement, output_fill);
                    Tensor other(c.dtype, c.geometry_of(Spread::dense), placement, output_fill);
                    Tensor &out = in_place ? in : other;
                    in.set_bits(x);
                    ASSERT_EQ(halnorm_run_prepared(call.prepared, in.data(), nullptr, out.data()),
                              HALNORM_OK)
                        << halnorm_last_error();
                    EXPECT_TRUE(out.bits() == in_one.y().bits() && out.gaps_intact())
                        << "offset " << offset << ", in place " << in_place;
                }
            }
        });
    }
}

TEST_P(Prepared, runs_on_many_threads_at_once) {
    Case k = inference_of(GetParam(), 8, 33, 100);
    Call call(k);
    ASSERT_EQ(call.run(), HALNORM_OK) << halnorm_last_error();
    const std::vector<unsigned char> y = call.y().bits();
    ASSERT_EQ(call.prepare(), HALNORM_OK) << halnorm_last_error();
    std::atomic<int> wrong{0};
    at_once([&](int) {
        Tensor out(k.dtype, k.geometry_of(Spread::dense), {}, output_fill);
        for (int i = 0; i < 5; i++) {
            const halnorm_status status =
                halnorm_run_prepared(call.prepared, call.x.data(), nullptr, out.data());
            wrong += status != HALNORM_OK || out.bits() != y;
            out.set(std::vector<double>(out.size(), 7));
        }
    });
    EXPECT_EQ(wrong, 0);
}

// Whatever the pointers are.
TEST_P(Prepared, of_an_empty_tensor_does_nothing) {
    Case k = inference_of(GetParam(), 0, 3, 4);
    Call call(k);
    ASSERT_EQ(call.prepare(), HALNORM_OK) << halnorm_last_error();
    EXPECT_EQ(halnorm_run_prepared(call.prepared, nullptr, nullptr, nullptr), HALNORM_OK);
    EXPECT_EQ(call.run_prepared(), HALNORM_OK) << halnorm_last_error();
}

HALNORM_FOR_EACH_VARIANT(Prepared);

// All arguments of both steps, to be spoiled one at a time: 4 images of 6 channels of 20 float32.
struct Arguments {
    explicit Arguments(bool with_z) : add(with_z), call(settings(with_z)), config(call.config()) {
        tensors[0] = call.x.view(), tensors[1] = call.y().view();
        tensors[2] = add ? call.z->view() : call.x.view();
        gamma = call.gamma.data(), beta = call.beta.data();
        mean = call.moving_mean.data(), variance = call.moving_variance.data();
        EXPECT_EQ(halnorm_prepare_inference_memory(&config, x, &bytes), HALNORM_OK);
        lent =
            std::make_unique<Memory>(bytes, HALNORM_WORKSPACE_ALIGNMENT, Placement{}, output_fill);
        memory = lent->data();
    }
    static Case settings(bool with_z) {
        Case k = inference_of("", 4, 6, 20);
        k.add = with_z;
        return k;
    }
    halnorm_status prepare() {
        return add ? halnorm_prepare_inference_add(config_or_null, x, z, gamma, beta, mean,
                                                   variance, y, memory, bytes, result) :
                     halnorm_prepare_inference(config_or_null, x, gamma, beta, mean, variance, y,
                                               memory, bytes, result);
    }
    std::vector<unsigned char> written() {
        std::vector<unsigned char> all = bits_of({&call.x, &call.y(), &call.gamma, &call.beta,
                                                  &call.moving_mean, &call.moving_variance});
        const std::vector<unsigned char> inside = lent->bytes_within();
        all.insert(all.end(), inside.begin(), inside.end());
        const unsigned char *const pointer = reinterpret_cast<unsigned char *>(&prepared);
        all.insert(all.end(), pointer, pointer + sizeof prepared);
        return all;
    }

    bool add;
    Call call;
    halnorm_config config;
    const halnorm_config *config_or_null = &config;
    halnorm_tensor tensors[3];
    const halnorm_tensor *x = &tensors[0], *y = &tensors[1], *z = &tensors[2];
    const void *gamma, *beta, *mean, *variance;
    std::unique_ptr<Memory> lent;
    void *memory;
    size_t bytes = 0;
    const halnorm_prepared *prepared = nullptr, **result = &prepared;
};

struct BadInput {
    const char *name;
    halnorm_status expected;
    const char *says;
    std::function<void(Arguments &)> spoil;
};

TEST(PreparedBadInputs, are_refused_by_the_first_step) {
    // clang-format off
    const BadInput bad_inputs[] = {
        {"config NULL", HALNORM_ERROR_NULL, "config", [](Arguments &a) { a.config_or_null = nullptr; }},
        {"x NULL", HALNORM_ERROR_NULL, "x", [](Arguments &a) { a.x = nullptr; }},
        {"y NULL", HALNORM_ERROR_NULL, "y", [](Arguments &a) { a.y = nullptr; }},
        {"z NULL", HALNORM_ERROR_NULL, "z", [](Arguments &a) { a.z = nullptr; }},
        {"moving_mean NULL", HALNORM_ERROR_NULL, "moving_mean", [](Arguments &a) { a.mean = nullptr; }},
        {"moving_variance NULL", HALNORM_ERROR_NULL, "moving_variance", [](Arguments &a) { a.variance = nullptr; }},
        {"prepared NULL", HALNORM_ERROR_NULL, "prepared", [](Arguments &a) { a.result = nullptr; }},
        {"memory NULL", HALNORM_ERROR_WORKSPACE, "memory: was NULL", [](Arguments &a) { a.memory = nullptr; }},
        {"memory too small", HALNORM_ERROR_WORKSPACE, "memory_bytes", [](Arguments &a) { a.bytes -= 1; }},
        {"memory of no bytes", HALNORM_ERROR_WORKSPACE, "memory_bytes", [](Arguments &a) { a.bytes = 0; }},
        {"memory misaligned", HALNORM_ERROR_WORKSPACE, "memory", [](Arguments &a) { a.memory = moved(a.memory, -8); }},
        {"gamma in memory", HALNORM_ERROR_OVERLAP, "memory", [](Arguments &a) { a.gamma = moved(a.memory, 64); }},
        {"moving_variance in memory", HALNORM_ERROR_OVERLAP, "memory", [](Arguments &a) { a.variance = moved(a.memory, a.bytes - 4); }},
        {"gamma misaligned", HALNORM_ERROR_ALIGNMENT, "gamma", [](Arguments &a) { a.gamma = moved(a.gamma, 1); }},
        {"y of another shape", HALNORM_ERROR_SHAPE, "y.shape[2]", [](Arguments &a) { a.tensors[1].shape[2] -= 1; }},
        {"z of another dtype", HALNORM_ERROR_DTYPE, "z.dtype", [](Arguments &a) { a.tensors[2].dtype = HALNORM_FLOAT64; }},
        {"z stride 0", HALNORM_ERROR_STRIDE, "z.strides[1]", [](Arguments &a) { a.tensors[2].strides[1] = 0; }},
        {"epsilon negative", HALNORM_ERROR_PARAMETER, "epsilon", [](Arguments &a) { a.config.epsilon = -1; }},
        {"variant unknown", HALNORM_ERROR_VARIANT_UNKNOWN, "generic", [](Arguments &a) { a.config.variant = "x86_sse9"; }},
        {"x on a device", HALNORM_ERROR_DEVICE, "x.device", [](Arguments &a) {
            for (halnorm_tensor &t : a.tensors) t.device = HALNORM_CUDA;
            a.config.variant = "generic"; }},
    };
    // clang-format on
    for (const BadInput &bad : bad_inputs) {
        for (bool add : {false, true}) {
            if (bad.name[0] == 'z' && !add)
                continue;
            SCOPED_TRACE(bad.name);
            Arguments a(add);
            const std::vector<unsigned char> before = a.written();
            bad.spoil(a);
            expect_refused(a.prepare(), bad.expected, bad.says);
            EXPECT_TRUE(a.written() == before) << "something was written";
        }
    }
}

TEST(PreparedBadInputs, are_refused_by_the_size_query) {
    Arguments a(false);
    expect_refused(halnorm_prepare_inference_memory(&a.config, a.x, nullptr), HALNORM_ERROR_NULL,
                   "bytes");
    size_t bytes = 12345;
    expect_refused(halnorm_prepare_inference_memory(nullptr, a.x, &bytes), HALNORM_ERROR_NULL,
                   "config");
    expect_refused(halnorm_prepare_inference_memory(&a.config, nullptr, &bytes), HALNORM_ERROR_NULL,
                   "x");
    EXPECT_EQ(bytes, 12345u);
}

TEST(PreparedBadInputs, are_refused_by_the_second_step) {
    for (bool add : {false, true}) {
        Arguments a(add);
        ASSERT_EQ(a.prepare(), HALNORM_OK) << halnorm_last_error();
        const size_t tensor_bytes = a.call.x.size() * sizeof(float);
        const halnorm_prepared *const p = a.prepared;
        void *const x = a.call.x.data(), *const y = a.call.y().data(),
                    *const z = add ? a.call.z->data() : nullptr;
        const struct {
            const halnorm_prepared *prepared;
            const void *x, *z;
            void *y;
            halnorm_status expected;
            const char *says;
        } bad_inputs[] = {
            {nullptr, x, z, y, HALNORM_ERROR_NULL, "prepared"},
            {p, nullptr, z, y, HALNORM_ERROR_NULL, "x: was NULL"},
            {p, x, z, nullptr, HALNORM_ERROR_NULL, "y: was NULL"},
            {p, x, add ? nullptr : x, y, add ? HALNORM_ERROR_NULL : HALNORM_ERROR_PARAMETER,
             add ? "z: was NULL" : "z: was given"},
            {p, moved(x, 2), z, y, HALNORM_ERROR_ALIGNMENT, "x"},
            {p, x, z, moved(y, 1), HALNORM_ERROR_ALIGNMENT, "y"},
            {p, x, z, moved(x, 4), HALNORM_ERROR_OVERLAP, "y: overlaps x"},
            {p, x, z, moved(x, static_cast<ptrdiff_t>(tensor_bytes) - 4), HALNORM_ERROR_OVERLAP,
             "y: overlaps x"},
            {p, x, z, a.memory, HALNORM_ERROR_OVERLAP, "y: overlaps prepared"},
            {p, x, z, moved(a.memory, static_cast<ptrdiff_t>(a.bytes) - 4), HALNORM_ERROR_OVERLAP,
             "y: overlaps prepared"},
        };
        const std::vector<unsigned char> before = a.written();
        for (const auto &bad : bad_inputs) {
            SCOPED_TRACE(bad.says);
            expect_refused(halnorm_run_prepared(bad.prepared, bad.x, bad.z, bad.y), bad.expected,
                           bad.says);
            EXPECT_TRUE(a.written() == before) << "something was written";
        }
    }
    // In place only where the strides are the same.
    Case k = inference_of("", 4, 6, 20);
    k.y_spread = Spread::image_gap;
    Call call(k);
    ASSERT_EQ(call.prepare(), HALNORM_OK) << halnorm_last_error();
    expect_refused(halnorm_run_prepared(call.prepared, call.y().data(), nullptr, call.y().data()),
                   HALNORM_ERROR_OVERLAP, "y: overlaps x");
}

}  // namespace
