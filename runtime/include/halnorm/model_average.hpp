// model_average.hpp: averages of parameters over the last updates (Paddle's ModelAverage), header
// only. Evaluating a model with them instead of the last values is often better.
//
//     halnorm::ModelAverage average;
//     status = halnorm::ModelAverage::create({}, &average);
//     status = average.add(layer);
//     ... each training step: forward, backward, the optimizer's update, average.step()
//     status = average.apply();    // evaluate or save the averages
//     status = average.restore();  // and go on training
#ifndef HALNORM_MODEL_AVERAGE_HPP_
#define HALNORM_MODEL_AVERAGE_HPP_

#include <cfloat>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include "halnorm/failure.hpp"
#include "halnorm/halnorm.hpp"

namespace halnorm {
inline namespace v0 {

// The window grows with the number of updates, average_window_rate * updates, but is at least
// min_average_window and at most max_average_window; docs/semantics.md, "ModelAverage", has the
// formula.
struct ModelAverageOptions {
    double average_window_rate = 0.15;   // finite, >= 0
    int64_t min_average_window = 10000;  // >= 1, <= max_average_window
    int64_t max_average_window = 10000;
};

// Made by create(); movable. An empty one, default-constructed or moved from, gives
// HALNORM_ERROR_NULL. The memory of what was added has to outlive its use here; a layer may be
// moved. Calls need the object and the parameters to themselves.
class ModelAverage {
public:
    // Errors: HALNORM_ERROR_PARAMETER for options out of range, HALNORM_ERROR_WORKSPACE without
    // enough memory. Then *average stays as it was.
    static Status create(const ModelAverageOptions &options, ModelAverage *average);

    // Takes the layer's weight and bias where their attr says do_model_average, and its moving
    // statistics where do_model_average_for_mean_and_var: all of them or, after an error, none.
    // Errors as of the other add().
    Status add(BatchNorm &layer);

    // Takes a parameter of the caller's, `count` elements. It counts from the next step() on.
    // Errors: HALNORM_ERROR_NULL, HALNORM_ERROR_SHAPE for count < 1, HALNORM_ERROR_OVERLAP where it
    // shares memory with one that was added, HALNORM_ERROR_PARAMETER while averages are applied,
    // HALNORM_ERROR_WORKSPACE without enough memory. `name` is for messages and copied.
    Status add(const char *name, float *values, int64_t count) {
        const Source source = {name, values, count, HALNORM_FLOAT32};
        return add_all(&source, 1);
    }
    Status add(const char *name, double *values, int64_t count) {
        const Source source = {name, values, count, HALNORM_FLOAT64};
        return add_all(&source, 1);
    }

    // Adds the present values to the sums: once after each update by the optimizer.
    // HALNORM_ERROR_PARAMETER while averages are applied.
    Status step();

    // Puts the averages into the parameters, and keeps the values aside for restore().
    // HALNORM_ERROR_PARAMETER where they are applied already, and where there is no parameter or
    // one that has seen no step; then nothing is changed. What is still applied when this object
    // goes stays so.
    Status apply();
    // Puts the values back. HALNORM_ERROR_PARAMETER without apply().
    Status restore();

    bool is_applied() const { return state_ && state_->is_applied; }
    explicit operator bool() const { return state_ != nullptr; }

private:
    struct Source {
        const char *name;
        void *values;
        int64_t count;
        halnorm_dtype dtype;
    };

    struct Entry {
        void *values = nullptr;
        int64_t count = 0;
        halnorm_dtype dtype = HALNORM_FLOAT32;
        const char *name = nullptr;
        // In double for every dtype: ten thousand float32 addends would cost the average three
        // digits.
        double *sum1 = nullptr, *sum2 = nullptr, *sum3 = nullptr;
        void *kept = nullptr;
        int64_t updates = 0, accumulated = 0, old = 0;
        Workspace memory;  // of name, sums and kept
        std::unique_ptr<Entry> next;

        size_t bytes() const {
            return static_cast<size_t>(count) *
                   (dtype == HALNORM_FLOAT32 ? sizeof(float) : sizeof(double));
        }
    };

    struct State {
        ModelAverageOptions options;
        std::unique_ptr<Entry> first;
        bool is_applied = false;

        ~State() {  // one by one: a long list would nest as deep as it is long
            while (first)
                first = std::move(first->next);
        }
    };

    static Status empty() {
        return {HALNORM_ERROR_NULL,
                "average: was empty, should come from halnorm::ModelAverage::create"};
    }
    static Status applied(const char *call) {
        return detail::failure(HALNORM_ERROR_PARAMETER,
                               "average: was applied at %s(), should have been restored", call);
    }
    Status add_all(const Source *sources, int count);
    Status make_entry(const Source &source, const Entry *others, std::unique_ptr<Entry> *made);
    template<typename T>
    static void accumulate(Entry &entry);
    template<typename T>
    static void average(Entry &entry);
    void close_window(Entry &entry);

    std::unique_ptr<State> state_;
};

// ---- Implementation
// -------------------------------------------------------------------------------------------------

inline Status ModelAverage::create(const ModelAverageOptions &options, ModelAverage *average) {
    if (average == nullptr)
        return {HALNORM_ERROR_NULL, "average: was NULL, should point to a ModelAverage"};
    const double rate = options.average_window_rate;
    if (!(rate >= 0 && rate <= DBL_MAX)) {
        return detail::failure(HALNORM_ERROR_PARAMETER,
                               "average_window_rate: was %g, should be finite and at least 0",
                               rate);
    }
    const auto min = static_cast<long long>(options.min_average_window);
    const auto max = static_cast<long long>(options.max_average_window);
    if (min < 1) {
        return detail::failure(HALNORM_ERROR_PARAMETER,
                               "min_average_window: was %lld, should be at least 1", min);
    }
    if (max < min) {
        return detail::failure(
            HALNORM_ERROR_PARAMETER,
            "max_average_window: was %lld, should be at least min_average_window, %lld", max, min);
    }
    std::unique_ptr<State> state(new (std::nothrow) State);
    if (!state)
        return {HALNORM_ERROR_WORKSPACE,
                "average: was refused by operator new, should fit in memory"};
    state->options = options;
    average->state_ = std::move(state);
    return {};
}

inline Status ModelAverage::add(BatchNorm &layer) {
    if (!layer)
        return {HALNORM_ERROR_NULL, "layer: was empty, should come from BatchNorm::create"};
    Source sources[4];
    int count = 0;
    const auto take = [&](const Vector &vector, bool is_wanted) {
        if (is_wanted && vector.data != nullptr)
            sources[count++] = {vector.name, vector.data, vector.size, vector.dtype};
    };
    take(layer.weight(), layer.weight_attr().do_model_average);
    take(layer.bias(), layer.bias_attr().do_model_average);
    take(layer.moving_mean(), layer.do_model_average_for_mean_and_var());
    take(layer.moving_variance(), layer.do_model_average_for_mean_and_var());
    return add_all(sources, count);
}

// All of them, or none after an error.
inline Status ModelAverage::add_all(const Source *sources, int count) {
    if (!state_)
        return empty();
    if (state_->is_applied)
        return applied("add");
    std::unique_ptr<Entry> added;
    for (int i = 0; i < count; i++) {
        std::unique_ptr<Entry> entry;
        const Status status = make_entry(sources[i], state_->first.get(), &entry);
        if (!status.ok())
            return status;
        entry->next = std::move(added);
        added = std::move(entry);
    }
    while (added) {
        std::unique_ptr<Entry> rest = std::move(added->next);
        added->next = std::move(state_->first);
        state_->first = std::move(added);
        added = std::move(rest);
    }
    return {};
}

inline Status ModelAverage::make_entry(const Source &source, const Entry *others,
                                       std::unique_ptr<Entry> *made) {
    if (source.name == nullptr)
        return {HALNORM_ERROR_NULL, "name: was NULL, should be a text"};
    if (source.values == nullptr) {
        return detail::failure(HALNORM_ERROR_NULL, "%s: was NULL, should point to its values",
                               source.name);
    }
    const size_t element = source.dtype == HALNORM_FLOAT32 ? sizeof(float) : sizeof(double);
    if (source.count < 1) {
        return detail::failure(HALNORM_ERROR_SHAPE, "%s: count was %lld, should be at least 1",
                               source.name, static_cast<long long>(source.count));
    }
    // Three sums and what is kept aside have to be countable, with room for the name.
    const size_t name_bytes = std::strlen(source.name) + 1;
    constexpr size_t per_value = 4 * sizeof(double);
    if (static_cast<uint64_t>(source.count) > (SIZE_MAX / 2 - name_bytes) / per_value) {
        return detail::failure(HALNORM_ERROR_WORKSPACE,
                               "%s: count was %lld, should be of a size that fits in memory",
                               source.name, static_cast<long long>(source.count));
    }
    const size_t count = static_cast<size_t>(source.count);
    const auto begin = reinterpret_cast<uintptr_t>(source.values);
    for (const Entry *other = others; other != nullptr; other = other->next.get()) {
        const auto other_begin = reinterpret_cast<uintptr_t>(other->values);
        if (begin < other_begin + other->bytes() && other_begin < begin + count * element) {
            return detail::failure(HALNORM_ERROR_OVERLAP,
                                   "%s: was in the memory of %s, should be added once", source.name,
                                   other->name);
        }
    }
    std::unique_ptr<Entry> entry(new (std::nothrow) Entry);
    if (!entry)
        return {HALNORM_ERROR_WORKSPACE,
                "average: was refused by operator new, should fit in memory"};
    const Status status = entry->memory.reserve(count * per_value + name_bytes);
    if (!status.ok())
        return status;
    entry->values = source.values;
    entry->count = source.count;
    entry->dtype = source.dtype;
    entry->sum1 = static_cast<double *>(entry->memory.data());
    entry->sum2 = entry->sum1 + count;
    entry->sum3 = entry->sum2 + count;
    std::memset(entry->sum1, 0, 3 * count * sizeof(double));
    entry->kept = entry->sum3 + count;
    char *const name = reinterpret_cast<char *>(entry->sum3 + 2 * count);
    entry->name = std::strcpy(name, source.name);
    *made = std::move(entry);
    return {};
}

template<typename T>
void ModelAverage::accumulate(Entry &entry) {
    const T *const values = static_cast<const T *>(entry.values);
    for (int64_t i = 0; i < entry.count; i++)
        entry.sum1[i] += static_cast<double>(values[i]);
}

template<typename T>
void ModelAverage::average(Entry &entry) {
    T *const values = static_cast<T *>(entry.values);
    const auto count = static_cast<double>(entry.accumulated + entry.old);
    for (int64_t i = 0; i < entry.count; i++)
        values[i] = static_cast<T>((entry.sum1[i] + entry.sum2[i] + entry.sum3[i]) / count);
}

// What docs/semantics.md has below "sum1 += value".
inline void ModelAverage::close_window(Entry &entry) {
    constexpr int64_t updates_of_a_sum = 16384;
    const ModelAverageOptions &options = state_->options;
    if (entry.updates % updates_of_a_sum == 0) {
        for (int64_t i = 0; i < entry.count; i++)
            entry.sum2[i] += std::exchange(entry.sum1[i], 0);
    }
    const double wanted = static_cast<double>(entry.updates) * options.average_window_rate;
    const auto accumulated = static_cast<double>(entry.accumulated);
    if (entry.accumulated < options.min_average_window ||
        (entry.accumulated < options.max_average_window && accumulated < wanted)) {
        return;
    }
    for (int64_t i = 0; i < entry.count; i++)
        entry.sum3[i] = std::exchange(entry.sum1[i], 0) + std::exchange(entry.sum2[i], 0);
    entry.old = std::exchange(entry.accumulated, 0);
}

inline Status ModelAverage::step() {
    if (!state_)
        return empty();
    if (state_->is_applied)
        return applied("step");
    for (Entry *entry = state_->first.get(); entry != nullptr; entry = entry->next.get()) {
        entry->updates++;
        entry->accumulated++;
        entry->dtype == HALNORM_FLOAT32 ? accumulate<float>(*entry) : accumulate<double>(*entry);
        close_window(*entry);
    }
    return {};
}

inline Status ModelAverage::apply() {
    if (!state_)
        return empty();
    if (state_->is_applied)
        return applied("apply");
    if (!state_->first) {
        return {HALNORM_ERROR_PARAMETER,
                "average: was without parameters at apply(), should have some by add()"};
    }
    for (Entry *entry = state_->first.get(); entry != nullptr; entry = entry->next.get()) {
        if (entry->updates > 0)
            continue;
        return detail::failure(HALNORM_ERROR_PARAMETER,
                               "%s: was applied before any step(), should have seen one",
                               entry->name);
    }
    for (Entry *entry = state_->first.get(); entry != nullptr; entry = entry->next.get()) {
        std::memcpy(entry->kept, entry->values, entry->bytes());
        entry->dtype == HALNORM_FLOAT32 ? average<float>(*entry) : average<double>(*entry);
    }
    state_->is_applied = true;
    return {};
}

inline Status ModelAverage::restore() {
    if (!state_)
        return empty();
    if (!state_->is_applied) {
        return {HALNORM_ERROR_PARAMETER,
                "average: was not applied at restore(), should be by apply()"};
    }
    for (Entry *entry = state_->first.get(); entry != nullptr; entry = entry->next.get())
        std::memcpy(entry->values, entry->kept, entry->bytes());
    state_->is_applied = false;
    return {};
}

}  // namespace v0
}  // namespace halnorm

#endif  // HALNORM_MODEL_AVERAGE_HPP_
