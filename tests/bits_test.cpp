// The same bits for any number of threads, any executor, and in place.
#include <gtest/gtest.h>
#include <thread>

#include "call.h"
#include "executors.h"
#include "grid_shapes.h"
#include "options.h"
#include "variants.h"

namespace {

using namespace test;

using Bits = std::vector<unsigned char>;

// Fresh buffers for each run, so that nothing that a run leaves behind can help the next.
Bits run(const Case &k) {
    Call call(k);
    EXPECT_EQ(call.run(), HALNORM_OK) << halnorm_last_error();
    EXPECT_EQ(halnorm_last_variant(), k.variant);
    return call.bits();
}

class SameBits : public VariantTest {
protected:
    // At least 1 MB, so that the work really is split: many channels, few channels, one channel, no
    // rows, few elements per channel; for in place also shapes with tails everywhere.
    template<typename Body>
    void for_each_setting(std::initializer_list<Pipeline> pipelines, Body body) {
        const int64_t shapes[][3] = {
            {8, 64, 784}, {3, 3, 40000}, {2, 1, 150001}, {33, 257, 49}, {4096, 100, 1}};
        for (Pipeline pipeline : pipelines) {
            for (const auto &shape : shapes) {
                Case k;
                k.variant = GetParam();
                k.pipeline = pipeline;
                k.take_shape(shape, 3);
                for_each_layout_and_dtype(k, body);
            }
        }
    }
};

TEST_P(SameBits, for_any_number_of_threads) {
    for_each_setting({Pipeline::inference, Pipeline::training, Pipeline::statistics}, [](Case k) {
        SCOPED_TRACE(k.describe());
        const Bits serial = run(k);
        for (int threads : thread_counts()) {
            k.threads = threads;
            EXPECT_TRUE(run(k) == serial) << threads << " threads";
        }
    });
}

// One thread sums such tensors in another order of loops than the parts of them that several get.
TEST_P(SameBits, of_large_sums) {
    for (const Shape &shape : large_rows) {
        for (halnorm_dtype dtype : {HALNORM_FLOAT32, HALNORM_FLOAT64}) {
            Case k;
            k.variant = GetParam();
            k.layout = HALNORM_NHWC;
            k.dtype = dtype;
            k.rank = 2;
            k.n = shape.n, k.c = shape.c, k.s = shape.s;
            k.activation = HALNORM_ACT_RELU;
            SCOPED_TRACE(k.describe());
            Call(k).expect_reference();
            const auto serial = run(k);
            k.threads = 3;
            EXPECT_TRUE(run(k) == serial);
        }
    }
}

TEST_P(SameBits, for_any_executor) {
    int64_t most = 0;
    for_each_setting({Pipeline::inference, Pipeline::training, Pipeline::statistics}, [&](Case k) {
        SCOPED_TRACE(k.describe());
        const Bits serial = run(k);
        ReverseExecutor reverse;
        k.executor = reverse.get();
        EXPECT_TRUE(run(k) == serial) << "in reverse";
        most = std::max(most, reverse.tasks());
        ThreadExecutor threads(3);
        k.executor = threads.get();
        EXPECT_TRUE(run(k) == serial) << "on threads of its own";
    });
    if (!runs_on_a_device(GetParam())) {
        EXPECT_GT(most, 1) << "the work never was split";
    }
}

TEST_P(SameBits, in_place) {
    for_each_setting({Pipeline::inference, Pipeline::training}, [](Case k) {
        SCOPED_TRACE(k.describe());
        for (int threads : {1, 3}) {
            k.threads = threads;
            k.in_place = false;
            const Bits out_of_place = run(k);
            k.in_place = true;
            EXPECT_TRUE(run(k) == out_of_place) << threads << " threads";
        }
    });
}

TEST_P(SameBits, in_place_with_tails_and_activations) {
    const int64_t shapes[][3] = {{3, 17, 67},  {9, 7, 49}, {2, 3, 1025},
                                 {33, 257, 1}, {5, 10, 1}, {1, 64, 5}};
    for (Pipeline pipeline : {Pipeline::inference, Pipeline::training}) {
        for (const auto &shape : shapes) {
            for (int a = 0; a < HALNORM_ACT_COUNT; a++) {
                Case k;
                k.variant = GetParam();
                k.pipeline = pipeline;
                k.take_shape(shape, 4);
                k.activation = static_cast<halnorm_activation>(a);
                for_each_layout_and_dtype(k, [](Case c) {
                    const Bits out_of_place = run(c);
                    c.in_place = true;
                    EXPECT_TRUE(run(c) == out_of_place) << c.describe();
                });
            }
        }
    }
}

TEST_P(SameBits, in_place_with_a_second_addend) {
    const int64_t shapes[][3] = {{3, 17, 67}, {2, 3, 1025}, {33, 257, 1}, {8, 64, 400}};
    size_t turn = 0;
    for (Pipeline pipeline : {Pipeline::inference, Pipeline::training}) {
        for (const auto &shape : shapes) {
            Case k;
            k.variant = GetParam();
            k.pipeline = pipeline;
            k.take_shape(shape, 4);
            k.add = true;
            for_each_layout_and_dtype(k, [&](Case c) {
                c.activation = static_cast<halnorm_activation>(turn++ % HALNORM_ACT_COUNT);
                const Bits separate = run(c);
                c.threads = 3;
                EXPECT_TRUE(run(c) == separate) << c.describe();
                c.in_place = true;
                EXPECT_TRUE(run(c) == separate) << c.describe();
                c.in_place = false;
                c.over_z = true;
                EXPECT_TRUE(run(c) == separate) << c.describe();
            });
        }
    }
}

// Where the buffers lie must not matter either.
TEST_P(SameBits, at_any_alignment) {
    for_each_setting({Pipeline::inference, Pipeline::training, Pipeline::statistics}, [](Case k) {
        if (k.n * k.c * k.s > 500000)
            return;
        SCOPED_TRACE(k.describe());
        const Bits aligned = run(k);
        k.placement.offset = 3;
        EXPECT_TRUE(run(k) == aligned);
        k.placement.guard = Guard::before;
        EXPECT_TRUE(run(k) == aligned);
    });
}

// Inference over one set of parameters from many threads at once, each with its own x, y and
// workspace.
TEST_P(SameBits, from_many_threads_at_once) {
    Case k;
    k.variant = GetParam();
    k.pipeline = Pipeline::inference;
    k.n = 4, k.c = 33, k.s = 1000;
    const Bits alone = run(k);
    for (int inner : {1, 2}) {
        k.threads = inner;
        std::vector<std::thread> threads;
        std::atomic<int> different{0};
        for (int t = 0; t < 8; t++) {
            threads.emplace_back([&] {
                for (int i = 0; i < 20; i++)
                    different += !(run(k) == alone);
            });
        }
        for (std::thread &thread : threads)
            thread.join();
        EXPECT_EQ(different, 0);
    }
}

HALNORM_FOR_EACH_VARIANT(SameBits);

}  // namespace
