// Stores past the cache: the same bits, nothing beside the tensors touched, and taken where they
// can be and pay. That the kernels for it really hold such stores is in
// archive/instructions_test.py.
#include "streaming.h"

#include <gtest/gtest.h>
#include <iterator>

#include "backward_call.h"
#include "cpu_features.h"
#include "parallel.h"
#include "variants.h"

namespace {

using namespace test;
using halnorm::Stores;

// Rows that are whole cache lines of both dtypes; rows that begin and end within lines, whose
// images begin at one (32 x 49, 12 x 196) or anywhere (17 x 49, 6 x 66), in fours of images and
// not; rows as long as a line (16), shorter ones (13, 8), and long ones (4501), so long that those
// of inference may have gaps between them (8203), or that they are cut (32768); in NHWC rows so
// wide that they are taken in fours, and three left.
constexpr int64_t shapes[][3] = {{3, 5, 64},   {2, 16, 784}, {1, 64, 1},   {40, 48, 16},
                                 {19, 32, 49}, {16, 17, 49}, {33, 20, 49}, {16, 12, 196},
                                 {70, 5, 100}, {2, 32, 49},  {9, 1, 4096}, {3, 7, 13},
                                 {7, 2560, 1}, {2, 3, 4501}, {3, 5, 20},   {4, 6, 66},
                                 {1, 3, 17},   {1, 2, 8203}, {1, 2, 32768}};

template<typename AnyCall, typename AnyCase>
std::vector<unsigned char> bits_of(const AnyCase &k) {
    AnyCall call(k);
    EXPECT_EQ(call.run(), HALNORM_OK) << halnorm_last_error() << "; " << k.describe();
    return call.bits();
}

class Streaming : public VariantTest {
protected:
    void SetUp() override {
        VariantTest::SetUp();
        for (int32_t i = 0; i < halnorm::variant_count; i++) {
            if (halnorm::variants[i].name == GetParam() && !halnorm::variants[i].streaming)
                GTEST_SKIP() << GetParam() << " has no kernels with streaming stores";
        }
    }

    // Every `step`-th shape.
    template<typename AnyCase, typename Body>
    void for_each_shape(AnyCase k, Body body, size_t first = 0, size_t step = 1) {
        k.variant = GetParam();
        for (size_t i = first % step; i < std::size(shapes); i += step) {
            k.take_shape(shapes[i], 3);
            for_each_layout_and_dtype(k, body);
        }
    }

    // A sanitizer's checks stand between some products and the sums that they are fused with
    // otherwise, in each kernel at other places: there results are only as near as all must be.
    template<typename AnyCall, typename AnyCase>
    static void expect_bits(const AnyCase &k, const std::vector<unsigned char> &bits) {
#if HALNORM_INSTRUMENTED
        static_cast<void>(bits);
        AnyCall(k).expect_reference();
#else
        EXPECT_TRUE(bits_of<AnyCall>(k) == bits) << k.describe();
#endif
    }

    // Ordinary and streaming stores, wherever the tensors end.
    template<typename AnyCall, typename AnyCase>
    void expect_same_bits(AnyCase k) {
        k.stores = HALNORM_STORES_ORDINARY;
        const std::vector<unsigned char> ordinary = bits_of<AnyCall>(k);
        k.stores = HALNORM_STORES_STREAMING;
        for (Guard guard : {Guard::before, Guard::after}) {
            k.placement.guard = guard;
            expect_bits<AnyCall>(k, ordinary);
        }
        k.threads = 3;
        expect_bits<AnyCall>(k, ordinary);
        for (int bytes : {16, 8}) {  // no multiple of a cache line; not even of 16
            k.placement.offset = bytes / static_cast<int>(size_of(k.dtype));
            expect_bits<AnyCall>(k, ordinary);
        }
    }
};

TEST_P(Streaming, same_bits_of_every_activation) {
    for (int a = 0; a < HALNORM_ACT_COUNT; a++) {
        Case k;
        k.activation = static_cast<halnorm_activation>(a);
        k.pipeline = Pipeline::inference;
        for_each_shape(
            k, [&](Case c) { expect_same_bits<Call>(c); }, static_cast<size_t>(a), 3);
    }
}

TEST_P(Streaming, same_bits_of_training_and_a_second_addend) {
    Case k;
    k.activation = HALNORM_ACT_RELU;
    for (bool add : {false, true}) {
        k.add = add;
        for_each_shape(k, [&](Case c) {
            expect_same_bits<Call>(c);
            c.in_place = true;
            expect_same_bits<Call>(c);
        });
    }
}

TEST_P(Streaming, same_bits_of_gradients) {
    size_t turn = 0;
    for (halnorm_activation activation :
         {HALNORM_ACT_NONE, HALNORM_ACT_RELU, HALNORM_ACT_LEAKY_RELU, HALNORM_ACT_ELU,
          HALNORM_ACT_SILU}) {
        BackwardCase k;
        k.activation = activation;
        for_each_shape(
            k,
            [&](BackwardCase c) {
                expect_same_bits<BackwardCall>(c);
                c.add = c.dz = true;
                expect_same_bits<BackwardCall>(c);
                c.add = c.dz = false;
                c.batch = false;
                c.from_y = invertible(activation);
                expect_same_bits<BackwardCall>(c);
            },
            turn++, 2);
    }
}

// Nothing is written or read outside, with gaps between the channels and the images too.
TEST_P(Streaming, guard_pages) {
    Case k;
    k.stores = HALNORM_STORES_STREAMING;
    for_each_shape(k, [](Case c) {
        for (Guard guard : {Guard::before, Guard::after}) {
            c.placement.guard = guard;
            for (Spread spread : {Spread::dense, Spread::channel_gap}) {
                c.x_spread = c.y_spread = spread;
                Call(c).expect_reference();
            }
        }
    });
}

HALNORM_FOR_EACH_VARIANT(Streaming);

// What a call with these tensors does, by its plan.
struct Planned {
    halnorm_config config = halnorm_default_config(32);
    halnorm_tensor x, y;
    bool in_place = false;
    alignas(64) char memory[2][64];

    Planned(int64_t n, int64_t s, halnorm_layout layout = HALNORM_NCHW,
            halnorm_dtype dtype = HALNORM_FLOAT32) {
        const int64_t nchw[] = {n, 32, s}, nhwc[] = {n, s, 32};
        config.layout = layout;
        config.stores = HALNORM_STORES_STREAMING;
        x = halnorm_dense_tensor(memory[0], dtype, 3, layout == HALNORM_NCHW ? nchw : nhwc);
        y = x;
        y.data = memory[1];
    }
    halnorm::Plan plan(bool reduces = true) const {
        halnorm::Operands operands;
        operands.add(halnorm::Argument::x, &x);
        operands.add(halnorm::Argument::y, &y);
        operands.cut = reduces ? halnorm::cut_reduction : nullptr;
        operands.result = 1;
        halnorm::Plan plan;
        EXPECT_EQ(make_plan(&config, operands, true, &plan), HALNORM_OK) << halnorm_last_error();
        return plan;
    }
    Stores stores(bool reduces = true) const { return plan(reduces).stores; }
};

class StreamingRule : public testing::Test {
protected:
    void SetUp() override {
        int32_t chosen = 0;
        ASSERT_EQ(halnorm::choose_variant(halnorm_default_config(1), HALNORM_CPU, &chosen),
                  HALNORM_OK);
        if (!halnorm::variants[chosen].streaming)
            GTEST_SKIP() << halnorm::variants[chosen].name
                         << " has no kernels with streaming stores";
    }
};

TEST_F(StreamingRule, takes_lines_of_channels_that_follow_one_another) {
    for (int64_t s : {16, 49, 196, 784, 3025})
        EXPECT_EQ(Planned(2, s).stores(), Stores::by_line) << s;
    for (int64_t s : {2, 13, 15})
        EXPECT_EQ(Planned(2, s).stores(), Stores::ordinary) << s << ": shorter than a line";
    EXPECT_EQ(Planned(2, 8, HALNORM_NCHW, HALNORM_FLOAT64).stores(), Stores::by_line);
    EXPECT_EQ(Planned(2, 7, HALNORM_NCHW, HALNORM_FLOAT64).stores(), Stores::ordinary);
    EXPECT_EQ(Planned(2, 49).stores(false), Stores::by_line) << "whether it reduces or not";
    Planned padded(8, 784);
    padded.y.strides[0] += 2;
    EXPECT_EQ(padded.stores(), Stores::by_line) << "images begin anywhere";
    const auto apart = [](int64_t s, bool reduces = true) {
        Planned k(16, s);
        for (halnorm_tensor *t : {&k.x, &k.y})
            t->strides[1] += 15, t->strides[0] *= 2;
        return k.stores(reduces);
    };
    EXPECT_EQ(apart(49), Stores::ordinary) << "channels of an image have gaps";
    EXPECT_EQ(apart(3025), Stores::by_line) << "a channel is long enough";
    EXPECT_EQ(apart(3025, false), Stores::ordinary) << "not for inference";
    EXPECT_EQ(apart(8203, false), Stores::by_line) << "long enough for that too";
    Planned image(1, 1 << 20);
    image.config.num_channels = image.x.shape[1] = image.y.shape[1] = 3;
    EXPECT_EQ(image.stores(false), Stores::by_line) << "of few channels, whose rows are cut";
}

TEST_F(StreamingRule, takes_rows_of_whole_lines_in_nhwc) {
    for (halnorm_activation act : {HALNORM_ACT_NONE, HALNORM_ACT_RELU, HALNORM_ACT_RELU6,
                                   HALNORM_ACT_HARDSIGMOID, HALNORM_ACT_SILU, HALNORM_ACT_ELU}) {
        const auto stores = [&](halnorm_layout layout, int later) {
            Planned k(2, 784, layout);
            k.config.activation = act;
            k.y.data = k.memory[1] + later;
            return k.stores();
        };
        const bool clamps = act != HALNORM_ACT_SILU && act != HALNORM_ACT_ELU;
        EXPECT_EQ(stores(HALNORM_NHWC, 0), Stores::by_row) << act;
        EXPECT_EQ(stores(HALNORM_NHWC, 16), clamps ? Stores::by_row : Stores::ordinary) << act;
        for (int bytes : {4, 8, 24}) {
            EXPECT_EQ(stores(HALNORM_NHWC, bytes), Stores::ordinary) << act << " " << bytes;
            EXPECT_EQ(stores(HALNORM_NCHW, bytes), Stores::by_line) << act << " " << bytes;
        }
    }
}

TEST_F(StreamingRule, prefetches_what_inference_reads_next) {
    constexpr int64_t bytes = 4096;
    EXPECT_EQ(Planned(2, 49).plan(false).ahead, bytes / 4);
    EXPECT_EQ(Planned(2, 49, HALNORM_NCHW, HALNORM_FLOAT64).plan(false).ahead, bytes / 8);
    EXPECT_EQ(Planned(2, 49).plan(true).ahead, 0) << "which has been read before";
    EXPECT_EQ(Planned(2, 13).plan(false).ahead, 0) << "ordinary stores";
}

TEST_F(StreamingRule, needs_a_result_of_its_own) {
    for (int64_t s : {784, 49}) {
        Planned k(16, s);
        k.y.data = k.x.data;
        EXPECT_EQ(k.stores(), Stores::ordinary);
    }
}

TEST_F(StreamingRule, does_what_the_caller_says) {
    Planned k(8, 784);
    k.config.stores = HALNORM_STORES_ORDINARY;
    EXPECT_EQ(k.stores(), Stores::ordinary);
    k.config.stores = HALNORM_STORES_AUTOMATIC;
    EXPECT_EQ(k.stores(), Stores::ordinary) << "1.6 MB";
    Planned large(1 << 14, 784);  // 3.3 GB, which nobody touches
    large.config.stores = HALNORM_STORES_AUTOMATIC;
    EXPECT_EQ(large.stores(), Stores::by_line);
    large.config.stores = HALNORM_STORES_ORDINARY;
    EXPECT_EQ(large.stores(), Stores::ordinary);
}

TEST(LastLevelCache, is_compared_with_the_tensors) {
    constexpr int64_t mb = 1 << 20;
    const auto streams = [](int64_t bytes, int64_t cache, bool shared, bool reduces,
                            bool one_thread) {
        return bytes > halnorm::streaming_from({cache, shared}, {reduces, one_thread});
    };
    for (bool shared : {false, true}) {
        for (bool reduces : {false, true}) {
            for (bool one : {false, true}) {
                const bool sooner = shared && one;
                EXPECT_FALSE(streams(16 * mb, 32 * mb, shared, reduces, one));
                EXPECT_EQ(streams(20 * mb, 32 * mb, shared, reduces, one), sooner && reduces);
                EXPECT_EQ(streams(24 * mb, 32 * mb, shared, reduces, one), sooner);
                EXPECT_TRUE(streams(28 * mb, 32 * mb, shared, reduces, one));
                EXPECT_TRUE(streams(2 * mb, 2 * mb, shared, reduces, one));
            }
        }
    }
    EXPECT_FALSE(streams(200 * mb, 260 * mb, false, true, true));
}

TEST(LikelyThreads, are_those_of_the_configuration) {
    halnorm_config config = halnorm_default_config(1);
    for (int32_t threads : {1, 2, 7}) {
        config.threads = threads;
        EXPECT_EQ(halnorm::likely_threads(config), threads);
    }
    config.threads = 0;
    EXPECT_EQ(halnorm::likely_threads(config), 16) << "all cores";
    const halnorm_executor executor = {};
    config.executor = &executor;
    config.threads = 1;
    EXPECT_EQ(halnorm::likely_threads(config), 16);
}

TEST(LastLevelCache, is_shared_in_virtual_machines) {
    constexpr int64_t mb = 1 << 20;
    EXPECT_EQ(halnorm::usable_cache(300 * mb, true), 32 * mb);
    EXPECT_EQ(halnorm::usable_cache(300 * mb, false), 300 * mb);
    EXPECT_EQ(halnorm::usable_cache(16 * mb, true), 16 * mb);
}

TEST(LastLevelCache, is_what_the_processor_says) {
    // Leaf 4 of a Xeon: L1, L2 and L3.
    EXPECT_EQ(halnorm::cache_bytes({0x121, 0x2c0003f, 63}), 48 << 10);
    EXPECT_EQ(halnorm::cache_bytes({0x122, 0x1c0003f, 63}), 0) << "instructions";
    EXPECT_EQ(halnorm::cache_bytes({0x143, 0x4c0003f, 1023}), 1280 << 10);
    EXPECT_EQ(halnorm::cache_bytes({0x163, 0x2c0003f, 36863}), 27 << 20);
    // Leaf 0x8000001D of a Zen 3.
    EXPECT_EQ(halnorm::cache_bytes({0x4163, 0x3c0003f, 0x7fff}), 32 << 20);
    EXPECT_EQ(halnorm::cache_bytes({0, 0x3c0003f, 0x7fff}), 0) << "no cache";
    // What no processor says, but a virtual one might.
    EXPECT_EQ(halnorm::cache_bytes({3, 0xffffffff, 0xffffffff}), 0) << "2^64 bytes";
    EXPECT_EQ(halnorm::cache_bytes({3, 0xffffffff, 0x3fffffff}), int64_t{1} << 62);
    const int64_t second = halnorm::second_level_cache();
    EXPECT_GE(second, 64 << 10);
    EXPECT_LE(second, 64 << 20);
    EXPECT_EQ(halnorm::second_level_cache(), second);
    EXPECT_GE(halnorm::last_level_cache().bytes, 128 << 10);
}

}  // namespace
