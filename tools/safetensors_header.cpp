#include "safetensors.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

namespace halnorm_tool {
namespace {

using Json = nlohmann::json;

// Far above what the format needs (3), far below what could exhaust anything.
constexpr int max_depth = 16;

struct Dtype {
    const char *name;
    uint64_t bits;
};
constexpr Dtype dtypes[] = {
    {"BOOL", 8}, {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
    {"I8", 8},   {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"I16", 16},
    {"U16", 16}, {"F16", 16},    {"BF16", 16},   {"I32", 32},    {"U32", 32},
    {"F32", 32}, {"C64", 64},    {"F64", 64},    {"I64", 64},    {"U64", 64},
};

std::string legal_dtypes() {
    std::string list;
    for (const Dtype &dtype : dtypes)
        list += (list.empty() ? "" : ", ") + std::string(dtype.name);
    return list;
}

// JSON text to a value, refusing what nlohmann::json lets pass: repeated keys and a NUL as the end
// of the input.
Json parse_json(const std::string &file, const std::string &header) {
    if (header.empty() || header[0] != '{') {
        throw Error(file, "header was not of a JSON object, should start with \"{\"");
    }
    const size_t nul = header.find('\0');
    if (nul != std::string::npos) {
        throw Error(file, "byte " + std::to_string(nul) +
                              " of the header was zero, should be of JSON text");
    }
    std::vector<std::set<std::string>> keys;  // of each open object
    const auto check = [&](int depth, Json::parse_event_t event, const Json &parsed) {
        switch (event) {
        case Json::parse_event_t::object_start:
            keys.emplace_back();
            [[fallthrough]];
        case Json::parse_event_t::array_start:
            if (depth > max_depth) {
                throw Error(file, "nesting of the header was deeper than " +
                                      std::to_string(max_depth) + ", should be 3");
            }
            break;
        case Json::parse_event_t::object_end:
            keys.pop_back();
            break;
        case Json::parse_event_t::key: {
            const auto &key = parsed.get_ref<const std::string &>();
            if (!keys.back().insert(key).second) {
                throw Error(file, "key " + in_quotes(key) +
                                      " of the header was there twice, should be there once");
            }
            break;
        }
        default:
            break;
        }
        return true;
    };
    try {
        return Json::parse(header, check);
    } catch (const Json::parse_error &error) {
        throw Error(file, "header was no JSON in UTF-8 at byte " + std::to_string(error.byte) +
                              ", should be one JSON object");
    } catch (const Json::exception &) {
        throw Error(file, "number in the header was beyond double, should be a size");
    }
}

// A member of a tensor's object that must be an array of whole numbers from 0 to 2^63 - 1.
std::vector<uint64_t> sizes(const std::string &subject, const Json &tensor, const char *key) {
    const auto member = tensor.find(key);
    const std::string should = ", should be an array of whole numbers from 0 to 2^63 - 1";
    if (member == tensor.end())
        throw Error(subject, std::string(key) + " was missing" + should);
    std::vector<uint64_t> result;
    bool good = member->is_array();
    for (auto item = member->begin(); good && item != member->end(); ++item) {
        good = item->is_number_unsigned() &&
               item->get<uint64_t>() <= uint64_t{std::numeric_limits<int64_t>::max()};
        if (good)
            result.push_back(item->get<uint64_t>());
    }
    if (!good)
        throw Error(subject, std::string(key) + " was " + in_quotes(member->dump()) + should);
    return result;
}

const Dtype &find_dtype(const std::string &subject, const Json &tensor) {
    const auto member = tensor.find("dtype");
    if (member == tensor.end()) {
        throw Error(subject, "dtype was missing, should be one of " + legal_dtypes());
    }
    for (const Dtype &dtype : dtypes) {
        if (*member == dtype.name)
            return dtype;
    }
    throw Error(subject,
                "dtype was " +
                    in_quotes(member->is_string() ? member->get<std::string>() : member->dump()) +
                    ", should be one of " + legal_dtypes());
}

// Bytes that the shape needs, by checked multiplication.
uint64_t byte_count(const std::string &subject, const Dtype &dtype,
                    const std::vector<uint64_t> &shape) {
    uint64_t elements = 1;
    uint64_t bits = 0;
    bool overflow = false;
    for (const uint64_t extent : shape)
        overflow |= __builtin_mul_overflow(elements, extent, &elements);
    if (overflow || __builtin_mul_overflow(elements, dtype.bits, &bits)) {
        throw Error(subject,
                    "shape was of more than 2^64 bits, should be of a size that a file can have");
    }
    if (bits % 8 != 0) {
        throw Error(subject,
                    "shape was of " + std::to_string(bits) + " bits, should be of whole bytes");
    }
    return bits / 8;
}

TensorEntry parse_tensor(const std::string &file, const std::string &name, const Json &tensor) {
    const std::string subject = file + ", tensor " + in_quotes(name);
    if (!tensor.is_object()) {
        throw Error(subject, "was " + in_quotes(tensor.dump()) +
                                 ", should be an object of dtype, shape and data_offsets");
    }
    const Dtype &dtype = find_dtype(subject, tensor);
    const std::vector<uint64_t> shape = sizes(subject, tensor, "shape");
    const std::vector<uint64_t> offsets = sizes(subject, tensor, "data_offsets");
    const uint64_t bytes = byte_count(subject, dtype, shape);
    if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] - offsets[0] != bytes) {
        throw Error(subject, "data_offsets was " + one_line(tensor["data_offsets"].dump(), 80) +
                                 ", should be [begin, begin + " + std::to_string(bytes) + "] for " +
                                 dtype.name + " of shape " + one_line(tensor["shape"].dump(), 80));
    }
    return {name, dtype.name, Shape(shape.begin(), shape.end()), offsets[0], offsets[1]};
}

void check_metadata(const std::string &file, const Json &metadata) {
    const bool strings =
        metadata.is_object() && std::all_of(metadata.begin(), metadata.end(),
                                            [](const Json &value) { return value.is_string(); });
    if (!strings) {
        throw Error(file, "__metadata__ was " + in_quotes(metadata.dump()) +
                              ", should be an object of strings");
    }
}

}  // namespace

std::string to_text(const Shape &shape) {
    std::string text = "(";
    for (size_t i = 0; i < shape.size(); i++) {
        text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
    }
    return text + (shape.size() == 1 ? ",)" : ")");
}

std::vector<TensorEntry> parse_header(const std::string &file, const std::string &header,
                                      uint64_t data_bytes) {
    const Json json = parse_json(file, header);
    std::vector<TensorEntry> entries;
    for (const auto &[name, value] : json.items()) {
        if (name == "__metadata__") {
            check_metadata(file, value);
        } else {
            entries.push_back(parse_tensor(file, name, value));
        }
    }
    std::sort(entries.begin(), entries.end(), [](const TensorEntry &a, const TensorEntry &b) {
        return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
    });
    uint64_t expected = 0;
    for (const TensorEntry &entry : entries) {
        if (entry.begin != expected) {
            throw Error(file + ", tensor " + in_quotes(entry.name),
                        "begin of data_offsets was " + std::to_string(entry.begin) +
                            ", should be " + std::to_string(expected) +
                            ", the end of the tensor before it");
        }
        expected = entry.end;
    }
    if (expected != data_bytes) {
        throw Error(file, "was of " + std::to_string(data_bytes) +
                              " bytes after its header, should be of " + std::to_string(expected) +
                              ", where the last tensor ends");
    }
    return entries;
}

}  // namespace halnorm_tool
