// One call of a pipeline by variant cuda, its arrays on the device or in host memory.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "driver.h"
#include "halnorm/halnorm.h"
#include "reference.h"

namespace gpu {

struct Case {
    bool training = true;
    bool on_device = true;
    bool in_place = false;
    halnorm_layout layout = HALNORM_NCHW;
    halnorm_dtype dtype = HALNORM_FLOAT32;
    halnorm_activation activation = HALNORM_ACT_NONE;
    int64_t n = 2, c = 3, s = 4;

    std::string describe() const;
    std::vector<int64_t> shape() const;
};

// Runs a case on random numbers and compares everything with the reference. Returns what was wrong,
// "" if nothing.
std::string check(const Driver &driver, const Case &settings);

// Microseconds of one call on float32 tensors on the device, and of a copy of x to y there: the
// least of some.
struct Times {
    double call, copy;
};
Times measure(Driver &driver, const Case &settings);

}  // namespace gpu
