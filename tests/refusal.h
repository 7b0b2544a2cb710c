// What a refused call owes: its status, a message that names the argument, and untouched memory.
#pragma once

#include <gtest/gtest.h>
#include <initializer_list>
#include <stddef.h>
#include <string>
#include <type_traits>
#include <vector>

#include "halnorm/halnorm.h"
#include "tensor.h"

namespace test {

// `says` is a part of the message: the argument.
inline void expect_refused(halnorm_status actual, halnorm_status expected, const char *says) {
    EXPECT_STREQ(halnorm_status_name(actual), halnorm_status_name(expected));
    const std::string message = halnorm_last_error();
    EXPECT_NE(message.find(says), std::string::npos) << message;
    EXPECT_GT(message.size(), 10u);
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
}

// A pointer that is so many bytes further on, aligned or not.
template<typename T>
T *moved(T *pointer, ptrdiff_t bytes) {
    return reinterpret_cast<T *>(
        reinterpret_cast<char *>(const_cast<std::remove_const_t<T> *>(pointer)) + bytes);
}

// The elements of all of them, bit for bit; their gaps must be as they were.
inline std::vector<unsigned char> bits_of(std::initializer_list<const Tensor *> tensors) {
    std::vector<unsigned char> all;
    for (const Tensor *t : tensors) {
        const std::vector<unsigned char> bits = t->bits();
        all.insert(all.end(), bits.begin(), bits.end());
        EXPECT_TRUE(t->gaps_intact());
    }
    return all;
}

}  // namespace test
