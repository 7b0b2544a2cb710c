// The processor's floating-point control word (rounding, exceptions that trap, subnormals that are
// flushed): calls leave it as it is, and all their threads have the caller's.
#include "control_word.h"

#include <gtest/gtest.h>
#include <type_traits>

#include "backward_call.h"
#include "call.h"
#include "variants.h"

namespace {

using namespace test;

#if defined(__x86_64__)
constexpr uint64_t flushing = 0x8040, kept = ~uint64_t{0x3f};  // FTZ and DAZ
#elif defined(__aarch64__)
constexpr uint64_t flushing = 1 << 24, kept = ~uint64_t{0};  // FZ
#elif defined(__arm__)
constexpr uint64_t flushing = 1 << 24, kept = 0x07ff9f00;
#endif
uint64_t control_word() {
    return halnorm::control_word() & kept;  // without the flags of what has happened
}
void set_control_word(uint64_t word) {
    halnorm::set_control_word(static_cast<halnorm::ControlWord>(word));
}

class ControlWord : public VariantTest {
protected:
    // The bits that a call makes under a control word that it has to leave as it is.
    template<typename AnyCall, typename AnyCase>
    static std::vector<unsigned char> bits_under(const AnyCase &k, uint64_t word) {
        AnyCall call(k);
        const uint64_t before = control_word();
        set_control_word(word);
        const halnorm_status status = call.run();
        const uint64_t after = control_word();
        set_control_word(before);
        EXPECT_EQ(status, HALNORM_OK) << halnorm_last_error();
        EXPECT_EQ(after, word) << k.describe();
        if constexpr (std::is_same_v<AnyCall, Call>) {
            std::vector<unsigned char> all = call.saved_inv_std.bits();
            if (k.pipeline != Pipeline::statistics) {
                const std::vector<unsigned char> y = call.y().bits();
                all.insert(all.end(), y.begin(), y.end());
            }
            return all;
        } else {
            return call.bits();
        }
    }

    // Where no subnormals arise, those of a thread that flushes them are the same.
    template<typename AnyCall, typename AnyCase>
    static void expect_left_alone(AnyCase k) {
        k.n = 3, k.c = 19, k.s = 67;
        for_each_layout_and_dtype(k, [](AnyCase s) {
            for (int threads : {1, 2}) {
                s.threads = threads;
                const uint64_t word = control_word() & ~flushing;
                const std::vector<unsigned char> usual = bits_under<AnyCall>(s, word);
                EXPECT_TRUE(bits_under<AnyCall>(s, word | flushing) == usual) << s.describe();
            }
        });
    }
};

TEST_P(ControlWord, is_left_alone) {
    for (Pipeline pipeline : {Pipeline::inference, Pipeline::training, Pipeline::statistics}) {
        Case k;
        k.variant = GetParam();
        k.pipeline = pipeline;
        k.activation = HALNORM_ACT_SILU;
        expect_left_alone<Call>(k);
    }
    for (bool batch : {true, false}) {
        BackwardCase k;
        k.variant = GetParam();
        k.batch = batch;
        k.activation = HALNORM_ACT_SILU;
        expect_left_alone<BackwardCall>(k);
    }
}

// Whatever it was in the thread that made the pool. (More threads than in other tests, so that some
// are made here.)
TEST_P(ControlWord, is_the_callers_on_all_threads) {
    Case k;
    k.variant = GetParam();
    k.pipeline = Pipeline::inference;
    k.n = 4, k.c = 64, k.s = 784;
    k.gamma = k.beta = false;
    std::vector<unsigned char> results[3];
    for (int i = 0; i < 3; i++) {
        k.threads = i == 0 ? 1 : 12;
        Call call(k);
        call.x.set(std::vector<double>(call.x.size(), 1e-40));
        call.moving_mean.set(std::vector<double>(call.moving_mean.size(), 0));
        const uint64_t before = control_word();
        set_control_word(i == 1 ? before | flushing : before & ~flushing);
        for (int repeats = 0; repeats < 4; repeats++)
            ASSERT_EQ(call.run(), HALNORM_OK) << halnorm_last_error();
        set_control_word(before);
        results[i] = call.y().bits();
    }
    EXPECT_TRUE(results[2] == results[0]) << "some threads flush subnormals";
}

HALNORM_FOR_EACH_VARIANT(ControlWord);

}  // namespace
