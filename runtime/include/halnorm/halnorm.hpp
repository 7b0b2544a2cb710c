// halnorm.hpp: the layer in C++17, header only, over halnorm.h: ownership and modes, nothing else.
// No exceptions, no RTTI, no Halide: builds with -fno-exceptions -fno-rtti, and failures, an
// exhausted memory too, are a Status.
//
// Threads. Different layers are independent. On one layer, any number of threads may normalize by
// moving statistics at once: with infer(), each thread with a Workspace of its own, without a lock,
// and without an allocation once the workspace has grown to its largest input; with one
// PreparedInference for all; or with forward(), which lends the layer's own workspace to one call
// at a time and allocates for the others. Whatever changes the layer (forward() over batch
// statistics, backward(), train(), eval(), set_batches(), writing to its vectors, as ModelAverage and
// StateDict::load do, moving it) needs the layer to itself.
#ifndef HALNORM_HALNORM_HPP_
#define HALNORM_HALNORM_HPP_

#include <atomic>
#include <cfloat>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>
#include <thread>
#include <utility>

#include "halnorm/halnorm.h"
#include "halnorm/options.hpp"
#include "halnorm/prepared.hpp"
#include "halnorm/tensor.hpp"

namespace halnorm {
inline namespace v0 {

// Batch normalization with its weight, bias and moving statistics, on the CPU. Made by create();
// movable. One that was default-constructed or moved from is empty: its calls give
// HALNORM_ERROR_NULL, its vectors are absent.
class BatchNorm {
public:
    // Makes a layer: weight 1 and bias 0 or as their initializers say, moving mean 0, moving
    // variance 1. Names that are not given are generated ("batch_norm_0.w_0", ...); given ones have
    // to be non-empty. All are unique among the vectors of the program's living layers, *layer not
    // counted. Errors: HALNORM_ERROR_PARAMETER and the like for options out of range and names that
    // are taken, HALNORM_ERROR_VARIANT_... for the variant, HALNORM_ERROR_WORKSPACE without enough
    // memory. Then *layer stays as it was.
    static Status create(const BatchNormOptions &options, BatchNorm *layer);

    // y = the layer of x, by the statistics of the batch or by the moving ones (docs/semantics.md,
    // "Which statistics"). Batch statistics also update the moving ones and the saved ones. x and y
    // have the layer's dtype, the same shape, and num_channels on the channel axis; y may be x
    // itself only with options.in_place. Errors: those of halnorm_forward_training and
    // halnorm_forward_inference, HALNORM_ERROR_OVERLAP in place without that option.
    Status forward(const InputTensor &x, const halnorm_tensor &y) {
        return with_workspace([&](Workspace &workspace) {
            const Status status = uses_batch_statistics() ? normalize_batch(x.view, y, workspace) :
                                                            infer(x, y, workspace);
            if (status.ok())
                remember(x.view, nullptr, y);
            return status;
        });
    }
    // In place: x becomes y.
    Status forward(const halnorm_tensor &x) { return forward(x, x); }

    // With a second addend, for residual networks: y = act(the layer of x without its activation +
    // z). y may be x or z itself only with options.in_place.
    Status forward_add(const InputTensor &x, const InputTensor &z, const halnorm_tensor &y) {
        return with_workspace([&](Workspace &workspace) {
            const Status status = uses_batch_statistics() ?
                                      normalize_batch_add(x.view, z.view, y, workspace) :
                                      infer_add(x.view, z.view, y, workspace);
            if (status.ok())
                remember(x.view, &z.view, y);
            return status;
        });
    }

    // The gradients of the last forward(), by the statistics that it used: dx, weight_gradient()
    // and bias_gradient(). `saved` is the x of that call, or its y where that was in place, for
    // none, leaky_relu with a positive slope and elu with a positive alpha, and while no weight is
    // 0. dy is the gradient by y, of x's shape; dx may be dy itself. Errors:
    // HALNORM_ERROR_PARAMETER before any forward() or after forward_add(), HALNORM_ERROR_SHAPE for
    // another shape than that of a forward() by batch statistics, and those of halnorm_backward.
    Status backward(const InputTensor &saved, const InputTensor &dy, const halnorm_tensor &dx) {
        return backward(saved.view, nullptr, dy.view, &dx, nullptr);
    }
    // Where nobody needs dx, as in a network's first layer.
    Status backward(const InputTensor &saved, const InputTensor &dy) {
        return backward(saved.view, nullptr, dy.view, nullptr, nullptr);
    }
    // Of forward_add(), whose x and z must still be there: dz too. dx or dz may be dy itself.
    Status backward_add(const InputTensor &x, const InputTensor &z, const InputTensor &dy,
                        const halnorm_tensor &dx, const halnorm_tensor &dz) {
        return backward(x.view, &z.view, dy.view, &dx, &dz);
    }

    // y by the moving statistics, whatever the mode; changes nothing but y. Many threads may call
    // it at once, each with a workspace of its own, which grows as needed and can serve any number
    // of layers in turn. A program that calls this and never forward() does not link the training
    // kernels.
    Status infer(const InputTensor &x, const halnorm_tensor &y, Workspace &workspace) const;

    // infer() in two steps, for a program that infers again and again by a layer that stays as it
    // is: the first does all that needs no elements, so that PreparedInference::run() is left with
    // them. x and y: tensors as they will come; their data is not used and may be nullptr. Errors:
    // those of infer(), and HALNORM_ERROR_UNSUPPORTED for a GPU's tensors or variant; *prepared is
    // then as it was.
    Status prepare(const InputTensor &x, const halnorm_tensor &y,
                   PreparedInference *prepared) const;
    // With a second addend.
    Status prepare_add(const InputTensor &x, const InputTensor &z, const halnorm_tensor &y,
                       PreparedInference *prepared) const;

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

    // What the last backward() computed: num_channels elements of the layer's dtype, 0 before it.
    // Absent where the vector is, or is not trainable.
    ConstVector weight_gradient() const { return gradient(0); }
    ConstVector bias_gradient() const { return gradient(1); }

    // param_attr and bias_attr that the layer was made with, for an optimizer. Their name is the
    // layer's copy, nullptr where it was generated; given values are not kept. Those of an empty
    // layer are false.
    const ParamAttr &weight_attr() const { return state_ ? state_->attrs[0] : absent_; }
    const ParamAttr &bias_attr() const { return state_ ? state_->attrs[1] : absent_; }
    bool do_model_average_for_mean_and_var() const {
        return state_ && state_->do_model_average_for_mean_and_var;
    }

    // How many batches have updated the moving statistics: k of options.cumulative_average. Batches
    // of no or one element per channel do not. set_batches() continues from another count, >= 0.
    int64_t batches() const { return state_ ? state_->batches : 0; }
    Status set_batches(int64_t batches);
    bool cumulative_average() const { return state_ && state_->cumulative_average; }

    // Mean and inverse deviation that the last successful forward() over batch statistics used:
    // num_channels doubles for every dtype; nullptr before the first.
    const double *saved_mean() const {
        return state_ && state_->has_saved ? state_->saved_mean : nullptr;
    }
    const double *saved_inv_std() const {
        return state_ && state_->has_saved ? state_->saved_inv_std : nullptr;
    }

private:
    friend class StateDict;

    enum : int { by_batch = 1, by_moving = 2, over_x = 4, over_z = 8, with_z = 16 };

    struct State {
        ~State() {
            if (is_living)
                LivingLayers().remove(this);
        }

        halnorm_config config = {};
        halnorm_executor executor = {};
        halnorm_dtype dtype = HALNORM_FLOAT32;
        bool is_test = false, in_place = false, use_global_stats = false,
             trainable_statistics = false, has_saved = false, cumulative_average = false,
             do_model_average_for_mean_and_var = false;
        int64_t batches = 0;
        ParamAttr attrs[2];
        void *vectors[4] =
            {};  // weight, bias, moving mean, moving variance; in `memory`, like all that follows
        char *names[4] = {};
        void *gradients[2] = {};  // by weight and bias
        double *saved_mean = nullptr, *saved_inv_std = nullptr;
        // What the last forward() did. Several may run at once by the moving statistics; none of
        // these is more than a number.
        std::atomic<int> last{0};  // of the bits below; 0: there was none
        int32_t last_rank = 0;
        int64_t last_shape[HALNORM_MAX_RANK] = {};  // by batch statistics
        Workspace memory, workspace;
        std::atomic_flag lent = ATOMIC_FLAG_INIT;
        bool is_living = false;  // in the list of LivingLayers
        State *older = nullptr, *younger = nullptr;
    };

    // The list of the program's living layers, so that their names are unique: in their own memory,
    // locked while this object exists. No more than comparisons of names happen meanwhile.
    class LivingLayers {
    public:
        LivingLayers() {
            while (locked_.test_and_set(std::memory_order_acquire))
                std::this_thread::yield();
        }
        ~LivingLayers() { locked_.clear(std::memory_order_release); }
        LivingLayers(const LivingLayers &) = delete;
        LivingLayers &operator=(const LivingLayers &) = delete;

        bool have(const char *name, const State *except) const {
            for (const State *layer = youngest_; layer != nullptr; layer = layer->older) {
                for (int i = 0; layer != except && i < 4; i++) {
                    if (layer->vectors[i] != nullptr && std::strcmp(layer->names[i], name) == 0)
                        return true;
                }
            }
            return false;
        }
        uint64_t next_number() const { return generated_++; }
        void add(State *layer) const {
            layer->older = youngest_;
            if (youngest_ != nullptr)
                youngest_->younger = layer;
            youngest_ = layer;
            layer->is_living = true;
        }
        void remove(State *layer) const {
            if (layer->older != nullptr)
                layer->older->younger = layer->younger;
            (layer->younger != nullptr ? layer->younger->older : youngest_) = layer->older;
        }

    private:
        static inline std::atomic_flag locked_ = ATOMIC_FLAG_INIT;
        static inline State *youngest_ = nullptr;
        static inline uint64_t generated_ = 0;
    };

    // The four names of the options, nullptr where one is to be generated, and what messages call
    // them.
    struct GivenNames {
        const char *const text[4], *const option[4];
        explicit GivenNames(const BatchNormOptions &options)
            : text{options.param_attr.name, options.bias_attr.name, options.moving_mean_name,
                   options.moving_variance_name},
              option{"param_attr.name", "bias_attr.name", "moving_mean_name",
                     "moving_variance_name"} {}
        // With its end, or what the longest generated one needs.
        size_t size(int i) const { return text[i] != nullptr ? std::strlen(text[i]) + 1 : 40; }
    };

    static Status empty() {
        return {HALNORM_ERROR_NULL, "layer: was empty, should come from BatchNorm::create"};
    }
    static Status check(const BatchNormOptions &options);
    static Status check(const char *argument, const ParamAttr &attr,
                        const BatchNormOptions &options);
    static Status allocate(const BatchNormOptions &options, State *state);
    static Status register_names(const BatchNormOptions &options, const State *replaced,
                                 State *state);
    Status check(const halnorm_tensor &x, const halnorm_tensor &y,
                 const halnorm_tensor *z = nullptr) const;
    template<typename Call>
    Status forward_batch(const halnorm_tensor &x, Workspace &workspace, Call call);
    // Apart from those with an addend, so that a program carries the kernels that it calls.
    Status normalize_batch(const halnorm_tensor &x, const halnorm_tensor &y, Workspace &workspace);
    Status normalize_batch_add(const halnorm_tensor &x, const halnorm_tensor &z,
                               const halnorm_tensor &y, Workspace &workspace);
    Status infer_add(const halnorm_tensor &x, const halnorm_tensor &z, const halnorm_tensor &y,
                     Workspace &workspace) const;
    template<typename Call>
    Status prepare_by(const halnorm_tensor &x, PreparedInference *prepared, Call call) const;
    Status backward(const halnorm_tensor &saved, const halnorm_tensor *z, const halnorm_tensor &dy,
                    const halnorm_tensor *dx, const halnorm_tensor *dz);
    void remember(const halnorm_tensor &x, const halnorm_tensor *z, const halnorm_tensor &y);
    Status check_memory(const char *argument, const halnorm_tensor &x) const;
    // Asks for the size of the workspace, makes room, calls.
    template<typename Query, typename Call>
    static Status run(Workspace &workspace, Query query, Call call) {
        size_t bytes = 0;
        Status status = detail::status_of(query(&bytes));
        if (status.ok())
            status = workspace.reserve(bytes);
        return status.ok() ? detail::status_of(call(workspace.data(), workspace.size())) : status;
    }
    // Lends the layer's workspace to one call at a time, and a passing one to the others.
    template<typename Call>
    Status with_workspace(Call call) {
        if (!state_)
            return empty();
        Workspace spare;
        const bool own = !state_->lent.test_and_set(std::memory_order_acquire);
        const Status status = call(own ? state_->workspace : spare);
        if (own)
            state_->lent.clear(std::memory_order_release);
        return status;
    }
    ConstVector gradient(int i) const {
        if (!state_ || state_->vectors[i] == nullptr || !state_->attrs[i].trainable)
            return {};
        return {state_->gradients[i], state_->config.num_channels, state_->dtype, state_->names[i]};
    }
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
    static constexpr ParamAttr absent_{false};
};

// ---- Implementation
// -------------------------------------------------------------------------------------------------

inline Status BatchNorm::check(const char *argument, const ParamAttr &attr,
                               const BatchNormOptions &options) {
    const auto check_factor = [&](const char *field, double value) -> Status {
        if (value >= 0 && value <= DBL_MAX)
            return {};
        return detail::failure(HALNORM_ERROR_PARAMETER,
                               "%s.%s: was %g, should be finite and at least 0", argument, field,
                               value);
    };
    if (!attr.present) {
        if (attr.name == nullptr)
            return {};
        return detail::failure(HALNORM_ERROR_PARAMETER,
                               "%s.name: was given to a vector that is absent, should be nullptr",
                               argument);
    }
    Status status = attr.initializer.check(argument, options.num_channels, options.dtype);
    if (status.ok())
        status = check_factor("learning_rate", attr.learning_rate);
    if (status.ok())
        status = check_factor("regularizer_coefficient", attr.regularizer_coefficient);
    if (!status.ok())
        return status;
    if (attr.regularizer != Regularizer::none && attr.regularizer != Regularizer::l1 &&
        attr.regularizer != Regularizer::l2) {
        return detail::failure(HALNORM_ERROR_PARAMETER,
                               "%s.regularizer: was %d, should be one of Regularizer", argument,
                               static_cast<int>(attr.regularizer));
    }
    return {};
}

inline Status BatchNorm::check(const BatchNormOptions &options) {
    if (options.dtype != HALNORM_FLOAT32 && options.dtype != HALNORM_FLOAT64) {
        return detail::failure(HALNORM_ERROR_DTYPE,
                               "dtype: was %d, should be HALNORM_FLOAT32 (0) or HALNORM_FLOAT64 (1)",
                               static_cast<int>(options.dtype));
    }
    if (options.num_channels < 1) {
        return detail::failure(HALNORM_ERROR_PARAMETER,
                               "num_channels: was %lld, should be at least 1",
                               static_cast<long long>(options.num_channels));
    }
    Status status = check("param_attr", options.param_attr, options);
    if (status.ok())
        status = check("bias_attr", options.bias_attr, options);
    if (!status.ok())
        return status;
    const GivenNames names(options);
    for (int i = 0; i < 4; i++) {
        if (names.text[i] == nullptr)
            continue;
        if (names.text[i][0] == 0) {
            return detail::failure(HALNORM_ERROR_PARAMETER,
                                   "%s: was empty, should have a character or be nullptr",
                                   names.option[i]);
        }
        for (int k = 0; k < i; k++) {
            if (names.text[k] == nullptr || std::strcmp(names.text[i], names.text[k]) != 0)
                continue;
            return detail::failure(HALNORM_ERROR_PARAMETER,
                                   "%s: was \"%s\", which is %s too, should be unique",
                                   names.option[i], names.text[i], names.option[k]);
        }
    }
    return {};
}

// All vectors and strings in one piece of memory. The names come last, as only register_names()
// knows them.
inline Status BatchNorm::allocate(const BatchNormOptions &options, State *state) {
    constexpr uint64_t alignment = HALNORM_WORKSPACE_ALIGNMENT;
    const auto round_up = [](uint64_t bytes) {
        return (bytes + alignment - 1) / alignment * alignment;
    };
    const uint64_t channels = static_cast<uint64_t>(options.num_channels);
    const uint64_t vector =
        round_up(channels * (options.dtype == HALNORM_FLOAT32 ? sizeof(float) : sizeof(double)));
    const uint64_t saved = round_up(channels * sizeof(double));
    const GivenNames names(options);
    uint64_t bytes = 6 * vector + 2 * saved;
    for (int i = 0; i < 4; i++)
        bytes += names.size(i);
    bytes += options.variant != nullptr ? std::strlen(options.variant) + 1 : 0;
    const Status status =
        state->memory.reserve(bytes < SIZE_MAX ? static_cast<size_t>(bytes) : SIZE_MAX);
    if (!status.ok())
        return status;

    char *next = static_cast<char *>(state->memory.data());
    const auto take = [&next](uint64_t size) { return std::exchange(next, next + size); };
    state->saved_mean = reinterpret_cast<double *>(take(saved));
    state->saved_inv_std = reinterpret_cast<double *>(take(saved));
    const Initializer standard;
    const Initializer *const starts[] = {&options.param_attr.initializer,
                                         &options.bias_attr.initializer, &standard, &standard};
    const bool present[] = {options.param_attr.present, options.bias_attr.present, true, true};
    for (int i = 0; i < 4; i++) {
        void *const elements = take(vector);
        if (!present[i])
            continue;
        const double otherwise = i == 0 || i == 3;  // weight and moving variance 1, the others 0
        if (options.dtype == HALNORM_FLOAT32)
            starts[i]->fill(static_cast<float *>(elements), options.num_channels, otherwise);
        else
            starts[i]->fill(static_cast<double *>(elements), options.num_channels, otherwise);
        state->vectors[i] = elements;
    }
    for (void *&gradient : state->gradients)
        gradient = std::memset(take(vector), 0, static_cast<size_t>(vector));
    for (int i = 0; i < 4; i++)
        state->names[i] = take(names.size(i));
    if (options.variant != nullptr) {
        const size_t size = std::strlen(options.variant) + 1;
        state->config.variant = static_cast<char *>(std::memcpy(take(size), options.variant, size));
    }
    return {};
}

// Writes the names into the memory that allocate() kept for them and enters the layer in the list
// of the living ones, unless a name is taken by one that is not `replaced`.
inline Status BatchNorm::register_names(const BatchNormOptions &options, const State *replaced,
                                        State *state) {
    const GivenNames names(options);
    const LivingLayers living;
    for (int i = 0; i < 4; i++) {
        if (names.text[i] == nullptr || !living.have(names.text[i], replaced))
            continue;
        return detail::failure(HALNORM_ERROR_PARAMETER,
                               "%s: was \"%s\", which a living layer has, should be unique",
                               names.option[i], names.text[i]);
    }
    const char *const suffixes[] = {"w_0", "b_0", "w_1", "w_2"};  // as Paddle names them
    bool unique = false;
    while (!unique) {
        const auto number = static_cast<unsigned long long>(living.next_number());
        unique = true;
        for (int i = 0; i < 4; i++) {
            if (names.text[i] != nullptr) {
                std::memcpy(state->names[i], names.text[i], names.size(i));
                continue;
            }
            static_cast<void>(std::snprintf(state->names[i], names.size(i), "batch_norm_%llu.%s",
                                            number, suffixes[i]));
            unique = unique && !living.have(state->names[i], nullptr);
            for (const char *given : names.text)
                unique = unique && (given == nullptr || std::strcmp(given, state->names[i]) != 0);
        }
    }
    living.add(state);
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
    config.stores = options.stores;
    config.executor = options.executor;
    // The library knows the ranges; a question about the smallest input makes it check them.
    const int64_t smallest[] = {1, options.num_channels};
    const halnorm_tensor x = halnorm_dense_tensor(nullptr, options.dtype, 2, smallest);
    size_t bytes = 0;
    status = detail::status_of(halnorm_forward_inference_workspace(&config, &x, &bytes));
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
    state.cumulative_average = options.cumulative_average;
    state.do_model_average_for_mean_and_var = options.do_model_average_for_mean_and_var;
    state.attrs[0] = options.param_attr;
    state.attrs[1] = options.bias_attr;
    status = register_names(options, layer->state_.get(), &state);
    if (!status.ok())
        return status;
    for (int i = 0; i < 2; i++) {
        // Nothing that the caller may take away; a name that is given lives in the layer.
        state.attrs[i].name = state.attrs[i].name != nullptr ? state.names[i] : nullptr;
        state.attrs[i].initializer.given = nullptr;
    }
    *layer = std::move(made);
    return {};
}

// What the C functions cannot know: the layer's own dtype, device and in_place.
inline Status BatchNorm::check_memory(const char *argument, const halnorm_tensor &x) const {
    if (!state_)
        return empty();
    if (x.dtype != state_->dtype) {
        return detail::failure(HALNORM_ERROR_DTYPE, "%s.dtype: was not the layer's, should be %s",
                               argument,
                               state_->dtype == HALNORM_FLOAT32 ? "HALNORM_FLOAT32" :
                                                                  "HALNORM_FLOAT64");
    }
    if (x.device != HALNORM_CPU) {
        return detail::failure(HALNORM_ERROR_UNSUPPORTED,
                               "%s.device: was not HALNORM_CPU, where the layer keeps its "
                               "vectors; device tensors go through halnorm.h",
                               argument);
    }
    return {};
}

inline Status BatchNorm::check(const halnorm_tensor &x, const halnorm_tensor &y,
                               const halnorm_tensor *z) const {
    Status status = check_memory("x", x);
    if (status.ok() && z != nullptr)
        status = check_memory("z", *z);
    if (!status.ok())
        return status;
    const bool is_z = z != nullptr && y.data == z->data;
    if (!state_->in_place && y.data != nullptr && (y.data == x.data || is_z)) {
        return detail::failure(HALNORM_ERROR_OVERLAP,
                               "y: was %s itself, should be memory of its own, or "
                               "options.in_place be true",
                               is_z ? "z" : "x");
    }
    return {};
}

inline Status BatchNorm::infer(const InputTensor &x, const halnorm_tensor &y,
                               Workspace &workspace) const {
    const Status status = check(x.view, y);
    if (!status.ok())
        return status;
    const State &s = *state_;
    return run(
        workspace,
        [&](size_t *bytes) {
            return halnorm_forward_inference_workspace(&s.config, &x.view, bytes);
        },
        [&](void *memory, size_t bytes) {
            return halnorm_forward_inference(&s.config, &x.view, s.vectors[0], s.vectors[1],
                                             s.vectors[2], s.vectors[3], &y, memory, bytes);
        });
}

inline Status BatchNorm::infer_add(const halnorm_tensor &x, const halnorm_tensor &z,
                                   const halnorm_tensor &y, Workspace &workspace) const {
    const Status status = check(x, y, &z);
    if (!status.ok())
        return status;
    const State &s = *state_;
    return run(
        workspace,
        [&](size_t *bytes) { return halnorm_forward_inference_workspace(&s.config, &x, bytes); },
        [&](void *memory, size_t bytes) {
            return halnorm_forward_inference_add(&s.config, &x, &z, s.vectors[0], s.vectors[1],
                                                 s.vectors[2], s.vectors[3], &y, memory, bytes);
        });
}

// By call(memory, bytes, prepared).
template<typename Call>
Status BatchNorm::prepare_by(const halnorm_tensor &x, PreparedInference *prepared,
                             Call call) const {
    if (prepared == nullptr) {
        return {HALNORM_ERROR_NULL, "prepared: was NULL, should point to a PreparedInference"};
    }
    Status status = check_memory("x", x);
    if (!status.ok())
        return status;
    PreparedInference made;
    made.dtype_ = state_->dtype;
    made.in_place_ = state_->in_place;
    status = run(
        made.memory_,
        [&](size_t *bytes) { return halnorm_prepare_inference_memory(&state_->config, &x, bytes); },
        [&](void *memory, size_t bytes) { return call(memory, bytes, &made.prepared_); });
    if (status.ok())
        *prepared = std::move(made);
    return status;
}

inline Status BatchNorm::prepare(const InputTensor &x, const halnorm_tensor &y,
                                 PreparedInference *prepared) const {
    return prepare_by(
        x.view, prepared, [&](void *memory, size_t bytes, const halnorm_prepared **made) {
            const State &s = *state_;
            return halnorm_prepare_inference(&s.config, &x.view, s.vectors[0], s.vectors[1],
                                             s.vectors[2], s.vectors[3], &y, memory, bytes, made);
        });
}

inline Status BatchNorm::prepare_add(const InputTensor &x, const InputTensor &z,
                                     const halnorm_tensor &y, PreparedInference *prepared) const {
    return prepare_by(
        x.view, prepared, [&](void *memory, size_t bytes, const halnorm_prepared **made) {
            const State &s = *state_;
            return halnorm_prepare_inference_add(&s.config, &x.view, &z.view, s.vectors[0],
                                                 s.vectors[1], s.vectors[2], s.vectors[3], &y,
                                                 memory, bytes, made);
        });
}

// Over batch statistics, by call(config, memory, bytes), and what a success changes.
template<typename Call>
Status BatchNorm::forward_batch(const halnorm_tensor &x, Workspace &workspace, Call call) {
    State &s = *state_;
    halnorm_config config = s.config;
    if (s.cumulative_average)
        config.momentum = 1 - 1 / (static_cast<double>(s.batches) + 1);
    const Status status = run(
        workspace,
        [&](size_t *bytes) { return halnorm_forward_training_workspace(&config, &x, bytes); },
        [&](void *memory, size_t bytes) { return call(config, memory, bytes); });
    if (!status.ok())
        return status;
    s.has_saved = true;
    // Updates of the moving statistics need two elements per channel.
    const int32_t channel_axis = config.layout == HALNORM_NCHW ? 1 : x.rank - 1;
    bool empty = false, several = false;
    for (int32_t axis = 0; axis < x.rank; axis++) {
        empty = empty || x.shape[axis] == 0;
        several = several || (axis != channel_axis && x.shape[axis] > 1);
    }
    if (several && !empty && s.batches < INT64_MAX)
        s.batches++;
    return status;
}

inline Status BatchNorm::normalize_batch(const halnorm_tensor &x, const halnorm_tensor &y,
                                         Workspace &workspace) {
    const Status status = check(x, y);
    if (!status.ok())
        return status;
    State &s = *state_;
    return forward_batch(
        x, workspace, [&](const halnorm_config &config, void *memory, size_t bytes) {
            return halnorm_forward_training(&config, &x, s.vectors[0], s.vectors[1], s.vectors[2],
                                            s.vectors[3], &y, s.saved_mean, s.saved_inv_std, memory,
                                            bytes);
        });
}

inline Status BatchNorm::normalize_batch_add(const halnorm_tensor &x, const halnorm_tensor &z,
                                             const halnorm_tensor &y, Workspace &workspace) {
    const Status status = check(x, y, &z);
    if (!status.ok())
        return status;
    State &s = *state_;
    return forward_batch(
        x, workspace, [&](const halnorm_config &config, void *memory, size_t bytes) {
            return halnorm_forward_training_add(&config, &x, &z, s.vectors[0], s.vectors[1],
                                                s.vectors[2], s.vectors[3], &y, s.saved_mean,
                                                s.saved_inv_std, memory, bytes);
        });
}

inline void BatchNorm::remember(const halnorm_tensor &x, const halnorm_tensor *z,
                                const halnorm_tensor &y) {
    State &s = *state_;
    int last = uses_batch_statistics() ? by_batch : by_moving;
    if (last == by_batch) {
        s.last_rank = x.rank;
        std::memcpy(s.last_shape, x.shape, sizeof s.last_shape);
    }
    const auto over = [&](const halnorm_tensor &t) {
        return y.data != nullptr && t.data == y.data;
    };
    last |= over(x) ? over_x : 0;
    if (z != nullptr)
        last |= with_z | (over(*z) ? over_z : 0);
    s.last.store(last, std::memory_order_relaxed);
}

inline Status BatchNorm::backward(const halnorm_tensor &saved, const halnorm_tensor *z,
                                  const halnorm_tensor &dy, const halnorm_tensor *dx,
                                  const halnorm_tensor *dz) {
    if (!state_)
        return empty();
    State &s = *state_;
    const int last = s.last.load(std::memory_order_relaxed);
    if (last == 0)
        return {HALNORM_ERROR_PARAMETER, "backward: was called before forward, should follow it"};
    if ((z != nullptr) != ((last & with_z) != 0)) {
        return {HALNORM_ERROR_PARAMETER,
                z != nullptr ? "backward_add: was called after forward, should follow forward_add" :
                               "backward: was called after forward_add, should be backward_add"};
    }
    if (z != nullptr && (last & (over_x | over_z)) != 0) {
        return {HALNORM_ERROR_UNSUPPORTED,
                "forward_add: has overwritten x or z, should have memory of its own for y where "
                "backward_add follows"};
    }
    bool same = (last & by_batch) == 0 || saved.rank == s.last_rank;
    for (int32_t i = 0; (last & by_batch) != 0 && same && i < saved.rank; i++)
        same = saved.shape[i] == s.last_shape[i];
    if (!same) {
        return {HALNORM_ERROR_SHAPE,
                "saved.shape: was not that of the last forward(), should be its x or y"};
    }
    Status status = check_memory("saved", saved);
    if (!status.ok())
        return status;
    halnorm_backward_args args = {};
    ((last & over_x) != 0 ? args.y : args.x) = &saved;
    args.z = z;
    args.dy = &dy;
    args.gamma = s.vectors[0];
    args.beta = s.vectors[1];
    if ((last & by_batch) != 0) {
        args.saved_mean = s.saved_mean;
        args.saved_inv_std = s.saved_inv_std;
    } else {
        args.moving_mean = s.vectors[2];
        args.moving_variance = s.vectors[3];
    }
    args.dx = dx;
    args.dz = dz;
    args.dgamma = gradient(0).data != nullptr ? s.gradients[0] : nullptr;
    args.dbeta = gradient(1).data != nullptr ? s.gradients[1] : nullptr;
    return with_workspace([&](Workspace &workspace) {
        return run(
            workspace,
            [&](size_t *bytes) { return halnorm_backward_workspace(&s.config, &args, bytes); },
            [&](void *memory, size_t bytes) {
                return halnorm_backward(&s.config, &args, memory, bytes);
            });
    });
}

inline Status BatchNorm::set_batches(int64_t batches) {
    if (!state_)
        return empty();
    if (batches < 0) {
        return detail::failure(HALNORM_ERROR_PARAMETER, "batches: was %lld, should be at least 0",
                               static_cast<long long>(batches));
    }
    state_->batches = batches;
    return {};
}

}  // namespace v0
}  // namespace halnorm

#endif  // HALNORM_HALNORM_HPP_
