// Makes more of few digits: what a slightly different hand would have written.
#pragma once

#include "common/random.h"
#include "network/tensor.h"

namespace digits {

// How far an image is moved and bent at most. At 0 it stays as it is.
struct Augmentation {
    double shift = 1;    // pixels, in each direction
    double shear = 0.2;  // and stretch: pixels per pixel
};

// Replaces each of the images, of one channel, by one under a random affine map; `background` is
// what comes in over the border.
void augment(const Augmentation &augmentation, float background, Random &random,
             Images<float> *images);

}  // namespace digits
