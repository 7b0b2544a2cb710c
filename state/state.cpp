#include "halnorm/state.hpp"

#include <algorithm>
#include <cstring>
#include <exception>
#include <map>
#include <new>
#include <string>
#include <vector>

#include "problem.h"
#include "safetensors.h"
#include "text.h"

using halnorm_state::in_quotes;
using halnorm_state::one_line;
using halnorm_state::Problem;
using halnorm_state::SafetensorsFile;
using halnorm_state::Shape;
using halnorm_state::TensorEntry;
using halnorm_state::to_text;

namespace halnorm {
inline namespace v0 {

struct StateDict::Entry {
    std::string name, dtype;
    Shape shape;
    void *data = nullptr;
    uint64_t bytes = 0;
    bool is_count = false;  // an int64 that is not negative
};

struct StateDict::Entries {
    std::vector<Entry> list;  // in the order of add()
    std::map<std::string, size_t> places;
};

namespace {

Status failure(halnorm_status code, const std::string &subject, const std::string &text) {
    return detail::failure(code, "%s: %s", subject.c_str(), text.c_str());
}
Status failure(halnorm_status code, const Problem &problem) {
    return failure(code, problem.subject, problem.text);
}

// Everything that a function had begun is undone by then.
Status out_of_memory() {
    return {HALNORM_ERROR_WORKSPACE,
            "memory: was not enough, should hold the names and the file's header"};
}

}  // namespace

StateDict::StateDict() = default;
StateDict::~StateDict() = default;
StateDict::StateDict(StateDict &&other) noexcept = default;
StateDict &StateDict::operator=(StateDict &&other) noexcept = default;

Status StateDict::add(BatchNorm &layer) try {
    if (!layer)
        return {HALNORM_ERROR_NULL, "layer: was empty, should come from BatchNorm::create"};
    const char *const dtype = layer.dtype() == HALNORM_FLOAT32 ? "F32" : "F64";
    const uint64_t element = layer.dtype() == HALNORM_FLOAT32 ? sizeof(float) : sizeof(double);
    std::vector<Entry> entries;
    for (const Vector &vector :
         {layer.weight(), layer.bias(), layer.moving_mean(), layer.moving_variance()}) {
        if (vector.data == nullptr)
            continue;
        entries.push_back({vector.name, dtype, Shape{vector.size}, vector.data,
                           static_cast<uint64_t>(vector.size) * element, false});
    }
    if (layer.cumulative_average()) {
        entries.push_back({layer.moving_mean().name + std::string(".batches"), "I64", Shape(),
                           &layer.state_->batches, sizeof(int64_t), true});
    }
    return insert(entries.data(), entries.size());
} catch (const std::exception &) {
    return out_of_memory();
}

Status StateDict::add(const char *name, const char *dtype, void *data, const int64_t *shape,
                      size_t rank) try {
    if (name == nullptr)
        return {HALNORM_ERROR_NULL, "name: was NULL, should be a text"};
    const std::string subject = "tensor " + in_quotes(name);
    if (dtype == nullptr)
        return failure(HALNORM_ERROR_NULL, subject, "dtype was NULL, should be a text");
    if (shape == nullptr && rank > 0)
        return failure(HALNORM_ERROR_NULL, subject, "shape was NULL, should point to its extents");
    Entry entry = {name, dtype, Shape(shape, shape + rank), data, 0, false};
    uint64_t bytes = 0;
    // A scalar's size is its dtype's.
    if (const Problem problem = halnorm_state::tensor_bytes(subject, entry.dtype, {8}, &bytes))
        return failure(HALNORM_ERROR_DTYPE, problem);
    if (const Problem problem =
            halnorm_state::tensor_bytes(subject, entry.dtype, entry.shape, &entry.bytes))
        return failure(HALNORM_ERROR_SHAPE, problem);
    if (entry.bytes > SIZE_MAX / 2) {
        return failure(HALNORM_ERROR_SHAPE, subject,
                       "shape was " + one_line(to_text(entry.shape), 80) +
                           ", should be of a size that fits in memory");
    }
    if (data == nullptr && entry.bytes > 0)
        return failure(HALNORM_ERROR_NULL, subject, "data was NULL, should point to its values");
    return insert(&entry, 1);
} catch (const std::exception &) {
    return out_of_memory();
}

Status StateDict::insert(const Entry *added, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const std::string &name = added[i].name;
        const char *should = nullptr;
        if (name.empty() || name == "__metadata__")
            should = "was no name for a tensor, should be another";
        else if (!halnorm_state::is_utf8(name))
            should = "was not UTF-8, should be";
        else if (entries_ && entries_->places.count(name) != 0)
            should = "was added before, should be unique";
        for (size_t k = 0; k < i && should == nullptr; k++) {
            if (added[k].name == name)
                should = "was added before, should be unique";
        }
        if (should != nullptr)
            return failure(HALNORM_ERROR_PARAMETER, "name " + in_quotes(name), should);
    }
    // Whatever allocates comes before the first change.
    std::unique_ptr<Entries> made = entries_ ? nullptr : std::make_unique<Entries>();
    std::vector<Entry> copies(added, added + count);
    std::map<std::string, size_t> places;
    std::vector<Entry> &list = (entries_ ? entries_ : made)->list;
    for (size_t i = 0; i < count; i++)
        places[added[i].name] = list.size() + i;
    if (list.capacity() - list.size() < count)
        list.reserve(std::max(2 * list.capacity(), list.size() + count));
    for (Entry &copy : copies)
        list.push_back(std::move(copy));
    (entries_ ? entries_ : made)->places.merge(places);
    if (made)
        entries_ = std::move(made);
    return {};
}

Status StateDict::save(const char *path) const try {
    if (path == nullptr)
        return {HALNORM_ERROR_NULL, "path: was NULL, should be a file's name"};
    std::vector<halnorm_state::OutputTensor> tensors;
    if (entries_) {
        for (const Entry &entry : entries_->list)
            tensors.push_back({entry.name, entry.dtype, entry.shape, entry.data, entry.bytes});
    }
    if (const Problem problem = halnorm_state::write_safetensors("path", path, tensors, nullptr))
        return failure(HALNORM_ERROR_FILE, problem);
    return {};
} catch (const std::exception &) {
    return out_of_memory();
}

Status StateDict::load(const char *path) try {
    if (path == nullptr)
        return {HALNORM_ERROR_NULL, "path: was NULL, should be a file's name"};
    SafetensorsFile file;
    if (const Problem problem = file.open("path", path))
        return failure(HALNORM_ERROR_FILE, problem);
    const auto subject = [&](const std::string &name) {
        return file.subject() + ", tensor " + in_quotes(name);
    };

    // Every entry of the file belongs to one of these, and they are as many.
    struct Pair {
        const Entry *to;
        const TensorEntry *from;
    };
    const size_t count = entries_ ? entries_->list.size() : 0;
    std::vector<Pair> pairs(count);
    uint64_t bytes = 0;
    for (const TensorEntry &from : file.entries()) {
        const auto place =
            entries_ ? entries_->places.find(from.name) : std::map<std::string, size_t>::iterator();
        if (!entries_ || place == entries_->places.end())
            return failure(HALNORM_ERROR_FILE, subject(from.name),
                           "was in the file, should be absent: nothing of that name was added");
        const Entry &to = entries_->list[place->second];
        if (from.dtype != to.dtype) {
            return failure(HALNORM_ERROR_DTYPE, subject(from.name),
                           "dtype was " + from.dtype + ", should be " + to.dtype);
        }
        if (from.shape != to.shape) {
            return failure(HALNORM_ERROR_SHAPE, subject(from.name),
                           "shape was " + one_line(to_text(from.shape), 80) + ", should be " +
                               one_line(to_text(to.shape), 80));
        }
        pairs[place->second] = {&to, &from};
        bytes += to.bytes;
    }
    for (size_t i = 0; i < count; i++) {
        if (pairs[i].from == nullptr) {
            return failure(HALNORM_ERROR_FILE, subject(entries_->list[i].name),
                           "was missing, should be there");
        }
    }

    // All is read before anything is written: a file may turn out to be unreadable at its end.
    Workspace staging;
    if (bytes > SIZE_MAX / 2 || !staging.reserve(static_cast<size_t>(bytes)).ok()) {
        return failure(HALNORM_ERROR_WORKSPACE, file.subject(),
                       "was of " + std::to_string(bytes) + " bytes, should fit in memory twice");
    }
    char *next = static_cast<char *>(staging.data());
    for (const Pair &pair : pairs) {
        if (const Problem problem = file.read(*pair.from, next))
            return failure(HALNORM_ERROR_FILE, problem);
        int64_t number = 0;
        if (pair.to->is_count)
            std::memcpy(&number, next, sizeof number);
        if (number < 0) {
            return failure(HALNORM_ERROR_FILE, subject(pair.to->name),
                           "was " + std::to_string(number) + ", should be at least 0");
        }
        next += pair.to->bytes;
    }
    next = static_cast<char *>(staging.data());
    for (const Pair &pair : pairs) {
        if (pair.to->bytes > 0)
            std::memcpy(pair.to->data, next, static_cast<size_t>(pair.to->bytes));
        next += pair.to->bytes;
    }
    return {};
} catch (const std::exception &) {
    return out_of_memory();
}

}  // namespace v0
}  // namespace halnorm
