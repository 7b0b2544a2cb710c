// halnorm.hpp: the layer in C++17, header only, over halnorm.h: ownership and modes, nothing else.
// No exceptions, no RTTI, no Halide: builds with -fno-exceptions -fno-rtti, and failures, an
// exhausted memory too, are a Status.
//
// Threads. Different layers are independent. On one layer, any number of threads may normalize by
// moving statistics at once: with infer(), each thread with a Workspace of its own, without a lock,
// and without an allocation once the workspace has grown to its largest input; or with forward(),
// which lends the layer's own workspace to one call at a time and allocates for the others.
// Whatever changes the layer (forward() over batch statistics, train(), eval(), writing to its
// vectors, moving it) needs the layer to itself.
#ifndef HALNORM_HALNORM_HPP_
#define HALNORM_HALNORM_HPP_

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include "halnorm/halnorm.h"
#include "halnorm/options.hpp"
#include "halnorm/tensor.hpp"

namespace halnorm {
inline namespace v0 {

// Batch normalization with its weight, bias and moving statistics, on the CPU. Made by create();
// movable. One that was default-constructed or moved from is empty: its calls give
// HALNORM_ERROR_NULL, its vectors are absent.
class BatchNorm {
public:
    // Makes a layer: weight 1, bias 0, moving mean 0, moving variance 1. Names that are not given
    // are generated, unique within the program ("batch_norm_0.w_0", ...); given ones have to be
    // non-empty and different within the layer. Errors: HALNORM_ERROR_PARAMETER and the like for
    // options out of range, HALNORM_ERROR_VARIANT_... for the variant, HALNORM_ERROR_UNSUPPORTED
    // for what this version does not act on, HALNORM_ERROR_WORKSPACE without enough memory. Then
    // *layer stays as it was.
    static Status create(const BatchNormOptions &options, BatchNorm *layer);

    // y = the layer of x, by the statistics of the batch or by the moving ones (docs/semantics.md,
    // "Which statistics"). Batch statistics also update the moving ones and the saved ones. x and y
    // have the layer's dtype, the same shape, and num_channels on the channel axis; y may be x
    // itself only with options.in_place.
    Status forward(const InputTensor &x, const halnorm_tensor &y) {
        if (!state_)
            return empty();
        Workspace spare;
        const bool own = !state_->lent.test_and_set(std::memory_order_acquire);
        Workspace &workspace = own ? state_->workspace : spare;
        const Status status =
            uses_batch_statistics() ? forward_batch(x.view, y, workspace) : infer(x, y, workspace);
        if (own)
            state_->lent.clear(std::memory_order_release);
        return status;
    }
    // In place: x becomes y. HALNORM_ERROR_OVERLAP without options.in_place.
    Status forward(const halnorm_tensor &x) { return forward(x, x); }

    // y by the moving statistics, whatever the mode; changes nothing but y. Many threads may call
    // it at once, each with a workspace of its own, which grows as needed and can serve any number
    // of layers in turn. A program that calls this and never forward() does not link the training
    // kernels.
    Status infer(const InputTensor &x, const halnorm_tensor &y, Workspace &workspace) const;

    void train() { set_mode(false); }
    void eval() { set_mode(true); }
    bool is_test() const { return state_ && state_->is_test; }
    // Which statistics forward() uses in the present mode.
    bool uses_batch_statistics() const {
        return state_ &&
               !((state_->is_test && !state_->trainable_statistics) || state_->use_global_stats);
    }

    explicit operator bool() const { return state_ != nullptr; }
    int64_t num_channels() const { return state_ ? state_->config.num_channels : 0; }
    halnorm_dtype dtype() const { return state_ ? state_->dtype : HALNORM_FLOAT32; }

    // The four vectors: num_channels elements of the layer's dtype, to read and to write.
    Vector weight() { return vector<void>(0); }
    Vector bias() { return vector<void>(1); }
    Vector moving_mean() { return vector<void>(2); }
    Vector moving_variance() { return vector<void>(3); }
    ConstVector weight() const { return vector<const void>(0); }
    ConstVector bias() const { return vector<const void>(1); }
    ConstVector moving_mean() const { return vector<const void>(2); }
    ConstVector moving_variance() const { return vector<const void>(3); }

    // Mean and inverse deviation that the last successful forward() over batch statistics used:
    // num_channels doubles for every dtype; nullptr before the first.
    const double *saved_mean() const {
        return state_ && state_->has_saved ? state_->saved_mean : nullptr;
    }
    const double *saved_inv_std() const {
        return state_ && state_->has_saved ? state_->saved_inv_std : nullptr;
    }

private:
    struct State {
        halnorm_config config = {};
        halnorm_executor executor = {};
        halnorm_dtype dtype = HALNORM_FLOAT32;
        bool is_test = false, in_place = false, use_global_stats = false,
             trainable_statistics = false, has_saved = false;
        void *vectors[4] =
            {};  // weight, bias, moving mean, moving variance; in `memory`, like all that follows
        char *names[4] = {};
        double *saved_mean = nullptr, *saved_inv_std = nullptr;
        Workspace memory, workspace;
        std::atomic_flag lent = ATOMIC_FLAG_INIT;
    };

    static Status of(halnorm_status code) {
        return {code, code == HALNORM_OK ? "" : halnorm_last_error()};
    }
    static Status empty() {
        return {HALNORM_ERROR_NULL, "layer: was empty, should come from BatchNorm::create"};
    }
    static Status check(const BatchNormOptions &options);
    static Status allocate(const BatchNormOptions &options, State *state);
    Status check(const halnorm_tensor &x, const halnorm_tensor &y) const;
    Status forward_batch(const halnorm_tensor &x, const halnorm_tensor &y, Workspace &workspace);
    void set_mode(bool is_test) {
        if (state_)
            state_->is_test = is_test;
    }
    template<typename Void>
    BasicVector<Void> vector(int i) const {
        if (!state_ || state_->vectors[i] == nullptr)
            return {};
        return {state_->vectors[i], state_->config.num_channels, state_->dtype, state_->names[i]};
    }

    std::unique_ptr<State> state_;
    static inline std::atomic<uint64_t> generated_names_{0};
};

// ---- Implementation
// -------------------------------------------------------------------------------------------------

inline Status BatchNorm::check(const BatchNormOptions &options) {
#define HALNORM_REFUSE_UNLESS(holds, option) \
    if (!(holds))                            \
    return {HALNORM_ERROR_UNSUPPORTED, option ": was set, should be its default in this version"}
#define HALNORM_CHECK_ATTR(attr)                                                                \
    HALNORM_REFUSE_UNLESS(options.attr.initializer.kind == Initializer::standard,               \
                          #attr ".initializer");                                                \
    HALNORM_REFUSE_UNLESS(options.attr.learning_rate == 1, #attr ".learning_rate");             \
    HALNORM_REFUSE_UNLESS(options.attr.regularizer == Regularizer::none, #attr ".regularizer"); \
    HALNORM_REFUSE_UNLESS(options.attr.trainable, #attr ".trainable");                          \
    HALNORM_REFUSE_UNLESS(options.attr.do_model_average, #attr ".do_model_average");            \
    HALNORM_REFUSE_UNLESS(options.attr.need_clip, #attr ".need_clip")
    HALNORM_CHECK_ATTR(param_attr);
    HALNORM_CHECK_ATTR(bias_attr);
    HALNORM_REFUSE_UNLESS(options.do_model_average_for_mean_and_var,
                          "do_model_average_for_mean_and_var");
#undef HALNORM_CHECK_ATTR
#undef HALNORM_REFUSE_UNLESS
    if ((!options.param_attr.present && options.param_attr.name) ||
        (!options.bias_attr.present && options.bias_attr.name)) {
        return {HALNORM_ERROR_PARAMETER,
                "name: was given to a vector that is absent, should be nullptr"};
    }
    const char *names[] = {options.param_attr.name, options.bias_attr.name,
                           options.moving_mean_name, options.moving_variance_name};
    for (int i = 0; i < 4; i++) {
        if (names[i] == nullptr)
            continue;
        if (names[i][0] == 0)
            return {HALNORM_ERROR_PARAMETER,
                    "name: was empty, should have a character or be nullptr"};
        for (int k = 0; k < i; k++) {
            if (names[k] == nullptr || std::strcmp(names[i], names[k]) != 0)
                continue;
            return {HALNORM_ERROR_PARAMETER,
                    "name: was given to two vectors of the layer, should be unique"};
        }
    }
    return {};
}

// All vectors and strings in one piece of memory.
inline Status BatchNorm::allocate(const BatchNormOptions &options, State *state) {
    constexpr uint64_t alignment = HALNORM_WORKSPACE_ALIGNMENT;
    const auto round_up = [](uint64_t bytes) {
        return (bytes + alignment - 1) / alignment * alignment;
    };
    const uint64_t channels = static_cast<uint64_t>(options.num_channels);
    const uint64_t vector =
        round_up(channels * (options.dtype == HALNORM_FLOAT32 ? sizeof(float) : sizeof(double)));
    const uint64_t saved = round_up(channels * sizeof(double));

    char generated[4][40];
    const char *names[] = {options.param_attr.name, options.bias_attr.name,
                           options.moving_mean_name, options.moving_variance_name};
    const bool present[] = {options.param_attr.present, options.bias_attr.present, true, true};
    const auto number =
        static_cast<unsigned long long>(generated_names_.fetch_add(1, std::memory_order_relaxed));
    const char *const suffixes[] = {"w_0", "b_0", "w_1", "w_2"};  // as Paddle names them
    uint64_t bytes = 4 * vector + 2 * saved;
    for (int i = 0; i < 4; i++) {
        std::snprintf(generated[i], sizeof generated[i], "batch_norm_%llu.%s", number, suffixes[i]);
        if (names[i] == nullptr)
            names[i] = generated[i];
        bytes += std::strlen(names[i]) + 1;
    }
    bytes += options.variant != nullptr ? std::strlen(options.variant) + 1 : 0;
    const Status status =
        state->memory.reserve(bytes < SIZE_MAX ? static_cast<size_t>(bytes) : SIZE_MAX);
    if (!status.ok())
        return status;

    char *next = static_cast<char *>(state->memory.data());
    const auto take = [&next](uint64_t size) { return std::exchange(next, next + size); };
    const auto copy = [&take](const char *text) {
        return std::strcpy(take(std::strlen(text) + 1), text);
    };
    state->saved_mean = reinterpret_cast<double *>(take(saved));
    state->saved_inv_std = reinterpret_cast<double *>(take(saved));
    for (int i = 0; i < 4; i++) {
        void *const elements = take(vector);
        const int start = i == 0 || i == 3;  // weight and moving variance 1, the others 0
        for (uint64_t c = 0; c < channels; c++) {
            if (options.dtype == HALNORM_FLOAT32)
                static_cast<float *>(elements)[c] = static_cast<float>(start);
            else
                static_cast<double *>(elements)[c] = start;
        }
        state->vectors[i] = present[i] ? elements : nullptr;
    }
    for (int i = 0; i < 4; i++)
        state->names[i] = copy(names[i]);
    if (options.variant != nullptr)
        state->config.variant = copy(options.variant);
    return {};
}

inline Status BatchNorm::create(const BatchNormOptions &options, BatchNorm *layer) {
    if (layer == nullptr)
        return {HALNORM_ERROR_NULL, "layer: was NULL, should point to a BatchNorm"};
    Status status = check(options);
    if (!status.ok())
        return status;
    halnorm_config config = halnorm_default_config(options.num_channels);
    config.layout = options.data_layout;
    config.activation = options.act;
    config.activation_alpha = options.act_alpha;
    config.momentum = options.momentum;
    config.epsilon = options.epsilon;
    config.moving_variance_estimator = options.moving_variance_estimator;
    config.variant = options.variant;
    config.threads = options.threads;
    config.executor = options.executor;
    // The library knows the ranges; a question about the smallest input makes it check them.
    const int64_t smallest[] = {1, options.num_channels};
    const halnorm_tensor x = halnorm_dense_tensor(nullptr, options.dtype, 2, smallest);
    size_t bytes = 0;
    status = of(halnorm_forward_inference_workspace(&config, &x, &bytes));
    if (!status.ok())
        return status;

    BatchNorm made;
    made.state_.reset(new (std::nothrow) State);
    if (!made.state_)
        return {HALNORM_ERROR_WORKSPACE,
                "layer: was refused by operator new, should fit in memory"};
    State &state = *made.state_;
    state.config = config;
    status = allocate(options, &state);
    if (!status.ok())
        return status;
    if (options.executor != nullptr) {
        state.executor = *options.executor;
        state.config.executor = &state.executor;
    }
    state.dtype = options.dtype;
    state.is_test = options.is_test;
    state.in_place = options.in_place;
    state.use_global_stats = options.use_global_stats;
    state.trainable_statistics = options.trainable_statistics;
    *layer = std::move(made);
    return {};
}

// What the C functions cannot know: the layer's own dtype, device and in_place.
inline Status BatchNorm::check(const halnorm_tensor &x, const halnorm_tensor &y) const {
    if (!state_)
        return empty();
    if (x.dtype != state_->dtype) {
        return {HALNORM_ERROR_DTYPE, state_->dtype == HALNORM_FLOAT32 ?
                                         "x.dtype: was not the layer's, should be HALNORM_FLOAT32" :
                                         "x.dtype: was not the layer's, should be HALNORM_FLOAT64"};
    }
    if (x.device != HALNORM_CPU) {
        return {HALNORM_ERROR_UNSUPPORTED,
                "x.device: was not HALNORM_CPU, where the layer keeps its vectors; "
                "device tensors go through halnorm.h"};
    }
    if (!state_->in_place && x.data != nullptr && x.data == y.data) {
        return {HALNORM_ERROR_OVERLAP,
                "y: was x itself, should be memory of its own, or options.in_place be true"};
    }
    return {};
}

inline Status BatchNorm::infer(const InputTensor &x, const halnorm_tensor &y,
                               Workspace &workspace) const {
    Status status = check(x.view, y);
    if (!status.ok())
        return status;
    const State &s = *state_;
    size_t bytes = 0;
    status = of(halnorm_forward_inference_workspace(&s.config, &x.view, &bytes));
    if (status.ok())
        status = workspace.reserve(bytes);
    if (!status.ok())
        return status;
    return of(halnorm_forward_inference(&s.config, &x.view, s.vectors[0], s.vectors[1],
                                        s.vectors[2], s.vectors[3], &y, workspace.data(),
                                        workspace.size()));
}

inline Status BatchNorm::forward_batch(const halnorm_tensor &x, const halnorm_tensor &y,
                                       Workspace &workspace) {
    Status status = check(x, y);
    if (!status.ok())
        return status;
    State &s = *state_;
    size_t bytes = 0;
    status = of(halnorm_forward_training_workspace(&s.config, &x, &bytes));
    if (status.ok())
        status = workspace.reserve(bytes);
    if (!status.ok())
        return status;
    status = of(halnorm_forward_training(&s.config, &x, s.vectors[0], s.vectors[1], s.vectors[2],
                                         s.vectors[3], &y, s.saved_mean, s.saved_inv_std,
                                         workspace.data(), workspace.size()));
    if (status.ok())
        s.has_saved = true;
    return status;
}

}  // namespace v0
}  // namespace halnorm

#endif  // HALNORM_HALNORM_HPP_
