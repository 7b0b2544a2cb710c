#include "safetensors.h"

#include <algorithm>
#include <limits>
#include <map>
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

// A value of the header as the format uses it: a text, or sizes.
struct Value {
    std::string text;  // as compact JSON, for messages: its start
    bool is_string = false, is_sizes = false;
    std::string string;
    std::vector<uint64_t> sizes;
};

// A member of the header's object, and what its own object holds.
struct Member {
    Value value;
    bool is_object = false;
    std::map<std::string, Value> members;
};
using Header = std::map<std::string, Member>;

// Takes what the format uses from the header and finds what it forbids, also where Json lets it
// pass: repeated keys and nesting without bounds. Says where text is no JSON. (No tree of Json is
// made: its destructor allocates, so without memory it would end the program.)
class Reader : public nlohmann::json_sax<Json> {
public:
    Reader(const std::string &file, Header *header) : file_(file), header_(header) {}
    const Problem &problem() const { return problem_; }

    bool null() override { return scalar("null"); }
    bool boolean(bool value) override { return scalar(value ? "true" : "false"); }
    bool number_integer(number_integer_t value) override { return scalar(std::to_string(value)); }
    bool number_unsigned(number_unsigned_t value) override {
        const bool fits = value <= uint64_t{std::numeric_limits<int64_t>::max()};
        return scalar(std::to_string(value), fits ? &value : nullptr);
    }
    bool number_float(number_float_t, const string_t &text) override { return scalar(text); }
    bool string(string_t &text) override {
        begin_value(Json(text).dump());
        if (Value *const value = value_at(depth_)) {
            value->is_string = true;
            value->string = text;
        }
        return true;
    }
    bool binary(binary_t &) override { return true; }
    bool start_array(std::size_t) override {
        begin_value("[");
        if (Value *const value = value_at(depth_))
            value->is_sizes = true;
        return open();
    }
    bool end_array() override { return close("]"); }
    bool start_object(std::size_t) override {
        begin_value("{");
        if (depth_ == 1)
            member_->is_object = true;
        keys_.emplace_back();
        return open();
    }
    bool end_object() override {
        keys_.pop_back();
        return close("}");
    }
    bool key(string_t &key) override {
        if (!keys_.back().insert(key).second) {
            return refuse("key " + in_quotes(key) +
                          " of the header was there twice, should be there once");
        }
        leave();
        append((first_ ? "" : ",") + Json(key).dump() + ":");
        first_ = true;
        if (depth_ == 1)
            member_ = &(*header_)[key];
        if (depth_ == 2)
            inner_ = &member_->members[key];
        return true;
    }
    bool parse_error(std::size_t byte, const std::string &, const Json::exception &error) override {
        constexpr int number_overflow = 406;
        return refuse(error.id == number_overflow ?
                          "number in the header was beyond double, should be a size" :
                          "header was no JSON in UTF-8 at byte " + std::to_string(byte) +
                              ", should be one JSON object");
    }

private:
    // The value that is read, where so many objects and arrays are open around it; nullptr for
    // those that the format does not know.
    Value *value_at(int depth) const {
        return depth == 1 && member_ != nullptr ? &member_->value : depth == 2 ? inner_ : nullptr;
    }
    void append(const std::string &text) {
        constexpr size_t enough = 400;  // messages show less
        for (int depth : {1, 2}) {
            Value *const value = depth <= depth_ ? value_at(depth) : nullptr;
            if (value != nullptr && value->text.size() < enough)
                value->text += text;
        }
    }
    void begin_value(const std::string &text) {
        append((first_ ? "" : ",") + text);
        first_ = false;
        // Only numbers are sizes, and only as elements of the array itself.
        Value *const array = depth_ >= 2 ? value_at(depth_ - 1) : nullptr;
        if (array != nullptr)
            array->is_sizes = false;
    }
    bool scalar(const std::string &text, const uint64_t *size = nullptr) {
        Value *const array = depth_ >= 2 ? value_at(depth_ - 1) : nullptr;
        const bool good = array != nullptr && array->is_sizes && size != nullptr;
        begin_value(text);
        if (good) {
            array->is_sizes = true;
            array->sizes.push_back(*size);
        }
        return true;
    }
    bool open() {
        first_ = true;
        return depth_++ <= max_depth || refuse("nesting of the header was deeper than " +
                                               std::to_string(max_depth) + ", should be 3");
    }
    bool close(const char *text) {
        leave();
        append(text);
        first_ = false;
        depth_--;
        return true;
    }
    // What follows, if it is in the object itself, is no part of the last member's value.
    void leave() {
        if (depth_ == 1)
            member_ = nullptr;
        if (depth_ == 2)
            inner_ = nullptr;
    }
    bool refuse(const std::string &text) {
        problem_ = {file_, text};
        return false;
    }

    const std::string &file_;
    Header *const header_;
    Problem problem_;
    std::vector<std::set<std::string>> keys_;  // of each open object
    Member *member_ = nullptr;                 // of the header
    Value *inner_ = nullptr;                   // of that member
    int depth_ = 0;
    bool first_ = true;  // in what is open
};

Problem parse_json(const std::string &file, const std::string &text, Header *header) {
    if (text.empty() || text[0] != '{')
        return {file, "header was not of a JSON object, should start with \"{\""};
    const size_t nul = text.find('\0');  // which Json would take for the end of the input
    if (nul != std::string::npos) {
        return {file,
                "byte " + std::to_string(nul) + " of the header was zero, should be of JSON text"};
    }
    Reader reader(file, header);
    return Json::sax_parse(text, &reader) ? Problem() : reader.problem();
}

const Dtype *find_dtype(std::string_view name) {
    for (const Dtype &dtype : dtypes) {
        if (name == dtype.name)
            return &dtype;
    }
    return nullptr;
}

// A member of a tensor's object that must be an array of whole numbers from 0 to 2^63 - 1.
Problem sizes(const std::string &subject, const Member &tensor, const char *key,
              const Value **result) {
    const auto member = tensor.members.find(key);
    const std::string should = ", should be an array of whole numbers from 0 to 2^63 - 1";
    if (member == tensor.members.end())
        return {subject, std::string(key) + " was missing" + should};
    *result = &member->second;
    if (!member->second.is_sizes)
        return {subject, std::string(key) + " was " + in_quotes(member->second.text) + should};
    return {};
}

Problem find_dtype(const std::string &subject, const Member &tensor, const Dtype **found) {
    const auto member = tensor.members.find("dtype");
    if (member == tensor.members.end()) {
        return {subject, "dtype was missing, should be one of " + legal_dtypes()};
    }
    const Value &value = member->second;
    if (value.is_string)
        *found = find_dtype(value.string);
    if (*found != nullptr)
        return {};
    return {subject, "dtype was " + in_quotes(value.is_string ? value.string : value.text) +
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

Problem parse_tensor(const std::string &file, const std::string &name, const Member &tensor,
                     TensorEntry *entry) {
    const std::string subject = file + ", tensor " + in_quotes(name);
    if (!tensor.is_object) {
        return {subject, "was " + in_quotes(tensor.value.text) +
                             ", should be an object of dtype, shape and data_offsets"};
    }
    const Dtype *dtype = nullptr;
    const Value *shape = nullptr, *offsets = nullptr;
    uint64_t bytes = 0;
    HALNORM_TRY_IO(find_dtype(subject, tensor, &dtype));
    HALNORM_TRY_IO(sizes(subject, tensor, "shape", &shape));
    HALNORM_TRY_IO(sizes(subject, tensor, "data_offsets", &offsets));
    HALNORM_TRY_IO(byte_count(subject, *dtype, shape->sizes, &bytes));
    const std::vector<uint64_t> &at = offsets->sizes;
    if (at.size() != 2 || at[0] > at[1] || at[1] - at[0] != bytes) {
        return {subject, "data_offsets was " + one_line(offsets->text, 80) +
                             ", should be [begin, begin + " + std::to_string(bytes) + "] for " +
                             dtype->name + " of shape " + one_line(shape->text, 80)};
    }
    *entry = {name, dtype->name, Shape(shape->sizes.begin(), shape->sizes.end()), at[0], at[1]};
    return {};
}

Problem check_metadata(const std::string &file, const Member &metadata) {
    const bool strings =
        metadata.is_object &&
        std::all_of(metadata.members.begin(), metadata.members.end(),
                    [](const auto &member) { return member.second.is_string; });
    if (strings)
        return {};
    return {file, "__metadata__ was " + in_quotes(metadata.value.text) +
                      ", should be an object of strings"};
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
    Header members;
    HALNORM_TRY_IO(parse_json(file, header, &members));
    std::vector<TensorEntry> entries;
    for (const auto &[name, value] : members) {
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
