// The list of variants and the choice among them, as a program sees it.
#include <gtest/gtest.h>
#include <string.h>

#include "call.h"
#include "cpu_features.h"
#include "options.h"
#include "variants.h"

namespace {

using namespace test;

std::vector<halnorm_variant_info> infos() {
    std::vector<halnorm_variant_info> all(static_cast<size_t>(halnorm_variant_count()));
    for (size_t i = 0; i < all.size(); i++) {
        EXPECT_EQ(halnorm_variant_get(static_cast<int32_t>(i), &all[i]), HALNORM_OK);
    }
    return all;
}

TEST(Variants, are_described) {
    for (const halnorm_variant_info &v : infos()) {
        EXPECT_GT(strlen(v.name), 0u);
        EXPECT_GT(strlen(v.arch), 0u) << v.name;
        EXPECT_NE(v.features, nullptr) << v.name;
        EXPECT_GT(strlen(v.reason), 0u) << v.name;
        EXPECT_EQ(strchr(v.reason, '\n'), nullptr) << v.name;
        for (int32_t flag : {v.experimental, v.supported, v.chosen})
            EXPECT_TRUE(flag == 0 || flag == 1) << v.name;
    }
}

TEST(Variants, have_names_of_their_own) {
    const std::vector<std::string> names = variants();
    for (size_t i = 0; i < names.size(); i++) {
        for (size_t k = 0; k < i; k++)
            EXPECT_NE(names[i], names[k]);
    }
}

TEST(Variants, exactly_one_is_chosen_and_it_is_supported) {
    int chosen = 0;
    for (const halnorm_variant_info &v : infos()) {
        chosen += v.chosen;
        if (v.chosen) {
            EXPECT_TRUE(v.supported) << v.name;
            EXPECT_FALSE(v.experimental) << v.name;
        }
    }
    EXPECT_EQ(chosen, 1);
}

TEST(Variants, the_last_is_generic_and_always_there) {
    const std::vector<halnorm_variant_info> all = infos();
    ASSERT_FALSE(all.empty());
    EXPECT_STREQ(all.back().name, "generic");
    EXPECT_STREQ(all.back().features, "");
    EXPECT_TRUE(all.back().supported);
}

TEST(Variants, the_chosen_one_runs_by_default) {
    Case k;
    for (const halnorm_variant_info &v : infos()) {
        if (v.chosen)
            k.variant = v.name;
    }
    const std::string chosen = k.variant;
    k.variant = "";
    Call(k).expect_reference();
    EXPECT_EQ(halnorm_last_variant(), chosen);
}

// The list is in order of preference.
TEST(Variants, the_first_that_the_processor_runs_is_chosen) {
    for (const halnorm_variant_info &v : infos()) {
        if (v.supported && !v.experimental && !runs_on_a_device(v.name)) {
            EXPECT_TRUE(v.chosen) << v.name;
            break;
        }
    }
}

// What this machine has to choose, where the test is told.
TEST(Variants, the_expected_one_is_chosen) {
    if (options.expected_chosen.empty())
        GTEST_SKIP() << "no --expect-chosen=NAME was given";
    std::string chosen;
    for (const halnorm_variant_info &v : infos()) {
        if (v.chosen)
            chosen = v.name;
    }
    EXPECT_EQ(chosen, options.expected_chosen);
}

TEST(Variants, bad_indices_are_refused) {
    halnorm_variant_info info;
    EXPECT_EQ(halnorm_variant_get(-1, &info), HALNORM_ERROR_PARAMETER);
    EXPECT_EQ(halnorm_variant_get(halnorm_variant_count(), &info), HALNORM_ERROR_PARAMETER);
    EXPECT_EQ(halnorm_variant_get(0, nullptr), HALNORM_ERROR_NULL);
}

#if defined(__x86_64__)
// Leaf 1 ECX of a Haswell: SSE4.1 19, OSXSAVE 27, AVX 28, F16C 29, FMA 12. Leaf 7 EBX: AVX2 5, BMI1
// 3, BMI2 8. XCR0: x87, SSE, AVX.
constexpr uint32_t sse41 = 1u << 19, osxsave = 1u << 27, avx = 1u << 28, f16c = 1u << 29,
                   fma = 1u << 12;
constexpr uint32_t avx2 = 1u << 5 | 1u << 3 | 1u << 8,
                   skylake = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31;
constexpr uint32_t haswell = sse41 | osxsave | avx | f16c | fma;
constexpr char avx2_needs[] = "sse41 avx f16c fma avx2";
constexpr char avx512_needs[] = "sse41 avx f16c fma avx2 avx512 avx512_skylake";

bool has(uint32_t leaf1_ecx, uint32_t leaf7_ebx, uint64_t xcr0, const char *features) {
    halnorm::CpuWords words;
    words.leaf1_ecx = leaf1_ecx;
    words.leaf7_ebx = leaf7_ebx;
    words.xcr0 = xcr0;
    return halnorm::missing_cpu_feature(words, features) == nullptr;
}

TEST(CpuFeatures, avx2_needs_every_bit) {
    EXPECT_TRUE(has(haswell, avx2, 7, avx2_needs));
    EXPECT_FALSE(has(haswell & ~fma, avx2, 7, avx2_needs));
    EXPECT_FALSE(has(haswell & ~f16c, avx2, 7, avx2_needs));
    EXPECT_FALSE(has(haswell & ~avx, avx2, 7, avx2_needs));
    EXPECT_FALSE(has(haswell & ~sse41, avx2, 7, avx2_needs));
    for (uint32_t bit : {3, 5, 8})
        EXPECT_FALSE(has(haswell, avx2 & ~(1u << bit), 7, avx2_needs)) << bit;
}

TEST(CpuFeatures, registers_count_only_where_the_operating_system_saves_them) {
    EXPECT_FALSE(has(haswell, avx2, 0, avx2_needs));  // no XSAVE
    EXPECT_FALSE(has(haswell, avx2, 3, avx2_needs));  // xmm only
    EXPECT_FALSE(has(haswell, avx2, 5, avx2_needs));  // ymm without xmm
    EXPECT_TRUE(has(haswell, avx2, 3, "sse41"));
    EXPECT_TRUE(has(haswell, avx2 | skylake, 0xe7, avx512_needs));
    EXPECT_FALSE(has(haswell, avx2 | skylake, 7, avx512_needs));     // ymm only
    EXPECT_FALSE(has(haswell, avx2 | skylake, 0x67, avx512_needs));  // no upper zmm
    EXPECT_FALSE(has(haswell, avx2 | skylake, 0xc7, avx512_needs));  // no mask registers
}

TEST(CpuFeatures, avx512_needs_every_part) {
    for (uint32_t bit : {16, 17, 28, 30, 31}) {
        EXPECT_FALSE(has(haswell, avx2 | (skylake & ~(1u << bit)), 0xe7, avx512_needs)) << bit;
    }
}
#endif

TEST(CpuFeatures, unknown_ones_count_as_missing) {
    const halnorm::CpuWords words = halnorm::read_cpu_words();
    EXPECT_EQ(halnorm::missing_cpu_feature(words, ""), nullptr);
    EXPECT_NE(halnorm::missing_cpu_feature(words, "avx10"), nullptr);
    EXPECT_NE(halnorm::missing_cpu_feature(words, "sse"), nullptr);  // a prefix of a known one
}

}  // namespace
