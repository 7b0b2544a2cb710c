// A call that runs serially or on the caller's executor neither allocates nor takes a lock. This
// program puts itself between everyone and malloc.
#include <atomic>
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <stdlib.h>

#include "allocator.h"
#include "backward_call.h"
#include "executors.h"
#include "variants.h"

namespace {

std::atomic<int64_t> locks{0};

}  // namespace

constexpr bool counting = test::counts_allocations;

#if !HALNORM_INSTRUMENTED
extern "C" {
int pthread_mutex_lock(pthread_mutex_t *mutex) noexcept {
    using Lock = int (*)(pthread_mutex_t *);
    static const std::atomic<Lock> real{
        reinterpret_cast<Lock>(dlsym(RTLD_NEXT, "pthread_mutex_lock"))};
    locks++;
    return real.load()(mutex);
}
}
#endif

namespace {

using namespace test;

class Allocation : public VariantTest {
protected:
    void SetUp() override {
        VariantTest::SetUp();
        if (!counting)
            GTEST_SKIP() << "a sanitizer has its own malloc";
    }
};

// Serial executor without any state.
void run_serially(void *, int64_t tasks, Task task, void *argument) {
    for (int64_t i = 0; i < tasks; i++)
        task(argument, i);
}
const halnorm_executor serial = {run_serially, nullptr};

halnorm_status prepare_and_run(Call &call, void *memory) {
    const halnorm_config config = call.config();
    const halnorm_tensor x = call.x.view(), y = call.y().view();
    const halnorm_prepared *prepared = nullptr;
    size_t bytes = 0;
    halnorm_prepare_inference_memory(&config, &x, &bytes);
    const halnorm_status status = halnorm_prepare_inference(
        &config, &x, nullptr, nullptr, call.moving_mean.data(), call.moving_variance.data(), &y,
        memory, bytes, &prepared);
    return status != HALNORM_OK ? status : halnorm_run_prepared(prepared, x.data, nullptr, y.data);
}

// All buffers are there before; between the two readings of the counters lie the size query and the
// call alone.
struct Counted {
    int64_t allocations, locks;
};
Counted count(Call &call) {
    const halnorm_config config = call.config();
    const halnorm_tensor x = call.x.view(), y = call.y().view();
    static const Memory lent(4 << 20, HALNORM_WORKSPACE_ALIGNMENT, {}, output_fill);
    void *const workspace = lent.data();
    double *const mean = static_cast<double *>(call.saved_mean.data());
    double *const inv_std = static_cast<double *>(call.saved_inv_std.data());
    size_t bytes = 0;
    halnorm_status status = HALNORM_OK;

    const Counted before = {allocations, locks};
    switch (call.settings.pipeline) {
    case Pipeline::inference:
        halnorm_forward_inference_workspace(&config, &x, &bytes);
        status = halnorm_forward_inference(&config, &x, nullptr, nullptr, call.moving_mean.data(),
                                           call.moving_variance.data(), &y, workspace, bytes);
        if (status == HALNORM_OK && !runs_on_a_device(call.settings.variant))
            status = prepare_and_run(call, workspace);
        break;
    case Pipeline::training:
        halnorm_forward_training_workspace(&config, &x, &bytes);
        status = halnorm_forward_training(&config, &x, call.gamma.data(), call.beta.data(),
                                          call.moving_mean.data(), call.moving_variance.data(), &y,
                                          mean, inv_std, workspace, bytes);
        break;
    case Pipeline::statistics:
        halnorm_statistics_workspace(&config, &x, &bytes);
        status = halnorm_statistics(&config, &x, &call.count, mean, inv_std, workspace, bytes);
        break;
    }
    const Counted after = {allocations, locks};

    EXPECT_EQ(status, HALNORM_OK) << halnorm_last_error();
    EXPECT_LE(bytes, lent.bytes());
    EXPECT_EQ(halnorm_last_variant(), call.settings.variant);
    return {after.allocations - before.allocations, after.locks - before.locks};
}

// Likewise of all three functions of the backward pass.
Counted count(BackwardCall &call) {
    const halnorm_config config = call.config();
    const halnorm_backward_args args = call.args();
    static const Memory lent(4 << 20, HALNORM_WORKSPACE_ALIGNMENT, {}, output_fill);
    void *const workspace = lent.data();
    double *const g = static_cast<double *>(call.sum_g.data());
    double *const g_xhat = static_cast<double *>(call.sum_g_xhat.data());
    size_t bytes[3] = {};
    halnorm_status status[3];

    const Counted before = {allocations, locks};
    halnorm_backward_workspace(&config, &args, &bytes[0]);
    status[0] = halnorm_backward(&config, &args, workspace, bytes[0]);
    halnorm_backward_reduce_workspace(&config, &args, &bytes[1]);
    status[1] = halnorm_backward_reduce(&config, &args, g, g_xhat, workspace, bytes[1]);
    halnorm_backward_apply_workspace(&config, &args, &bytes[2]);
    status[2] = halnorm_backward_apply(&config, &args, call.settings.n * call.settings.s, g, g_xhat,
                                       workspace, bytes[2]);
    const Counted after = {allocations, locks};

    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(status[i], HALNORM_OK) << i << ": " << halnorm_last_error();
        EXPECT_LE(bytes[i], lent.bytes());
    }
    EXPECT_EQ(halnorm_last_variant(), call.settings.variant);
    return {after.allocations - before.allocations, after.locks - before.locks};
}

TEST(AllocationHook, counts) {
    if (!counting)
        GTEST_SKIP() << "a sanitizer has its own malloc";
    const int64_t before = allocations, locked = locks;
    int *volatile object = new int(3);  // volatile: a compiler may leave out what nobody looks at
    void *volatile memory = calloc(1, 1);
    delete object;
    free(memory);
    EXPECT_EQ(allocations - before, 2);
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
    EXPECT_EQ(locks - locked, 1);
}

TEST_P(Allocation, and_locks_do_not_happen_in_a_call) {
    const int64_t shapes[][3] = {{2, 3, 4}, {1, 1, 1}, {9, 17, 49}, {4, 64, 1024}, {3, 257, 1}};
    for (Pipeline pipeline : {Pipeline::inference, Pipeline::training, Pipeline::statistics}) {
        for (halnorm_layout layout : {HALNORM_NCHW, HALNORM_NHWC}) {
            for (halnorm_dtype dtype : {HALNORM_FLOAT32, HALNORM_FLOAT64}) {
                for (const auto &shape : shapes) {
                    for (const halnorm_executor *executor :
                         {static_cast<const halnorm_executor *>(nullptr), &serial}) {
                        for (int a : {HALNORM_ACT_NONE, HALNORM_ACT_GELU}) {
                            Case k;
                            k.variant = GetParam();
                            k.pipeline = pipeline;
                            k.layout = layout;
                            k.dtype = dtype;
                            k.n = shape[0], k.c = shape[1], k.s = shape[2];
                            k.rank = k.s == 1 ? 2 : 3;
                            k.activation = static_cast<halnorm_activation>(a);
                            k.executor = executor;
                            k.threads = executor == nullptr ? 1 : 0;
                            Call call(k);
                            const Counted counted = count(call);
                            EXPECT_EQ(counted.allocations, 0) << k.describe();
                            EXPECT_EQ(counted.locks, 0) << k.describe();
                            if (k.pipeline != Pipeline::training)
                                continue;
                            BackwardCase b;
                            static_cast<Setting &>(b) = k;
                            b.dx = shape[1] != 17;  // without it, g has no place of its own
                            b.batch = shape[1] != 64;
                            BackwardCall backward(b);
                            const Counted of_backward = count(backward);
                            EXPECT_EQ(of_backward.allocations, 0) << b.describe();
                            EXPECT_EQ(of_backward.locks, 0) << b.describe();
                        }
                    }
                }
            }
        }
    }
}

TEST(AllocationHook, errors_do_not_allocate) {
    if (!counting)
        GTEST_SKIP() << "a sanitizer has its own malloc";
    Case k;
    Call call(k);
    halnorm_config config = call.config();
    config.variant = "nonsense";
    const halnorm_tensor x = call.x.view();
    size_t bytes = 0;
    const int64_t before = allocations;
    const halnorm_status status = halnorm_statistics_workspace(&config, &x, &bytes);
    EXPECT_EQ(allocations - before, 0);
    EXPECT_EQ(status, HALNORM_ERROR_VARIANT_UNKNOWN);
}

INSTANTIATE_TEST_SUITE_P(, Allocation, testing::ValuesIn([] {
                             std::vector<std::string> names;  // a driver allocates as it likes
                             for (const std::string &name : variants()) {
                                 if (name != "cuda" && name != "opencl")
                                     names.push_back(name);
                             }
                             return names;
                         }()),
                         variant_name);

}  // namespace
