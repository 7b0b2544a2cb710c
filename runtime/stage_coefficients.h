// What the two coefficient stages share.
#pragma once

#include <string.h>

#include "buffers.h"
#include "stages.h"

namespace halnorm {

// The first C of fold * C coefficients are there; the others are copies, doubled until all are. (On
// a GPU fold is 1.)
inline void repeat_coefficients(const Plan &plan, const Coefficients &coefficients) {
    for (void *array : {coefficients.center, coefficients.scale, coefficients.offset}) {
        const int64_t all = plan.apply.width();
        for (int64_t have = plan.channels(); have < all;) {
            const int64_t more = have < all - have ? have : all - have;
            const size_t bytes = plan.element();
            memcpy(static_cast<char *>(array) + static_cast<size_t>(have) * bytes, array,
                   static_cast<size_t>(more) * bytes);
            have += more;
        }
    }
}

}  // namespace halnorm
