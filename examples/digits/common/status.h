#pragma once

#include <stdexcept>

#include "halnorm/halnorm.hpp"

namespace digits {

// Throws std::runtime_error with the library's message if a call failed.
inline void expect_ok(const halnorm::Status &status) {
    if (!status.ok())
        throw std::runtime_error(status.message);
}

}  // namespace digits
