#include "common/split.h"

namespace digits {
namespace {

// Of the pixels of all training images, rounded.
constexpr float mean = 0.305f, deviation = 0.376f;
constexpr size_t test_stride = 5;

Examples select(const Digits &digits, bool test) {
    Examples examples;
    for (size_t i = 0; i < digits.labels.size(); i++) {
        if ((i % test_stride == 0) == test)
            examples.labels.push_back(digits.labels[i]);
    }
    examples.images.resize(static_cast<int64_t>(examples.labels.size()), side, side, 1);
    float *next = examples.images.values.data();
    for (size_t i = 0; i < digits.images.size(); i++) {
        if ((i / pixels % test_stride == 0) == test)
            *next++ = (digits.images[i] - mean) / deviation;
    }
    return examples;
}

}  // namespace

const float background = (0 - mean) / deviation;

Split split(const Digits &digits) {
    return {select(digits, false), select(digits, true)};
}

void take(const Examples &from, const size_t *indices, int64_t count, Examples *batch) {
    batch->images.resize(count, from.images.height, from.images.width, from.images.channels());
    batch->labels.resize(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; i++) {
        const auto index = static_cast<int64_t>(indices[i]);
        batch->images.values.middleRows(i * pixels, pixels) =
            from.images.values.middleRows(index * pixels, pixels);
        batch->labels[static_cast<size_t>(i)] = from.labels[indices[i]];
    }
}

}  // namespace digits
