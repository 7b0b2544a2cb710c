// Comparison of a tensor with the reference.
#pragma once

#include <gtest/gtest.h>
#include <vector>

#include "tensor.h"
#include "tolerance.h"

namespace test {

// Compares all elements and reports the first that is wrong, and how many are.
template<typename Tolerance>
void expect_close(const char *what, const Tensor &actual, const std::vector<double> &expected,
                  Tolerance tolerance) {
    ASSERT_EQ(actual.size(), expected.size()) << what;
    size_t wrong = 0, first = 0;
    for (size_t i = expected.size(); i-- > 0;) {
        if (!close(actual.dtype(), actual.get(i), expected[i], tolerance(i)))
            wrong++, first = i;
    }
    if (wrong > 0) {
        ADD_FAILURE() << what << "[" << first << "] is "
                      << testing::PrintToString(actual.get(first)) << ", should be "
                      << testing::PrintToString(expected[first]) << ", off by "
                      << actual.get(first) - expected[first] << ", tolerance " << tolerance(first)
                      << "; wrong: " << wrong << " of " << expected.size();
    }
}

// Of the running test, so that one kind of mistake need not fill the screen.
inline int failures() {
    return testing::UnitTest::GetInstance()->current_test_info()->result()->total_part_count();
}

}  // namespace test
