// The choice of a variant on machines that the input makes up, against a table of what each feature
// needs that is written down here a second time, from the processors' manuals; and the readers of
// names and of descriptions of caches.
#include <algorithm>

#include "cpu_features.h"
#include "dispatch.h"
#include "fuzz.h"

using namespace halnorm;

namespace {

// Bits of CPUID.1:ECX, CPUID.(7,0):EBX and XCR0 (Intel SDM volume 2A, CPUID; volume 1, 13.3 and
// 15.2 to 15.4).
struct Need {
    const char *feature;
    std::vector<int> leaf1_ecx, leaf7_ebx, xcr0;
};
const Need needs[] = {
    {"sse41", {19}, {}, {}},
    {"avx", {28}, {}, {1, 2}},
    {"f16c", {29}, {}, {1, 2}},
    {"fma", {12}, {}, {1, 2}},
    {"avx2", {}, {3, 5, 8}, {1, 2}},
    {"avx512", {}, {16, 28}, {1, 2, 5, 6, 7}},
    {"avx512_skylake", {}, {16, 17, 28, 30, 31}, {1, 2, 5, 6, 7}},
};

bool all_set(uint64_t word, const std::vector<int> &bits) {
    for (int bit : bits) {
        if ((word >> bit & 1) == 0)
            return false;
    }
    return true;
}

// Whether a machine has all of the space-separated features, and each of them is known.
bool has(const CpuWords &words, const std::string &features) {
    size_t start = 0;
    while (start < features.size()) {
        const size_t end = std::min(features.find(' ', start), features.size());
        const std::string feature = features.substr(start, end - start);
        bool found = feature.empty();
        for (const Need &need : needs) {
            found |= need.feature == feature && all_set(words.leaf1_ecx, need.leaf1_ecx) &&
                     all_set(words.leaf7_ebx, need.leaf7_ebx) && all_set(words.xcr0, need.xcr0);
        }
        if (!found)
            return false;
        start = end + 1;
    }
    return true;
}

// Any bits, or all bits but a few: what lets a variant run is a long list.
uint64_t take_word(fuzz::Input &in, int bits) {
    const uint64_t mask = bits == 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
    if (in.flag())
        return in.ConsumeIntegral<uint64_t>() & mask;
    uint64_t word = mask;
    for (int64_t k = in.number(0, 3); k > 0; k--)
        word &= ~(uint64_t{1} << in.number(0, bits - 1));
    return word;
}

void check_choice(const CpuWords &words) {
    const uint64_t runs = variants_for(words);
    int32_t first = -1;
    for (int32_t i = 0; i < variant_count; i++) {
        const Variant &v = variants[i];
        const bool can = v.device == VariantDevice::cpu && has(words, v.features);
        EXPECT_EQ((runs >> i & 1) != 0, can) << v.name;
        if (can && !v.experimental && first < 0)
            first = i;
    }
    EXPECT_EQ(runs >> variant_count, 0u);
    ASSERT_GE(first, 0);  // generic at least
    EXPECT_EQ(preferred_variant(runs), first) << variants[first].name;
}

void check_cache(fuzz::Input &in) {
    CacheWords cache;
    for (uint32_t *word : {&cache.eax, &cache.ebx, &cache.ecx})
        *word = in.ConsumeIntegral<uint32_t>();
    const int64_t bytes = cache_bytes(cache);
    const uint32_t type = cache.eax & 31;
    // Ways, partitions, line and sets, each of them one more than its field says.
    const __int128 all = static_cast<__int128>((cache.ebx >> 22) + 1) *
                         ((cache.ebx >> 12 & 1023) + 1) * ((cache.ebx & 4095) + 1) *
                         (static_cast<int64_t>(cache.ecx) + 1);
    EXPECT_TRUE(bytes == (type == 0 || type == 2 || all > INT64_MAX ? 0 : all));
    EXPECT_EQ(usable_cache(bytes, false), bytes);
    EXPECT_EQ(usable_cache(bytes, true), std::min(bytes, int64_t{32} << 20));
}

// Of features, of a variant, of an activation.
void check_names(fuzz::Input &in, const CpuWords &words) {
    const bool known = in.flag();
    std::string name;
    if (known) {
        for (int64_t k = in.number(0, 4); k > 0; k--) {
            name += needs[static_cast<size_t>(in.number(0, 6))].feature;
            name += in.flag() ? " " : "";
        }
    }
    name += in.ConsumeRandomLengthString(60);
    name = name.c_str();
    EXPECT_EQ(missing_cpu_feature(words, name.c_str()) == nullptr, has(words, name)) << name;

    halnorm_config config = halnorm_default_config(1);
    config.variant = name.c_str();
    int32_t index = -1;
    const halnorm_status status = choose_variant(config, HALNORM_CPU, &index);
    if (status == HALNORM_OK) {
        ASSERT_TRUE(index >= 0 && index < variant_count);
        EXPECT_EQ(name, variants[index].name);
        EXPECT_TRUE(has(read_cpu_words(), variants[index].features)) << name;
    } else {
        EXPECT_TRUE(status == HALNORM_ERROR_VARIANT_UNKNOWN ||
                    status == HALNORM_ERROR_VARIANT_UNSUPPORTED);
        EXPECT_EQ(index, -1);
    }

    halnorm_activation activation = HALNORM_ACT_COUNT;
    if (halnorm_activation_from_name(name.c_str(), &activation) == HALNORM_OK) {
        ASSERT_LT(activation, HALNORM_ACT_COUNT);
        EXPECT_EQ(name, halnorm_activation_name(activation));
    } else {
        EXPECT_EQ(activation, HALNORM_ACT_COUNT);
    }
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int *, char ***) {
    fuzz::start();
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz::Input in(data, size);
    CpuWords words;
    words.leaf1_ecx = static_cast<uint32_t>(take_word(in, 32));
    words.leaf7_ebx = static_cast<uint32_t>(take_word(in, 32));
    words.xcr0 = take_word(in, 64);
    words.hwcap = take_word(in, 64);
    check_choice(words);

    check_cache(in);
    check_names(in, words);
    return 0;
}
