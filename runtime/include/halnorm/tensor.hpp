// tensor.hpp: what calls take and return: statuses, views of memory, memory lent to a call. Part of
// halnorm.hpp.
#ifndef HALNORM_TENSOR_HPP_
#define HALNORM_TENSOR_HPP_

#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <type_traits>
#include <utility>

#include "halnorm/halnorm.h"

namespace halnorm {
// Keeps these names apart from the library's own, and from those of another version in the same
// program.
inline namespace v0 {

// What a call returns. `message` names the argument, what it was and what it should have been; ""
// for HALNORM_OK. It is valid until the calling thread's next failed call.
struct [[nodiscard]] Status {
    halnorm_status code = HALNORM_OK;
    const char *message = "";
    bool ok() const { return code == HALNORM_OK; }
};

namespace detail {
// Of a call in C.
inline Status status_of(halnorm_status code) {
    return {code, code == HALNORM_OK ? "" : halnorm_last_error()};
}
}  // namespace detail

// A tensor that is only read: any halnorm_tensor, or a view of const memory.
struct InputTensor {
    halnorm_tensor view;
    InputTensor(const halnorm_tensor &tensor) : view(tensor) {}
};

// A dense row-major view of `data` on the CPU, e.g. tensor(x, {32, 16, 8, 8}). The memory stays the
// caller's. A rank outside 2 to 5 is refused by the call that receives the view.
inline halnorm_tensor tensor(float *data, std::initializer_list<int64_t> shape) {
    return halnorm_dense_tensor(data, HALNORM_FLOAT32, static_cast<int32_t>(shape.size()),
                                shape.begin());
}
inline halnorm_tensor tensor(double *data, std::initializer_list<int64_t> shape) {
    return halnorm_dense_tensor(data, HALNORM_FLOAT64, static_cast<int32_t>(shape.size()),
                                shape.begin());
}
inline InputTensor tensor(const float *data, std::initializer_list<int64_t> shape) {
    return tensor(const_cast<float *>(data), shape);
}
inline InputTensor tensor(const double *data, std::initializer_list<int64_t> shape) {
    return tensor(const_cast<double *>(data), shape);
}

// One of the layer's vectors. `data` is nullptr, and size 0, where the layer has no such vector.
template<typename Void>
struct BasicVector {
    Void *data = nullptr;
    int64_t size = 0;
    halnorm_dtype dtype = HALNORM_FLOAT32;
    const char *name = "";

    // The elements, e.g. layer.weight().as<float>()[c]; nullptr if T is not the dtype.
    template<typename T>
    auto as() const {
        static_assert(std::is_same_v<T, float> || std::is_same_v<T, double>, "float or double");
        using Element = std::conditional_t<std::is_const_v<Void>, const T, T>;
        const bool same = dtype == (std::is_same_v<T, float> ? HALNORM_FLOAT32 : HALNORM_FLOAT64);
        return same ? static_cast<Element *>(data) : nullptr;
    }
};
using Vector = BasicVector<void>;
using ConstVector = BasicVector<const void>;

// Memory for calls, aligned as they ask, freed with the object. Movable; an empty one costs
// nothing.
class Workspace {
public:
    Workspace() = default;
    Workspace(Workspace &&other) noexcept { swap(other); }
    Workspace &operator=(Workspace &&other) noexcept {
        Workspace(std::move(other)).swap(*this);
        return *this;
    }
    ~Workspace() { std::free(memory_); }

    // Makes size() at least `bytes`; what was in the memory is lost if it has to grow.
    // HALNORM_ERROR_WORKSPACE where there is not enough memory; the workspace is then as before.
    Status reserve(size_t bytes) {
        constexpr size_t alignment = HALNORM_WORKSPACE_ALIGNMENT;
        if (bytes <= size_)
            return {};
        void *memory = bytes < SIZE_MAX / 2 ? std::malloc(bytes + alignment) : nullptr;
        if (memory == nullptr)
            return {HALNORM_ERROR_WORKSPACE,
                    "workspace: was refused by malloc, should fit in memory"};
        std::free(memory_);
        memory_ = memory;
        data_ = static_cast<char *>(memory) +
                (alignment - reinterpret_cast<uintptr_t>(memory) % alignment);
        size_ = bytes;
        return {};
    }
    void *data() const { return data_; }
    size_t size() const { return size_; }

private:
    void swap(Workspace &other) noexcept {
        std::swap(memory_, other.memory_);
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
    }
    void *memory_ = nullptr, *data_ = nullptr;
    size_t size_ = 0;
};

}  // namespace v0
}  // namespace halnorm

#endif  // HALNORM_TENSOR_HPP_
