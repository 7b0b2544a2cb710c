#include "variants.h"

#include <stdio.h>
#include <stdlib.h>

namespace test {
namespace {

std::vector<halnorm_variant_info> all() {
    std::vector<halnorm_variant_info> infos(static_cast<size_t>(halnorm_variant_count()));
    for (size_t i = 0; i < infos.size(); i++) {
        const halnorm_status status = halnorm_variant_get(static_cast<int32_t>(i), &infos[i]);
        if (status != HALNORM_OK) {
            fprintf(stderr, "halnorm_variant_get(%zu): %s\n", i, halnorm_last_error());
            abort();
        }
    }
    return infos;
}

}  // namespace

std::vector<std::string> variants() {
    std::vector<std::string> names;
    for (const halnorm_variant_info &info : all())
        names.push_back(info.name);
    return names;
}

std::vector<std::string> supported_variants() {
    std::vector<std::string> names;
    for (const halnorm_variant_info &info : all()) {
        if (info.supported)
            names.push_back(info.name);
    }
    return names;
}

std::string why_unsupported(const std::string &variant) {
    for (const halnorm_variant_info &info : all()) {
        if (info.name == variant)
            return info.supported ? "" : info.reason;
    }
    return "no such variant";
}

bool flushes_subnormals(const std::string &variant) {
#if defined(__arm__)
    return variant != "generic";  // NEON of ARMv7 always does
#else
    static_cast<void>(variant);
    return false;
#endif
}

bool runs_on_a_device(const std::string &variant) {
    return variant == "cuda" || variant == "opencl";
}

}  // namespace test
