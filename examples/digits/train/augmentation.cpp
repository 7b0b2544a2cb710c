#include "train/augmentation.h"

#include <cmath>

namespace digits {

void augment(const Augmentation &augmentation, float background, Random &random,
             Images<float> *images) {
    const int64_t height = images->height, width = images->width;
    const double shear = augmentation.shear, shift = augmentation.shift;
    const double middle_h = static_cast<double>(height - 1) / 2,
                 middle_w = static_cast<double>(width - 1) / 2;
    Matrix<float> image;
    const auto at = [&](int64_t h, int64_t w) {
        const bool inside = h >= 0 && h < height && w >= 0 && w < width;
        return static_cast<double>(inside ? image(h * width + w, 0) : background);
    };
    for (int64_t n = 0; n < images->count; n++) {
        auto target = images->values.middleRows(n * height * width, height * width);
        image = target;
        double map[4], offset[2];
        for (double &entry : map)
            entry = uniform(random, -shear, shear);
        for (double &entry : offset)
            entry = uniform(random, -shift, shift);
        for (int64_t i = 0; i < height * width; i++) {
            const double h = static_cast<double>(i / width) - middle_h,
                         w = static_cast<double>(i % width) - middle_w;
            const double from_h = middle_h + h + map[0] * h + map[1] * w + offset[0],
                         from_w = middle_w + w + map[2] * h + map[3] * w + offset[1];
            const double floor_h = std::floor(from_h), floor_w = std::floor(from_w);
            const double part_h = from_h - floor_h, part_w = from_w - floor_w;
            const auto top = static_cast<int64_t>(floor_h), left = static_cast<int64_t>(floor_w);
            target(i, 0) = static_cast<float>(
                (1 - part_h) * ((1 - part_w) * at(top, left) + part_w * at(top, left + 1)) +
                part_h * ((1 - part_w) * at(top + 1, left) + part_w * at(top + 1, left + 1)));
        }
    }
}

}  // namespace digits
