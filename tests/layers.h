// What the tests of the layer have in common.
#pragma once

#include <gtest/gtest.h>
#include <string.h>
#include <string>
#include <vector>

#include "halnorm/halnorm.hpp"

namespace test {

inline halnorm::BatchNormOptions with_channels(int64_t channels) {
    halnorm::BatchNormOptions options;
    options.num_channels = channels;
    return options;
}

inline halnorm::BatchNorm make(const halnorm::BatchNormOptions &options) {
    halnorm::BatchNorm layer;
    const halnorm::Status status = halnorm::BatchNorm::create(options, &layer);
    EXPECT_TRUE(status.ok()) << status.message;
    return layer;
}

template<typename T, typename Void>
std::vector<T> copy_of(const halnorm::BasicVector<Void> &vector) {
    const T *const elements = vector.template as<T>();
    return elements ? std::vector<T>(elements, elements + vector.size) : std::vector<T>();
}

template<typename T>
bool same_bits(const std::vector<T> &a, const std::vector<T> &b) {
    return a.size() == b.size() &&
           (a.empty() || memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

// A failure of that kind whose message has all of these words.
inline void expect_refused(const halnorm::Status &status, halnorm_status code,
                           const std::vector<std::string> &words) {
    EXPECT_EQ(status.code, code) << status.message;
    for (const std::string &word : words) {
        EXPECT_NE(std::string(status.message).find(word), std::string::npos)
            << '"' << word << "\" is not in: " << status.message;
    }
}

}  // namespace test
