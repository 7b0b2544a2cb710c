// nlohmann::json in a namespace of this part's own: built without exceptions, its functions differ
// from those of an app that uses the library with them, and a linker would take one for the other.
#pragma once

#define NLOHMANN_JSON_NAMESPACE nlohmann::halnorm_state
#define NLOHMANN_JSON_NAMESPACE_BEGIN \
    namespace nlohmann {              \
    inline namespace halnorm_state {
#define NLOHMANN_JSON_NAMESPACE_END \
    }                               \
    }

#include <nlohmann/json.hpp>
