// How much of its stack a call takes, on a painted one: threads of apps and boards have little.
#include <algorithm>
#include <functional>
#include <gtest/gtest.h>
#include <pthread.h>
#include <string.h>
#include <vector>

#include "backward_call.h"
#include "call.h"
#include "variants.h"

namespace {

using namespace test;

constexpr unsigned char paint = 0xa5;

void *run_body(void *body) {
    (*static_cast<const std::function<void()> *>(body))();
    return nullptr;
}

// Bytes that a thread which runs `body` takes of its stack.
size_t thread_bytes(const std::function<void()> &body) {
    constexpr size_t size = 1 << 20;
    static std::vector<unsigned char> memory(size + 4096);
    unsigned char *const low =
        memory.data() + (4096 - reinterpret_cast<uintptr_t>(memory.data()) % 4096);
    memset(low, paint, size);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    EXPECT_EQ(pthread_attr_setstack(&attributes, low, size), 0);
    pthread_t thread;
    EXPECT_EQ(pthread_create(&thread, &attributes, run_body,
                             const_cast<std::function<void()> *>(&body)),
              0);
    pthread_join(thread, nullptr);
    pthread_attr_destroy(&attributes);
    size_t untouched = 0;
    while (untouched < size && low[untouched] == paint)
        untouched++;
    return size - untouched;
}

size_t stack_bytes(const std::function<void()> &body) {
    static const size_t alone = thread_bytes([] {});
    return thread_bytes(body) - alone;
}

class Stack : public VariantTest {};

// The tests' own share of a call is in it.
TEST_P(Stack, of_a_call_is_small) {
#if HALNORM_INSTRUMENTED
    GTEST_SKIP() << "a sanitizer's frames are larger";
#else
    if (runs_on_a_device(GetParam()))
        GTEST_SKIP() << GetParam() << " calls a driver, which takes what it takes";
    const int64_t shapes[][3] = {{2, 3, 4}, {64, 10, 1}, {17, 64, 49}, {2, 17, 3136}, {33, 257, 1}};
    size_t most = 0;
    for (halnorm_stores stores : {HALNORM_STORES_ORDINARY, HALNORM_STORES_STREAMING}) {
        for (halnorm_layout layout : {HALNORM_NCHW, HALNORM_NHWC}) {
            for (halnorm_dtype dtype : {HALNORM_FLOAT32, HALNORM_FLOAT64}) {
                for (const auto &shape : shapes) {
                    Case k;
                    k.variant = GetParam();
                    k.layout = layout, k.dtype = dtype, k.stores = stores;
                    k.activation = HALNORM_ACT_GELU;
                    k.take_shape(shape, 4);
                    for (Pipeline pipeline :
                         {Pipeline::inference, Pipeline::training, Pipeline::statistics}) {
                        k.pipeline = pipeline;
                        Call call(k);
                        halnorm_status status = HALNORM_ERROR_KERNEL;
                        most = std::max(most, stack_bytes([&] { status = call.run(); }));
                        ASSERT_EQ(status, HALNORM_OK) << halnorm_last_error();
                        if (pipeline != Pipeline::inference)
                            continue;
                        most = std::max(most, stack_bytes([&] {
                                            call.prepare();
                                            status = call.run_prepared();
                                        }));
                        ASSERT_EQ(status, HALNORM_OK) << halnorm_last_error();
                    }
                    BackwardCase b;
                    static_cast<Setting &>(b) = k;
                    BackwardCall call(b);
                    halnorm_status status = HALNORM_ERROR_KERNEL;
                    most = std::max(most, stack_bytes([&] { status = call.run(); }));
                    ASSERT_EQ(status, HALNORM_OK) << halnorm_last_error();
                }
            }
        }
    }
    printf("%s: %zu bytes of stack\n", GetParam().c_str(), most);
    // docs/embedding.md. AVX keeps the sums of a strip of channels there, 8 KB.
    const bool wide = GetParam().rfind("x86_avx", 0) == 0;
    EXPECT_LE(most, (wide ? size_t{16} : size_t{8}) << 10);
#endif
}

HALNORM_FOR_EACH_VARIANT(Stack);

}  // namespace
