// What stands before the layer in a network: a 3x3 convolution whose 16 filters are fixed.
#pragma once

#include <vector>

#include "common/digits.h"

namespace digits {

constexpr int filters = 16;

// (count, 8, 8) -> (count, 16, 8, 8), zero beyond the border.
std::vector<float> convolve(const std::vector<float> &images);

}  // namespace digits
