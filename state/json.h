// nlohmann::json in a namespace of this part's own: an app may build another version of it, or build
// it without exceptions, and a linker would take one for the other.
#pragma once

#define NLOHMANN_JSON_NAMESPACE nlohmann::halnorm_state
#define NLOHMANN_JSON_NAMESPACE_BEGIN \
    namespace nlohmann {              \
    inline namespace halnorm_state {
#define NLOHMANN_JSON_NAMESPACE_END \
    }                               \
    }

#include <nlohmann/json.hpp>
