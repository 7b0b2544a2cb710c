// state.hpp: the state of a model in a safetensors file: layers' vectors under their names, and any
// other tensors of the app's. Part of halnorm::state (libhalnorm_state.a), apart from the library,
// which knows no files.
//
//     halnorm::StateDict state;
//     status = state.add(layer);
//     status = state.add("conv.weight", conv_weight, {16, 3, 3, 3});
//     status = state.save("model.safetensors");
//     ... and in another run, after the same calls of add()
//     status = state.load("model.safetensors");
#ifndef HALNORM_STATE_HPP_
#define HALNORM_STATE_HPP_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <type_traits>

#include "halnorm/halnorm.hpp"

namespace halnorm {
inline namespace v0 {

// Names and the memory that has their values. That memory stays the app's and has to outlive its
// use here; a layer may be moved meanwhile, but not replaced. Movable; one that was moved from has
// no entries. Messages name the file and the entry. Without enough memory all functions give
// HALNORM_ERROR_WORKSPACE and change nothing, files and entries included; no exception leaves them.
class StateDict {
public:
    StateDict();
    ~StateDict();
    StateDict(StateDict &&other) noexcept;
    StateDict &operator=(StateDict &&other) noexcept;

    // Adds the layer's weight, bias, moving mean and moving variance, those that it has, under
    // their names and in its dtype; with options.cumulative_average also batches(), an int64 scalar
    // under the moving mean's name with ".batches" behind it. All or, after an error, none. Names
    // that were generated depend on the order in which layers were made; give names to what has to
    // be found again. Errors: HALNORM_ERROR_NULL for an empty layer, others as below.
    Status add(BatchNorm &layer);

    // Adds a dense row-major tensor of the caller's; {} is the shape of a scalar. T is float,
    // double, bool or an integer of 8 to 64 bits. Errors: HALNORM_ERROR_NULL, HALNORM_ERROR_SHAPE
    // for a negative extent or a size beyond memory, HALNORM_ERROR_PARAMETER for a name that is
    // taken, empty, not UTF-8, or "__metadata__".
    template<typename T>
    Status add(const char *name, T *data, std::initializer_list<int64_t> shape) {
        return add(name, dtype<T>(), data, shape.begin(), shape.size());
    }
    // The same for any dtype of the format, e.g. "BF16". HALNORM_ERROR_DTYPE for one that it does
    // not have.
    Status add(const char *name, const char *dtype, void *data, const int64_t *shape, size_t rank);

    // Writes the file: whole or, after an error, not at all, an old one then being as it was. It
    // is written beside `path` under a name of its own (.halnorm-*.tmp), brought to disk and
    // renamed; a link stays a link. Errors: HALNORM_ERROR_NULL, HALNORM_ERROR_FILE where it cannot
    // be written.
    Status save(const char *path) const;

    // Reads the file, which has to hold exactly these entries, bit by bit. Errors, after which
    // nothing is changed: HALNORM_ERROR_NULL; HALNORM_ERROR_FILE where it cannot be read, is
    // not a safetensors file, lacks an entry, has one more, or has a negative number of batches;
    // HALNORM_ERROR_DTYPE and HALNORM_ERROR_SHAPE for an entry of another dtype or shape;
    // HALNORM_ERROR_WORKSPACE without enough memory for a second copy of the values.
    Status load(const char *path);

private:
    struct Entry;
    struct Entries;

    template<typename T>
    static constexpr const char *dtype() {
        if constexpr (std::is_same_v<T, bool>) {
            static_assert(sizeof(bool) == 1, "BOOL has one byte");
            return "BOOL";
        } else if constexpr (std::is_floating_point_v<T>) {
            static_assert(std::is_same_v<T, float> || std::is_same_v<T, double>, "float or double");
            return std::is_same_v<T, float> ? "F32" : "F64";
        } else {
            static_assert(std::is_integral_v<T> && !std::is_const_v<T>,
                          "T is float, double, bool or an integer, and not const");
            constexpr const char *names[2][9] = {{"", "U8", "U16", "", "U32", "", "", "", "U64"},
                                                 {"", "I8", "I16", "", "I32", "", "", "", "I64"}};
            return names[std::is_signed_v<T>][sizeof(T)];
        }
    }
    Status insert(const Entry *added, size_t count);

    std::unique_ptr<Entries> entries_;
};

}  // namespace v0
}  // namespace halnorm

#endif  // HALNORM_STATE_HPP_
