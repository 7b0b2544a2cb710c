#include "safetensors.h"

#include <algorithm>
#include <limits>
#include <set>

#include "json.h"
#include "text.h"

namespace halnorm_state {
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

// Finds what the format forbids and Json::parse() lets pass, repeated keys and nesting without
// bounds, and says where text is no JSON.
class Checker : public nlohmann::json_sax<Json> {
public:
    explicit Checker(const std::string &file) : file_(file) {}
    const Problem &problem() const { return problem_; }

    bool null() override { return true; }
    bool boolean(bool) override { return true; }
    bool number_integer(number_integer_t) override { return true; }
    bool number_unsigned(number_unsigned_t) override { return true; }
    bool number_float(number_float_t, const string_t &) override { return true; }
    bool string(string_t &) override { return true; }
    bool binary(binary_t &) override { return true; }
    bool start_array(std::size_t) override { return open(); }
    bool end_array() override { return close(); }
    bool start_object(std::size_t) override {
        keys_.emplace_back();
        return open();
    }
    bool end_object() override {
        keys_.pop_back();
        return close();
    }
    bool key(string_t &key) override {
        return keys_.back().insert(key).second ||
               refuse("key " + in_quotes(key) +
                      " of the header was there twice, should be there once");
    }
    bool parse_error(std::size_t byte, const std::string &, const Json::exception &error) override {
        constexpr int number_overflow = 406;
        return refuse(error.id == number_overflow ?
                          "number in the header was beyond double, should be a size" :
                          "header was no JSON in UTF-8 at byte " + std::to_string(byte) +
                              ", should be one JSON object");
    }

private:
    bool open() {
        return depth_++ <= max_depth || refuse("nesting of the header was deeper than " +
                                               std::to_string(max_depth) + ", should be 3");
    }
    bool close() {
        depth_--;
        return true;
    }
    bool refuse(const std::string &text) {
        problem_ = {file_, text};
        return false;
    }

    const std::string &file_;
    Problem problem_;
    std::vector<std::set<std::string>> keys_;  // of each open object
    int depth_ = 0;
};

Problem parse_json(const std::string &file, const std::string &header, Json *json) {
    if (header.empty() || header[0] != '{')
        return {file, "header was not of a JSON object, should start with \"{\""};
    const size_t nul = header.find('\0');  // which Json would take for the end of the input
    if (nul != std::string::npos) {
        return {file,
                "byte " + std::to_string(nul) + " of the header was zero, should be of JSON text"};
    }
    Checker checker(file);
    if (!Json::sax_parse(header, &checker))
        return checker.problem();
    *json = Json::parse(header, nullptr, false);
    return {};
}

const Dtype *find_dtype(std::string_view name) {
    for (const Dtype &dtype : dtypes) {
        if (name == dtype.name)
            return &dtype;
    }
    return nullptr;
}

// A member of a tensor's object that must be an array of whole numbers from 0 to 2^63 - 1.
Problem sizes(const std::string &subject, const Json &tensor, const char *key,
              std::vector<uint64_t> *result) {
    const auto member = tensor.find(key);
    const std::string should = ", should be an array of whole numbers from 0 to 2^63 - 1";
    if (member == tensor.end())
        return {subject, std::string(key) + " was missing" + should};
    bool good = member->is_array();
    for (auto item = member->begin(); good && item != member->end(); ++item) {
        good = item->is_number_unsigned() &&
               item->get<uint64_t>() <= uint64_t{std::numeric_limits<int64_t>::max()};
        if (good)
            result->push_back(item->get<uint64_t>());
    }
    if (!good)
        return {subject, std::string(key) + " was " + in_quotes(member->dump()) + should};
    return {};
}

Problem find_dtype(const std::string &subject, const Json &tensor, const Dtype **found) {
    const auto member = tensor.find("dtype");
    if (member == tensor.end()) {
        return {subject, "dtype was missing, should be one of " + legal_dtypes()};
    }
    if (member->is_string())
        *found = find_dtype(member->get_ref<const std::string &>());
    if (*found != nullptr)
        return {};
    return {subject,
            "dtype was " +
                in_quotes(member->is_string() ? member->get<std::string>() : member->dump()) +
                ", should be one of " + legal_dtypes()};
}

// Bytes that the shape needs, by checked multiplication.
Problem byte_count(const std::string &subject, const Dtype &dtype,
                   const std::vector<uint64_t> &shape, uint64_t *bytes) {
    uint64_t elements = 1;
    uint64_t bits = 0;
    bool overflow = false;
    for (const uint64_t extent : shape)
        overflow |= __builtin_mul_overflow(elements, extent, &elements);
    if (overflow || __builtin_mul_overflow(elements, dtype.bits, &bits)) {
        return {subject,
                "shape was of more than 2^64 bits, should be of a size that a file can have"};
    }
    if (bits % 8 != 0) {
        return {subject,
                "shape was of " + std::to_string(bits) + " bits, should be of whole bytes"};
    }
    *bytes = bits / 8;
    return {};
}

Problem parse_tensor(const std::string &file, const std::string &name, const Json &tensor,
                     TensorEntry *entry) {
    const std::string subject = file + ", tensor " + in_quotes(name);
    if (!tensor.is_object()) {
        return {subject, "was " + in_quotes(tensor.dump()) +
                             ", should be an object of dtype, shape and data_offsets"};
    }
    const Dtype *dtype = nullptr;
    std::vector<uint64_t> shape, offsets;
    uint64_t bytes = 0;
    HALNORM_TRY_IO(find_dtype(subject, tensor, &dtype));
    HALNORM_TRY_IO(sizes(subject, tensor, "shape", &shape));
    HALNORM_TRY_IO(sizes(subject, tensor, "data_offsets", &offsets));
    HALNORM_TRY_IO(byte_count(subject, *dtype, shape, &bytes));
    if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] - offsets[0] != bytes) {
        return {subject, "data_offsets was " + one_line(tensor["data_offsets"].dump(), 80) +
                             ", should be [begin, begin + " + std::to_string(bytes) + "] for " +
                             dtype->name + " of shape " + one_line(tensor["shape"].dump(), 80)};
    }
    *entry = {name, dtype->name, Shape(shape.begin(), shape.end()), offsets[0], offsets[1]};
    return {};
}

Problem check_metadata(const std::string &file, const Json &metadata) {
    const bool strings =
        metadata.is_object() && std::all_of(metadata.begin(), metadata.end(),
                                            [](const Json &value) { return value.is_string(); });
    if (strings)
        return {};
    return {file,
            "__metadata__ was " + in_quotes(metadata.dump()) + ", should be an object of strings"};
}

}  // namespace

std::string to_text(const Shape &shape) {
    std::string text = "(";
    for (size_t i = 0; i < shape.size(); i++) {
        text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
    }
    return text + (shape.size() == 1 ? ",)" : ")");
}

Problem tensor_bytes(const std::string &subject, const std::string &dtype, const Shape &shape,
                     uint64_t *bytes) {
    const Dtype *const found = find_dtype(dtype);
    if (found == nullptr) {
        return {subject, "dtype was " + in_quotes(dtype) + ", should be one of " + legal_dtypes()};
    }
    for (const int64_t extent : shape) {
        if (extent < 0)
            return {subject, "shape was " + one_line(to_text(shape), 80) +
                                 ", should have no negative extent"};
    }
    return byte_count(subject, *found, {shape.begin(), shape.end()}, bytes);
}

Problem parse_header(const std::string &file, const std::string &header, uint64_t data_bytes,
                     std::vector<TensorEntry> *result) {
    Json json;
    HALNORM_TRY_IO(parse_json(file, header, &json));
    std::vector<TensorEntry> entries;
    for (const auto &[name, value] : json.items()) {
        if (name == "__metadata__") {
            HALNORM_TRY_IO(check_metadata(file, value));
        } else {
            entries.emplace_back();
            HALNORM_TRY_IO(parse_tensor(file, name, value, &entries.back()));
        }
    }
    std::sort(entries.begin(), entries.end(), [](const TensorEntry &a, const TensorEntry &b) {
        return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
    });
    uint64_t expected = 0;
    for (const TensorEntry &entry : entries) {
        if (entry.begin != expected) {
            return {file + ", tensor " + in_quotes(entry.name),
                    "begin of data_offsets was " + std::to_string(entry.begin) + ", should be " +
                        std::to_string(expected) + ", the end of the tensor before it"};
        }
        expected = entry.end;
    }
    if (expected != data_bytes) {
        return {file, "was of " + std::to_string(data_bytes) +
                          " bytes after its header, should be of " + std::to_string(expected) +
                          ", where the last tensor ends"};
    }
    *result = std::move(entries);
    return {};
}

}  // namespace halnorm_state
