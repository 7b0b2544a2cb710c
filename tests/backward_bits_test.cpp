// The same bits of the backward pass for any number of threads, any executor, in dy's memory, and
// at any alignment.
#include <gtest/gtest.h>

#include "backward_call.h"
#include "executors.h"
#include "grid_shapes.h"
#include "options.h"
#include "variants.h"

namespace {

using namespace test;

// Fresh buffers for each run, so that nothing that a run leaves behind can help the next.
std::vector<unsigned char> run(const BackwardCase &k) {
    BackwardCall call(k);
    EXPECT_EQ(call.run(), HALNORM_OK) << halnorm_last_error();
    EXPECT_EQ(halnorm_last_variant(), k.variant);
    return call.bits();
}

class SameBitsBackward : public VariantTest {
protected:
    // Large enough that the work really is split: many channels, few channels, one channel, no
    // rows.
    template<typename Body>
    void for_each_setting(Body body) {
        const int64_t shapes[][3] = {
            {8, 64, 300}, {3, 3, 30000}, {2, 1, 100001}, {33, 65, 49}, {1024, 100, 1}};
        int turn = 0;
        BackwardCase any;
        any.variant = GetParam();
        for_each_layout_and_dtype(any, [&](BackwardCase k) {
            for (const auto &shape : shapes) {
                k.take_shape(shape, 3);
                k.batch = turn % 3 != 2;
                k.activation = turn % 2 == 0 ? HALNORM_ACT_RELU : HALNORM_ACT_SILU;
                k.dx = true;
                k.add = k.dz = turn % 4 == 3;
                body(k);
                k.activation = HALNORM_ACT_TANH;  // the sums alone, with room for g
                k.dx = k.dz = k.add = false;
                if (turn % 2 == 0)
                    body(k);
                turn++;
            }
        });
    }
};

TEST_P(SameBitsBackward, for_any_number_of_threads) {
    for_each_setting([](BackwardCase k) {
        SCOPED_TRACE(k.describe());
        const std::vector<unsigned char> serial = run(k);
        for (int threads : thread_counts()) {
            k.threads = threads;
            EXPECT_TRUE(run(k) == serial) << threads << " threads";
        }
    });
}

// One thread sums such tensors in another order of loops than the parts of them that several get.
TEST_P(SameBitsBackward, of_large_sums) {
    for (const Shape &shape : large_rows) {
        for (halnorm_dtype dtype : {HALNORM_FLOAT32, HALNORM_FLOAT64}) {
            BackwardCase k;
            k.variant = GetParam();
            k.layout = HALNORM_NHWC;
            k.dtype = dtype;
            k.rank = 2;
            k.n = shape.n, k.c = shape.c, k.s = shape.s;
            k.activation = HALNORM_ACT_RELU;
            SCOPED_TRACE(k.describe());
            const auto serial = run(k);
            k.threads = 3;
            EXPECT_TRUE(run(k) == serial);
        }
    }
}

TEST_P(SameBitsBackward, for_any_executor) {
    int64_t most = 0;
    for_each_setting([&](BackwardCase k) {
        SCOPED_TRACE(k.describe());
        const std::vector<unsigned char> serial = run(k);
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

TEST_P(SameBitsBackward, for_any_number_of_threads_in_parts) {
    for_each_setting([](BackwardCase k) {
        k.cuts = {0, k.n / 3, k.n};
        SCOPED_TRACE(k.describe());
        const std::vector<unsigned char> serial = run(k);
        k.threads = 3;
        EXPECT_TRUE(run(k) == serial);
    });
}

TEST_P(SameBitsBackward, in_the_memory_of_dy) {
    for_each_setting([](BackwardCase k) {
        SCOPED_TRACE(k.describe());
        for (int threads : {1, 3}) {
            k.threads = threads;
            k.over = Over::nothing;
            const std::vector<unsigned char> separate = run(k);
            for (Over over : {Over::dx, Over::dz}) {
                k.over = over;
                if (over == Over::dx ? k.dx : k.dz) {
                    EXPECT_TRUE(run(k) == separate) << k.describe();
                }
            }
        }
    });
}

TEST_P(SameBitsBackward, in_the_memory_of_dy_with_tails_and_activations) {
    const int64_t shapes[][3] = {{3, 17, 67}, {2, 3, 1025}, {33, 257, 1}, {1, 64, 5}};
    for (const auto &shape : shapes) {
        for (int a = 0; a < HALNORM_ACT_COUNT; a++) {
            BackwardCase any;
            any.variant = GetParam();
            any.take_shape(shape, 4);
            any.activation = static_cast<halnorm_activation>(a);
            for_each_layout_and_dtype(any, [](BackwardCase k) {
                for (int option = 0; option < 3; option++) {
                    k.batch = option != 1;
                    k.add = k.dz = option == 2;
                    k.over = Over::nothing;
                    const std::vector<unsigned char> separate = run(k);
                    k.over = Over::dx;
                    EXPECT_TRUE(run(k) == separate) << k.describe();
                    if (k.dz) {
                        k.over = Over::dz;
                        EXPECT_TRUE(run(k) == separate) << k.describe();
                    }
                }
            });
        }
    }
}

TEST_P(SameBitsBackward, at_any_alignment) {
    for_each_setting([](BackwardCase k) {
        if (k.n * k.c * k.s > 210000)
            return;
        SCOPED_TRACE(k.describe());
        const std::vector<unsigned char> aligned = run(k);
        k.placement.offset = 3;
        EXPECT_TRUE(run(k) == aligned);
        k.placement.guard = Guard::before;
        EXPECT_TRUE(run(k) == aligned);
    });
}

// What is not wanted does not change what is.
TEST_P(SameBitsBackward, whatever_else_is_wanted) {
    for (bool batch : {true, false}) {
        for (int64_t s : {1, 49, 1100}) {
            for (halnorm_layout layout : {HALNORM_NCHW, HALNORM_NHWC}) {
                BackwardCase k;
                k.variant = GetParam();
                k.layout = layout;
                k.batch = batch;
                k.n = 5, k.c = 18, k.s = s;
                k.rank = s == 1 ? 2 : 3;
                k.activation = HALNORM_ACT_RELU;
                k.add = k.dz = true;
                BackwardCall all(k);
                ASSERT_EQ(all.run(), HALNORM_OK) << halnorm_last_error();
                for (int wanted = 1; wanted < 15; wanted++) {
                    k.dx = wanted & 1, k.dz = wanted & 2, k.dgamma = wanted & 4;
                    k.dbeta = wanted & 8;
                    BackwardCall some(k);
                    ASSERT_EQ(some.run(), HALNORM_OK) << halnorm_last_error();
                    SCOPED_TRACE(k.describe());
                    EXPECT_TRUE(!k.dx || some.dx().bits() == all.dx().bits());
                    EXPECT_TRUE(!k.dz || some.dz().bits() == all.dz().bits());
                    EXPECT_TRUE(!k.dgamma || some.dgamma.bits() == all.dgamma.bits());
                    EXPECT_TRUE(!k.dbeta || some.dbeta.bits() == all.dbeta.bits());
                }
            }
        }
    }
}

HALNORM_FOR_EACH_VARIANT(SameBitsBackward);

}  // namespace
