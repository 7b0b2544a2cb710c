// The variants that this build has, as parameters of tests.
#pragma once

#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "halnorm/halnorm.h"

namespace test {

// Names of all variants of the library, in its order.
std::vector<std::string> variants();

// Why this machine cannot run it; "" where it can.
std::string why_unsupported(const std::string &variant);

// Variants that this machine runs.
std::vector<std::string> supported_variants();

// True where subnormal numbers are flushed to zero by this variant (32-bit NEON).
bool flushes_subnormals(const std::string &variant);

// True for a variant that hands the whole tensor to a device: no threads of the host take part.
bool runs_on_a_device(const std::string &variant);

// Name of a test's parameter that is a variant.
inline std::string variant_name(const testing::TestParamInfo<std::string> &info) {
    return info.param;
}

// A test for each variant, skipped with the reason where this machine cannot run it.
class VariantTest : public testing::TestWithParam<std::string> {
protected:
    void SetUp() override {
        const std::string why = why_unsupported(GetParam());
        if (!why.empty())
            GTEST_SKIP() << GetParam() << ": " << why;
    }

    // Numbers of threads whose results have to be the bits of one thread's; 0: all cores.
    static std::vector<int> thread_counts() {
        return runs_on_a_device(GetParam()) ? std::vector<int>{3} : std::vector<int>{2, 3, 8, 0};
    }
};

}  // namespace test

#define HALNORM_FOR_EACH_VARIANT(suite) \
    INSTANTIATE_TEST_SUITE_P(, suite, testing::ValuesIn(test::variants()), test::variant_name)
