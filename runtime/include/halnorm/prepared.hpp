// prepared.hpp: the layer's inference with all done that needs no elements. Part of halnorm.hpp.
#ifndef HALNORM_PREPARED_HPP_
#define HALNORM_PREPARED_HPP_

#include <utility>

#include "halnorm/halnorm.h"
#include "halnorm/tensor.hpp"

namespace halnorm {
inline namespace v0 {

class BatchNorm;

// What BatchNorm::prepare() makes: the layer by its moving statistics, for tensors of one shape.
// Movable, and on its own: neither the layer nor anything that prepare() was given has to be there
// any more (but an executor's context), and what changes in the layer does not change it.
class PreparedInference {
public:
    PreparedInference() = default;
    PreparedInference(PreparedInference &&other) noexcept { *this = std::move(other); }
    PreparedInference &operator=(PreparedInference &&other) noexcept {
        memory_ = std::move(other.memory_);
        prepared_ = std::exchange(other.prepared_, nullptr);
        dtype_ = other.dtype_;
        in_place_ = other.in_place_;
        return *this;
    }

    // The elements of y from those of x, which have the shapes and strides that were prepared; y
    // may be x itself only with options.in_place. Any number of threads may run one at once.
    // Without a lock or, serially or on an executor, an allocation. Errors: HALNORM_ERROR_NULL of
    // one that no layer prepared, HALNORM_ERROR_DTYPE for elements of another type, those of
    // halnorm_run_prepared.
    Status run(const float *x, float *y) const { return run(HALNORM_FLOAT32, x, nullptr, y); }
    Status run(const double *x, double *y) const { return run(HALNORM_FLOAT64, x, nullptr, y); }
    // Of prepare_add(). y may be x or z itself only with options.in_place.
    Status run_add(const float *x, const float *z, float *y) const {
        return run(HALNORM_FLOAT32, x, z, y);
    }
    Status run_add(const double *x, const double *z, double *y) const {
        return run(HALNORM_FLOAT64, x, z, y);
    }

    explicit operator bool() const { return prepared_ != nullptr; }

private:
    friend class BatchNorm;

    Status run(halnorm_dtype dtype, const void *x, const void *z, void *y) const {
        if (prepared_ == nullptr)
            return {HALNORM_ERROR_NULL, "prepared: was empty, should come from BatchNorm::prepare"};
        if (dtype != dtype_) {
            return {HALNORM_ERROR_DTYPE, dtype_ == HALNORM_FLOAT32 ?
                                             "x: was of double, should be of float, as prepared" :
                                             "x: was of float, should be of double, as prepared"};
        }
        if (!in_place_ && y != nullptr && (y == x || y == z)) {
            return {HALNORM_ERROR_OVERLAP,
                    "y: was x or z itself, should be memory of its own, or options.in_place be "
                    "true"};
        }
        return detail::status_of(halnorm_run_prepared(prepared_, x, z, y));
    }

    Workspace memory_;
    const halnorm_prepared *prepared_ = nullptr;
    halnorm_dtype dtype_ = HALNORM_FLOAT32;
    bool in_place_ = false;
};

}  // namespace v0
}  // namespace halnorm

#endif  // HALNORM_PREPARED_HPP_
