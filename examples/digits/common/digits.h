// The data: 8x8 images of handwritten digits (README.md says where they are from).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace digits {

constexpr int side = 8, pixels = side * side;

struct Digits {
    std::vector<float> images;  // (count, side, side), 0 to 1
    std::vector<int> labels;    // 0 to 9
    int64_t count() const { return static_cast<int64_t>(labels.size()); }
};

// Reads digits.csv. Throws std::runtime_error with one line that says what is wrong with which
// file.
Digits load(const std::string &path);

// Where digits.csv is when nobody says: beside the running program.
std::string default_path(const char *argv0);

}  // namespace digits
