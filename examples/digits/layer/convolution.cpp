#include "layer/convolution.h"

#include <array>

namespace digits {
namespace {

using Filter = std::array<float, 9>;

constexpr Filter fixed[] = {
    // edges: Sobel's, in four directions
    {-1, 0, 1, -2, 0, 2, -1, 0, 1},
    {-1, -2, -1, 0, 0, 0, 1, 2, 1},
    {0, 1, 2, -1, 0, 1, -2, -1, 0},
    {2, 1, 0, 1, 0, -1, 0, -1, -2},
    // lines in four directions
    {-1, -1, -1, 2, 2, 2, -1, -1, -1},
    {-1, 2, -1, -1, 2, -1, -1, 2, -1},
    {-1, -1, 2, -1, 2, -1, 2, -1, -1},
    {2, -1, -1, -1, 2, -1, -1, -1, 2},
    // blobs: blur, spot, ring, Laplace
    {.0625f, .125f, .0625f, .125f, .25f, .125f, .0625f, .125f, .0625f},
    {-.125f, -.125f, -.125f, -.125f, 1, -.125f, -.125f, -.125f, -.125f},
    {1, 1, 1, 1, 0, 1, 1, 1, 1},
    {0, 1, 0, 1, -4, 1, 0, 1, 0},
};

// The rest is random, of growing size, as filters are before training: splitmix64, the same on
// every machine.
std::array<Filter, filters> all_filters() {
    std::array<Filter, filters> all;
    uint64_t state = 1998;
    for (size_t f = 0; f < all.size(); f++) {
        if (f < std::size(fixed)) {
            all[f] = fixed[f];
            continue;
        }
        for (float &weight : all[f]) {
            uint64_t z = state += 0x9e3779b97f4a7c15u;
            z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
            z = (z ^ z >> 27) * 0x94d049bb133111ebu;
            const float uniform = static_cast<float>((z ^ z >> 31) >> 40) * 0x1p-23f - 1;
            weight = uniform * static_cast<float>(f - std::size(fixed) + 1);
        }
    }
    return all;
}

float at(const float *image, int row, int column) {
    const bool inside = row >= 0 && row < side && column >= 0 && column < side;
    return inside ? image[row * side + column] : 0;
}

}  // namespace

std::vector<float> convolve(const std::vector<float> &images) {
    const std::array<Filter, filters> all = all_filters();
    std::vector<float> maps;
    maps.reserve(images.size() * filters);
    for (size_t start = 0; start < images.size(); start += pixels) {
        for (const Filter &filter : all) {
            for (int row = 0; row < side; row++) {
                for (int column = 0; column < side; column++) {
                    float sum = 0;
                    for (int k = 0; k < 9; k++) {
                        sum += filter[static_cast<size_t>(k)] *
                               at(&images[start], row + k / 3 - 1, column + k % 3 - 1);
                    }
                    maps.push_back(sum);
                }
            }
        }
    }
    return maps;
}

}  // namespace digits
