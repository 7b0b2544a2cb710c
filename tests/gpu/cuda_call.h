// One call of a forward pass by variant cuda, its arrays on the device or in host memory.
#pragma once

#include "cuda_case.h"

namespace gpu {

struct Case : Setting {
    bool training = true;
    bool in_place = false;
    bool add = false;  // a second addend

    std::string describe() const;
};

// Runs a case on random numbers and compares everything with the reference. Returns what was wrong,
// "" if nothing.
std::string check(const Driver &driver, const Case &settings);

Times measure(Driver &driver, const Case &settings);

}  // namespace gpu
