#pragma once

#include <cstdint>
#include <string>

namespace digits {

struct Settings {
    int64_t batch = 64, epochs = 3;
    std::string variant;  // "": the library's choice
    int threads = 1;
    std::string data;
};

}  // namespace digits
