#include "variants.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "halnorm/halnorm.h"
#include "library.h"

namespace halnorm_tool {
namespace {

std::string as_json(const std::vector<halnorm_variant_info> &variants) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const halnorm_variant_info &variant : variants) {
        nlohmann::ordered_json features = nlohmann::ordered_json::array();
        std::istringstream words(variant.features);
        for (std::string feature; words >> feature;)
            features.push_back(feature);
        list.push_back({{"name", variant.name},
                        {"arch", variant.arch},
                        {"features", features},
                        {"supported", variant.supported != 0},
                        {"chosen", variant.chosen != 0},
                        {"experimental", variant.experimental != 0},
                        {"reason", variant.reason}});
    }
    return list.dump(2) + "\n";
}

std::string as_table(const std::vector<halnorm_variant_info> &variants) {
    using Row = std::array<std::string, 7>;
    std::vector<Row> rows = {
        {"", "variant", "arch", "supported", "experimental", "features", "reason"}};
    for (const halnorm_variant_info &variant : variants) {
        const std::string features = variant.features;
        rows.push_back({variant.chosen ? "*" : "", variant.name, variant.arch,
                        variant.supported ? "yes" : "no", variant.experimental ? "yes" : "no",
                        features.empty() ? "-" : features, variant.reason});
    }
    std::array<size_t, 7> widths = {};
    for (const Row &row : rows) {
        for (size_t i = 0; i < row.size(); i++)
            widths[i] = std::max(widths[i], row[i].size());
    }
    std::string table;
    for (const Row &row : rows) {
        std::string line;
        for (size_t i = 0; i < row.size(); i++) {
            line += row[i];
            if (i + 1 < row.size())
                line.append(widths[i] - row[i].size() + (i == 0 ? 1 : 2), ' ');
        }
        table += line + "\n";
    }
    return table + "\n* chosen\n";
}

}  // namespace

std::string list_variants(bool json) {
    std::vector<halnorm_variant_info> variants(static_cast<size_t>(halnorm_variant_count()));
    for (size_t i = 0; i < variants.size(); i++) {
        check(halnorm_variant_get(static_cast<int32_t>(i), &variants[i]));
    }
    return json ? as_json(variants) : as_table(variants);
}

}  // namespace halnorm_tool
