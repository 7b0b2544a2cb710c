// The digits as the network gets them: standardized, and parted into what it learns from and what
// it is tested on.
#pragma once

#include <vector>

#include "common/digits.h"
#include "network/tensor.h"

namespace digits {

// What paper has become.
extern const float background;

struct Examples {
    Images<float> images;  // (count, 8, 8, 1)
    std::vector<int> labels;

    int64_t count() const { return images.count; }
};

struct Split {
    Examples train, test;
};

// Every fifth digit of the file, from the first on, is for the test: 360 of the 1797, so that each
// writer's hand is in both parts.
Split split(const Digits &digits);

// The examples at `indices`, in that order.
void take(const Examples &from, const size_t *indices, int64_t count, Examples *batch);

}  // namespace digits
