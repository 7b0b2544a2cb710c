// `halnorm variants`: which kernels are in this build, and which of them this machine runs.
#pragma once

#include <string>

namespace halnorm_tool {

// The whole output: an aligned table, or a JSON array.
std::string list_variants(bool json);

}  // namespace halnorm_tool
