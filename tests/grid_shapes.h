// Shapes that reach each branch of a kernel: rows around one, two and four vectors of 2 to 16
// elements, rows around the lengths at which the runtime cuts them, channels that fill no vector.
#pragma once

#include <iterator>
#include <stdint.h>
#include <vector>

#include "halnorm/halnorm.h"

namespace test {

struct Shape {
    int64_t n, c, s;
};

// Rows in NCHW, channels in NHWC: 1, and L - 1, L, L + 1, 2 L - 1, 2 L, 4 L + 3 for vectors of L =
// 2 to 16; 7x7, 14x14, around 1024, 50x50, 56x56; 28, with a tail of three quarters of 16.
constexpr int64_t inner_extents[] = {1,  2,   3,    4,    5,    7,    8,    9,  11, 15,
                                     16, 17,  19,   31,   32,   33,   35,   67, 49, 63,
                                     64, 196, 1023, 1024, 1025, 2500, 3136, 28};
constexpr int64_t channel_counts[] = {1, 3, 7, 16, 17, 64, 257};
constexpr int64_t image_counts[] = {1, 2, 3, 9, 33, 70};

inline std::vector<Shape> shapes(halnorm_layout layout, int64_t most_elements, bool all_images) {
    std::vector<Shape> list;
    size_t turn = 0;
    const auto add = [&](int64_t c, int64_t s) {
        for (size_t k = 0; k < std::size(image_counts); k++) {
            const int64_t n = image_counts[(turn + k) % std::size(image_counts)];
            if (n * c * s > most_elements)
                continue;
            list.push_back({n, c, s});
            if (!all_images)
                break;
        }
        turn++;
    };
    for (int64_t inner : inner_extents) {
        for (int64_t c : channel_counts)
            add(c, inner);
        if (layout == HALNORM_NHWC) {
            for (int64_t s : {1, 49, 100})
                add(inner, s);
        }
    }
    // Fully connected layers, whose rows fold where C is no multiple of a vector.
    for (int64_t c : {1, 2, 3, 10, 16, 31, 48, 100, 257, 1000}) {
        for (int64_t n : {4, 64, 1000}) {
            if (n * c <= most_elements)
                list.push_back({n, c, 1});
        }
    }
    // Rows so wide that schedules take them in pairs, and one left; in fours, and three.
    list.push_back({3, 1056, 1});
    list.push_back({7, 2592, 1});
    return list;
}

// NHWC tensors whose sums a schedule may walk in another way than small ones: above 2^21 or 2^22
// elements, rows of one and a piece of 1024 channels, and folded ones; no whole number of 16 rows.
constexpr Shape large_rows[] = {{4033, 1056, 1}, {65604, 32, 1}};

constexpr int offsets[] = {0, 1, 3};  // of buffers from a page, in elements

}  // namespace test
