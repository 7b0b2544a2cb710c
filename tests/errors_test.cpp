// What statuses and messages say. The inputs that lead to them are in bad_inputs_test.cpp.
#include <gtest/gtest.h>
#include <iterator>
#include <thread>
#include <type_traits>

#include "call.h"
#include "control_word.h"
#include "variants.h"

namespace {

using namespace test;

TEST(Errors, unsupported_variants_are_refused_with_the_reason) {
    size_t unsupported = 0;
    for (const std::string &variant : variants()) {
        const std::string why = why_unsupported(variant);
        if (why.empty())
            continue;
        unsupported++;
        Case k;
        k.variant = variant;
        Call call(k);
        const std::vector<unsigned char> before = call.y().bits();
        EXPECT_EQ(call.run(), HALNORM_ERROR_VARIANT_UNSUPPORTED);
        const std::string message = halnorm_last_error();
        EXPECT_NE(message.find(variant), std::string::npos) << message;
        EXPECT_NE(message.find("generic"), std::string::npos) << message;
        EXPECT_TRUE(call.y().bits() == before);
    }
    if (unsupported == 0)
        GTEST_SKIP() << "this machine supports every variant";
}

TEST(Errors, every_good_variant_is_listed) {
    Case k;
    k.variant = "nonsense";
    EXPECT_EQ(Call(k).run(), HALNORM_ERROR_VARIANT_UNKNOWN);
    const std::string message = halnorm_last_error();
    EXPECT_NE(message.find("nonsense"), std::string::npos) << message;
    for (const std::string &variant : supported_variants()) {
        EXPECT_NE(message.find(" " + variant), std::string::npos) << message;
    }
}

TEST(Errors, statuses_have_names) {
    for (int status = HALNORM_OK; status <= HALNORM_ERROR_FILE; status++) {
        const std::string name = halnorm_status_name(static_cast<halnorm_status>(status));
        EXPECT_EQ(name.find(status == HALNORM_OK ? "HALNORM_OK" : "HALNORM_ERROR_"), 0u) << status;
    }
}

// A failure of one thread is no other thread's last error, and success does not clear it.
TEST(Errors, belong_to_their_thread) {
    Case bad;
    bad.variant = "nonsense";
    EXPECT_NE(Call(bad).run(), HALNORM_OK);
    const std::string message = halnorm_last_error();
    std::thread([] { EXPECT_STREQ(halnorm_last_error(), ""); }).join();
    EXPECT_EQ(Call(Case()).run(), HALNORM_OK);
    EXPECT_EQ(halnorm_last_error(), message);
}

// The caller's string may be gone when the message is asked for, and is as long as it likes.
TEST(Errors, keep_what_the_caller_called_a_variant) {
    Case k;
    k.variant = "a" + std::string(600, 'b');
    EXPECT_EQ(Call(k).run(), HALNORM_ERROR_VARIANT_UNKNOWN);  // and the string with it
    const std::string message = halnorm_last_error();
    EXPECT_NE(message.find("\"a" + std::string(62, 'b') + "\""), std::string::npos) << message;
    EXPECT_NE(message.find(" generic"), std::string::npos) << message;
    EXPECT_EQ(halnorm_last_error(), message) << "asked for again";
}

// Under a control word that flushes results which are subnormal (FTZ), and not what is read (DAZ).
TEST(Errors, say_subnormal_numbers) {
    halnorm_config config = halnorm_default_config(1);
    config.epsilon = -5e-324;
    size_t bytes = 0;
    const int64_t shape[] = {1, 1};
    const halnorm_tensor x = halnorm_dense_tensor(nullptr, HALNORM_FLOAT32, 2, shape);
    EXPECT_EQ(halnorm_forward_inference_workspace(&config, &x, &bytes), HALNORM_ERROR_PARAMETER);
    const halnorm::ControlWord before = halnorm::control_word();
#if defined(__x86_64__)
    halnorm::set_control_word(before | 0x8000);
#endif
    const std::string message = halnorm_last_error();
    halnorm::set_control_word(before);
    EXPECT_NE(message.find("epsilon: was -4.94066e-324, "), std::string::npos) << message;
}

// What addresses of 32 bits do not reach is refused, not cut.
TEST(Errors, size_queries_do_not_wrap_around) {
    constexpr int64_t channels = int64_t{1} << 29;
    const halnorm_config config = halnorm_default_config(channels);
    const int64_t shape[] = {1, channels};
    const halnorm_tensor x = halnorm_dense_tensor(nullptr, HALNORM_FLOAT32, 2, shape);
    halnorm_backward_args args = {};
    double saved[1] = {};
    args.x = args.dy = args.dx = &x;
    args.saved_mean = args.saved_inv_std = saved;
    size_t bytes[6] = {};
    const halnorm_status statuses[] = {
        halnorm_forward_inference_workspace(&config, &x, &bytes[0]),
        halnorm_prepare_inference_memory(&config, &x, &bytes[1]),
        halnorm_forward_training_workspace(&config, &x, &bytes[2]),
        halnorm_statistics_workspace(&config, &x, &bytes[3]),
        halnorm_forward_apply_workspace(&config, &x, &bytes[4]),
        halnorm_backward_workspace(&config, &args, &bytes[5]),
    };
    for (size_t i = 0; i < std::size(bytes); i++) {
        if (sizeof(size_t) == 4) {
            EXPECT_EQ(statuses[i], HALNORM_ERROR_TOO_LARGE) << i;
            EXPECT_EQ(bytes[i], 0u) << i;
        } else {
            EXPECT_EQ(statuses[i], HALNORM_OK) << i << ": " << halnorm_last_error();
            EXPECT_GE(bytes[i] / 8, static_cast<size_t>(channels)) << i;
        }
    }
}

// So that a number which a caller in C made up can be looked at, and refused.
TEST(Errors, enums_hold_any_int) {
    EXPECT_TRUE((std::is_same_v<std::underlying_type_t<halnorm_status>, int>));
    EXPECT_TRUE((std::is_same_v<std::underlying_type_t<halnorm_dtype>, int>));
    EXPECT_TRUE((std::is_same_v<std::underlying_type_t<halnorm_layout>, int>));
    EXPECT_TRUE((std::is_same_v<std::underlying_type_t<halnorm_device>, int>));
    EXPECT_TRUE((std::is_same_v<std::underlying_type_t<halnorm_activation>, int>));
    EXPECT_TRUE((std::is_same_v<std::underlying_type_t<halnorm_variance_estimator>, int>));
    EXPECT_TRUE((std::is_same_v<std::underlying_type_t<halnorm_stores>, int>));
    EXPECT_EQ(halnorm_activation_name(static_cast<halnorm_activation>(-1)), nullptr);
    EXPECT_NE(halnorm_status_name(static_cast<halnorm_status>(-1)), nullptr);
}

}  // namespace
