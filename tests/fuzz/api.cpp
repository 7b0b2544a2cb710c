// Calls of the C API with arguments that are wrong in up to three places, in memory of exactly the
// size that they describe. A refused call has touched nothing and says why in one line; one that is
// accepted stays within its outputs, and its y or dx is that of the reference. (How near, the
// fuzzers forward and backward check; here it is about which element is which.)
#include <algorithm>
#include <math.h>
#include <memory>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "tolerance.h"

using namespace test;

namespace {

constexpr int64_t most_bytes = 1 << 16;

// Memory from the heap, of exactly this size, and what it held before the call.
class Buffer {
public:
    Buffer(int64_t bytes, size_t alignment)
        : memory_(bytes > 0 ? aligned(static_cast<size_t>(bytes), alignment) : nullptr),
          before_(static_cast<size_t>(bytes > 0 ? bytes : 0)) {}
    ~Buffer() { free(memory_); }
    Buffer(const Buffer &) = delete;
    Buffer &operator=(const Buffer &) = delete;

    char *data() const { return memory_; }
    size_t size() const { return before_.size(); }
    void remember() { before_.assign(memory_, memory_ + size()); }
    bool changed(size_t i) const { return memory_[i] != before_[i]; }
    bool changed() const { return size() > 0 && memcmp(memory_, before_.data(), size()) != 0; }

private:
    static char *aligned(size_t bytes, size_t alignment) {
        void *memory = nullptr;
        if (posix_memalign(&memory, alignment, bytes) != 0)
            abort();
        return static_cast<char *>(memory);
    }
    char *memory_;
    std::vector<char> before_;
};

enum Place { at_x, at_z, at_y, at_dy, at_dx, at_dz, tensors };
enum VectorPlace {
    gamma_,
    beta_,
    mean_,
    variance_,
    saved_mean_,
    saved_inv_std_,
    dgamma_,
    dbeta_,
    vectors
};

enum class Function {
    inference,
    inference_add,
    prepared,
    prepared_add,
    training,
    training_add,
    statistics,
    apply,
    backward,
    reduce,
    backward_apply,
    count
};

struct Arguments {
    Function function = Function::inference;
    halnorm_config config = {};
    halnorm_executor executor = {};
    halnorm_tensor tensor[tensors] = {};
    bool given[tensors] = {}, vector_given[vectors] = {};
    bool from_y = false, moving = false;
    int64_t count = 0;
    std::unique_ptr<Buffer> memory[tensors], vector[vectors], lent;
    void *workspace = nullptr;
    size_t workspace_bytes = 0;
    bool no_config = false, huge = false;

    bool is_backward() const { return function >= Function::backward; }
    bool is_prepared() const {
        return function == Function::prepared || function == Function::prepared_add;
    }
    bool is_inference() const {
        return function == Function::inference || function == Function::inference_add ||
               is_prepared();
    }
    bool adds() const {
        return function == Function::inference_add || function == Function::prepared_add ||
               function == Function::training_add;
    }
    const halnorm_config *config_or_null() const { return no_config ? nullptr : &config; }
    const halnorm_tensor *at(int i) const { return given[i] ? &tensor[i] : nullptr; }
    char *of(int i) const { return vector_given[i] && vector[i] ? vector[i]->data() : nullptr; }
    double *doubles(int i) const { return reinterpret_cast<double *>(of(i)); }
    halnorm_backward_args backward() const {
        halnorm_backward_args a = {};
        (from_y ? a.y : a.x) = at(at_x);
        a.z = at(at_z);
        a.dy = at(at_dy);
        a.dx = at(at_dx);
        a.dz = at(at_dz);
        a.gamma = of(gamma_);
        a.beta = of(beta_);
        if (moving) {
            a.moving_mean = of(mean_);
            a.moving_variance = of(variance_);
        } else {
            a.saved_mean = doubles(saved_mean_);
            a.saved_inv_std = doubles(saved_inv_std_);
        }
        a.dgamma = of(dgamma_);
        a.dbeta = of(dbeta_);
        return a;
    }
};

int axes_of(const halnorm_tensor &t) {
    return std::min(std::max(t.rank, 0), HALNORM_MAX_RANK);
}

// Bytes from the first to the last element; -1 where that is no number to allocate.
int64_t span_of(const halnorm_tensor &t) {
    __int128 last = 0, element = t.dtype == HALNORM_FLOAT32 ? 4 : 8;
    const int rank = axes_of(t);
    for (int i = 0; i < rank; i++) {
        if (t.shape[i] == 0)
            return 0;
    }
    for (int i = 0; i < rank; i++) {
        if (t.shape[i] > 1)
            last += static_cast<__int128>(t.shape[i] - 1) * t.strides[i];
        if (last < 0 || last > most_bytes)
            return -1;
    }
    const __int128 bytes = (last + 1) * element;
    return bytes > most_bytes ? -1 : static_cast<int64_t>(bytes);
}

bool readable(const halnorm_tensor &t) {
    for (int i = 0; i < axes_of(t); i++) {
        if (t.shape[i] > 1 && t.strides[i] < 0)
            return false;  // its memory begins below its data
    }
    return t.data != nullptr && span_of(t) > 0 &&
           reinterpret_cast<uintptr_t>(t.data) % size_of(t.dtype) == 0;
}

int64_t odd_number(fuzz::Input &in) {
    constexpr int64_t one = 1;
    if (in.flag())
        return in.number(-9, 70);
    return in.one_of({0 * one, -one, INT32_MAX * one, INT32_MAX - 1024 * one, one << 31, one << 32,
                      one << 62, INT64_MAX, INT64_MIN});
}

double odd_double(fuzz::Input &in) {
    return in.one_of({0.0, -1.0, 1.0, 1e-300, 1e300, -1e300, static_cast<double>(NAN),
                      static_cast<double>(INFINITY), -static_cast<double>(INFINITY)});
}

// An enum of the API holds any number that a caller in C may have put there.
template<typename Enum>
void set_odd(Enum *value, fuzz::Input &in) {
    const int32_t number = in.one_of({0, 1, 2, 3, -1, 15, 14, INT32_MAX, INT32_MIN});
    static_assert(sizeof *value == sizeof number, "enums are ints");
    memcpy(value, &number, sizeof number);
}

void spoil(Arguments *a, fuzz::Input &in) {
    static const halnorm_executor no_function = {nullptr, nullptr};
    halnorm_tensor &t = a->tensor[in.number(0, tensors - 1)];
    const size_t axis = static_cast<size_t>(in.number(0, HALNORM_MAX_RANK - 1));
    // clang-format off
    switch (in.number(0, 21)) {
    case 0: a->config.num_channels = odd_number(in); break;
    case 1: set_odd(&a->config.layout, in); break;
    case 2: set_odd(&a->config.activation, in); break;
    case 3: a->config.activation_alpha = odd_double(in); break;
    case 4: a->config.momentum = odd_double(in); break;
    case 5: a->config.epsilon = odd_double(in); break;
    case 6: set_odd(&a->config.moving_variance_estimator, in); break;
    case 7: a->config.variant = in.one_of({"", "generic", "x86_sse9", "x86_avx512", "cuda"}); break;
    case 8: a->config.threads = in.one_of({0, -1, 2, INT32_MIN}); break;
    case 9: a->config.executor = &no_function; break;
    case 10: set_odd(&a->config.stores, in); break;
    case 11: a->no_config = true; break;
    case 12: t.rank = static_cast<int32_t>(odd_number(in)); break;
    case 13: t.shape[axis] = odd_number(in); break;
    case 14: t.strides[axis] = odd_number(in); break;
    case 15: set_odd(&t.dtype, in); break;
    case 16: set_odd(&t.device, in); break;
    case 17: a->given[in.number(0, tensors - 1)] ^= true; break;
    case 18: a->vector_given[in.number(0, vectors - 1)] ^= true; break;
    case 19: a->count = odd_number(in); break;
    case 20: std::swap(t.strides[axis], t.strides[0]); break;
    case 21: {  // all of them are of that extent, so that it is no difference that is refused
        const int64_t number = odd_number(in);
        for (halnorm_tensor &each : a->tensor)
            each.shape[axis] = number;
        break;
    }
    }
    // clang-format on
}

// A call that is right.
void take_arguments(Arguments *a, fuzz::Input &in) {
    a->function = static_cast<Function>(in.number(0, static_cast<int>(Function::count) - 1));
    const auto layout = in.one_of({HALNORM_NCHW, HALNORM_NHWC});
    const auto dtype = in.one_of({HALNORM_FLOAT32, HALNORM_FLOAT64});
    int64_t shape[HALNORM_MAX_RANK];
    const int32_t rank = static_cast<int32_t>(in.number(2, 5));
    for (int64_t &extent : shape)
        extent = in.number(0, 6);
    int64_t &channels = shape[layout == HALNORM_NCHW ? 1 : rank - 1];
    channels = in.number(1, 20);
    a->config = halnorm_default_config(channels);
    a->config.layout = layout;
    a->config.activation = in.one_of({HALNORM_ACT_NONE, HALNORM_ACT_TANH, HALNORM_ACT_GELU});
    a->config.threads = 1;
    a->from_y = a->is_backward() && a->config.activation == HALNORM_ACT_NONE && in.flag();
    a->moving = in.flag();
    for (int i = 0; i < tensors; i++) {
        a->tensor[i] = halnorm_dense_tensor(nullptr, dtype, rank, shape);
        if (in.flag())  // padding after each image
            a->tensor[i].strides[0] += in.number(1, 3);
        a->given[i] = a->is_backward() ? i != at_y : true;
    }
    for (bool &given : a->vector_given)
        given = true;
    if (a->from_y || (a->is_backward() && in.flag()))
        a->given[at_z] = a->given[at_dz] = false;
    int64_t elements = 1;
    for (int i = 0; i < rank; i++)
        elements *= shape[i];
    a->count = elements / channels;
}

// Memory of just the size that the descriptors tell.
void allocate(Arguments *a, fuzz::Input &in) {
    for (int i = 0; i < tensors; i++) {
        const int64_t span = span_of(a->tensor[i]);
        a->huge |= span < 0;
        a->memory[i] = std::make_unique<Buffer>(span < 0 ? 8 : span, 16);
        a->tensor[i].data = a->memory[i]->data();
    }
    const int64_t channels = a->config.num_channels;
    const bool many = channels < 0 || channels > most_bytes / 8;
    a->huge |= many;
    const int64_t element = a->tensor[at_x].dtype == HALNORM_FLOAT32 ? 4 : 8;
    for (int i = 0; i < vectors; i++) {
        const bool is_double = i == saved_mean_ || i == saved_inv_std_;
        a->vector[i] =
            std::make_unique<Buffer>((many ? 1 : channels) * (is_double ? 8 : element), 8);
    }
    // In place, or pointers that are no better than that.
    const int64_t pick = in.number(0, 11);
    char *const x = a->memory[at_x]->data(), *const dy = a->memory[at_dy]->data();
    if (pick == 0)
        a->tensor[at_y].data = x;
    if (pick == 1)
        a->tensor[at_dx].data = dy;
    if (pick == 2)
        a->tensor[at_dz].data = dy;
    if (pick == 3)
        a->tensor[at_y].data = a->memory[at_z]->data();
    if (pick == 4 && x != nullptr)
        a->tensor[in.number(0, tensors - 1)].data = x + in.number(0, 8);
    if (pick == 5)
        a->tensor[in.number(0, tensors - 1)].data = nullptr;
    // What was moved may reach beyond the memory that it was moved into.
    for (const halnorm_tensor &t : a->tensor) {
        const char *const data = static_cast<const char *>(t.data);
        const auto holds_it = [&](const std::unique_ptr<Buffer> &memory) {
            return memory->size() > 0 && data >= memory->data() &&
                   data + span_of(t) <= memory->data() + memory->size();
        };
        a->huge |= data != nullptr &&
                   std::none_of(std::begin(a->memory), std::end(a->memory), holds_it);
    }
}

template<typename T>
void fill(const Buffer &buffer, fuzz::Values *values, bool positive) {
    for (size_t i = 0; i + sizeof(T) <= buffer.size(); i += sizeof(T)) {
        const T value = static_cast<T>(positive ? values->variance() + 1 : values->small());
        memcpy(buffer.data() + i, &value, sizeof value);
    }
}

halnorm_status query(const Arguments &a, size_t *bytes) {
    const halnorm_config *const c = a.config_or_null();
    const halnorm_backward_args b = a.backward();
    switch (a.function) {
    case Function::inference:
    case Function::inference_add:
        return halnorm_forward_inference_workspace(c, a.at(at_x), bytes);
    case Function::prepared:
    case Function::prepared_add:
        return halnorm_prepare_inference_memory(c, a.at(at_x), bytes);
    case Function::training:
    case Function::training_add:
        return halnorm_forward_training_workspace(c, a.at(at_x), bytes);
    case Function::statistics:
        return halnorm_statistics_workspace(c, a.at(at_x), bytes);
    case Function::apply:
        return halnorm_forward_apply_workspace(c, a.at(at_x), bytes);
    case Function::backward:
        return halnorm_backward_workspace(c, &b, bytes);
    case Function::reduce:
        return halnorm_backward_reduce_workspace(c, &b, bytes);
    default:
        return halnorm_backward_apply_workspace(c, &b, bytes);
    }
}

// Both steps.
halnorm_status run_prepared(const Arguments &a) {
    const halnorm_config *const c = a.config_or_null();
    const halnorm_tensor *const x = a.at(at_x), *const z = a.at(at_z), *const y = a.at(at_y);
    const halnorm_prepared *prepared = nullptr;
    const bool adds = a.adds();
    const halnorm_status status =
        adds ? halnorm_prepare_inference_add(c, x, z, a.of(gamma_), a.of(beta_), a.of(mean_),
                                             a.of(variance_), y, a.workspace, a.workspace_bytes,
                                             &prepared) :
               halnorm_prepare_inference(c, x, a.of(gamma_), a.of(beta_), a.of(mean_),
                                         a.of(variance_), y, a.workspace, a.workspace_bytes,
                                         &prepared);
    if (status != HALNORM_OK)
        return status;
    return halnorm_run_prepared(prepared, x->data, adds ? z->data : nullptr, y->data);
}

halnorm_status run(const Arguments &a, int64_t *count) {
    const halnorm_config *const c = a.config_or_null();
    const halnorm_backward_args b = a.backward();
    const halnorm_tensor *const x = a.at(at_x), *const z = a.at(at_z), *const y = a.at(at_y);
    void *const w = a.workspace;
    const size_t bytes = a.workspace_bytes;
    switch (a.function) {
    case Function::inference:
        return halnorm_forward_inference(c, x, a.of(gamma_), a.of(beta_), a.of(mean_),
                                         a.of(variance_), y, w, bytes);
    case Function::inference_add:
        return halnorm_forward_inference_add(c, x, z, a.of(gamma_), a.of(beta_), a.of(mean_),
                                             a.of(variance_), y, w, bytes);
    case Function::prepared:
    case Function::prepared_add:
        return run_prepared(a);
    case Function::training:
        return halnorm_forward_training(c, x, a.of(gamma_), a.of(beta_), a.of(mean_),
                                        a.of(variance_), y, a.doubles(saved_mean_),
                                        a.doubles(saved_inv_std_), w, bytes);
    case Function::training_add:
        return halnorm_forward_training_add(c, x, z, a.of(gamma_), a.of(beta_), a.of(mean_),
                                            a.of(variance_), y, a.doubles(saved_mean_),
                                            a.doubles(saved_inv_std_), w, bytes);
    case Function::statistics:
        return halnorm_statistics(c, x, count, a.doubles(saved_mean_), a.doubles(saved_inv_std_), w,
                                  bytes);
    case Function::apply:
        return halnorm_forward_apply(c, x, z, a.count, a.doubles(saved_mean_),
                                     a.doubles(saved_inv_std_), a.of(gamma_), a.of(beta_),
                                     a.of(mean_), a.of(variance_), y, nullptr, nullptr, w, bytes);
    case Function::backward:
        return halnorm_backward(c, &b, w, bytes);
    case Function::reduce: {  // the sums into vectors that this function does not use otherwise
        return halnorm_backward_reduce(c, &b, a.moving ? a.doubles(saved_mean_) : nullptr,
                                       a.moving ? a.doubles(saved_inv_std_) : nullptr, w, bytes);
    }
    default:
        return halnorm_backward_apply(c, &b, a.count, a.moving ? a.doubles(saved_mean_) : nullptr,
                                      a.moving ? a.doubles(saved_inv_std_) : nullptr, w, bytes);
    }
}

std::vector<double> values_of(const Buffer &vector, halnorm_dtype dtype) {
    halnorm_tensor t = {};
    const int64_t shape[] = {1, static_cast<int64_t>(vector.size() / size_of(dtype))};
    t = halnorm_dense_tensor(vector.data(), dtype, 2, shape);
    return reference::read(t, HALNORM_NCHW).values;
}

// What may be written: elements of the outputs. The others of a.memory are as they were.
void expect_written_within(const Arguments &a) {
    for (int i = 0; i < tensors; i++) {
        const Buffer &buffer = *a.memory[i];
        std::vector<bool> writable(buffer.size());
        for (int k : {at_y, at_dx, at_dz}) {
            const halnorm_tensor &t = a.tensor[k];
            const char *const data = static_cast<const char *>(t.data);
            const bool output = a.is_backward() ? k != at_y : k == at_y;
            if (!output || !a.given[k] || a.function == Function::statistics ||
                a.function == Function::reduce || data == nullptr || span_of(t) <= 0 ||
                data < buffer.data() || data >= buffer.data() + buffer.size())
                continue;
            const Geometry g = {{t.shape, t.shape + t.rank}, {t.strides, t.strides + t.rank}};
            for (int64_t offset : g.offsets()) {
                const size_t first =
                    static_cast<size_t>(data - buffer.data()) +
                    static_cast<size_t>(offset) * size_of(t.dtype);
                for (size_t b = 0; b < size_of(t.dtype); b++)
                    writable[first + b] = true;
            }
        }
        for (size_t b = 0; b < buffer.size(); b++) {
            if (!writable[b] && buffer.changed(b)) {
                ADD_FAILURE() << "byte " << b << " of tensor " << i << " was written";
                return;
            }
        }
    }
}

// The size queries of the forward passes see x alone. Beside a y or z of other strides its rows
// cannot be folded, and the call may do with less.
bool needs_all_that_was_asked(const Arguments &a) {
    const halnorm_tensor &x = a.tensor[at_x];
    for (int i : {at_y, at_z}) {
        const halnorm_tensor &t = a.tensor[i];
        if (!a.is_backward() && a.given[i] &&
            !std::equal(x.strides, x.strides + HALNORM_MAX_RANK, t.strides))
            return false;
    }
    return true;
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int *, char ***) {
    fuzz::start();
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz::Input in(data, size);
    Arguments a;
    take_arguments(&a, in);
    const int64_t spoilt = in.number(0, 3);
    for (int64_t k = 0; k < spoilt; k++)
        spoil(&a, in);
    allocate(&a, in);
    const int64_t workspace = in.number(0, 9);
    fuzz::Values values(in, HALNORM_FLOAT64, false, false);
    const bool narrow = a.tensor[at_x].dtype == HALNORM_FLOAT32;
    for (int i = 0; i < tensors; i++)
        narrow ? fill<float>(*a.memory[i], &values, false) :
                 fill<double>(*a.memory[i], &values, false);
    for (int i = 0; i < vectors; i++) {
        if (i == saved_mean_ || i == saved_inv_std_)
            fill<double>(*a.vector[i], &values, i == saved_inv_std_);
        else if (narrow)
            fill<float>(*a.vector[i], &values, i == variance_ || i == gamma_);
        else
            fill<double>(*a.vector[i], &values, i == variance_ || i == gamma_);
    }

    size_t bytes = 77;
    const halnorm_status asked = query(a, &bytes);
    if (asked != HALNORM_OK) {
        EXPECT_EQ(bytes, 77u);
        bytes = 4096;
    } else if (a.huge || bytes > (size_t{1} << 24)) {
        return 0;  // valid, as far as it was asked, and beyond the memory that there is
    }
    // Three times in ten the workspace is none, or too small, or misaligned.
    a.lent = std::make_unique<Buffer>(static_cast<int64_t>(bytes), HALNORM_WORKSPACE_ALIGNMENT);
    a.workspace = workspace == 0 || bytes == 0 ? nullptr : a.lent->data();
    a.workspace_bytes = bytes;
    bool bad_workspace = workspace == 0 && bytes > 0;
    if (workspace == 1 && bytes > 0) {
        a.workspace_bytes = bytes - 1;
        bad_workspace = needs_all_that_was_asked(a);
    }
    if (workspace == 2 && bytes > 8) {
        a.workspace = a.lent->data() + 8;
        a.workspace_bytes = bytes - 8;
        bad_workspace = true;
    }
    if (a.lent->size() > 0)
        memset(a.lent->data(), 0xff, a.lent->size());
    for (auto &buffer : a.memory)
        buffer->remember();
    for (auto &buffer : a.vector)
        buffer->remember();
    int64_t count = -7;
    const halnorm_layout layout = a.config.layout;
    reference::Array x;
    std::vector<double> z;
    const halnorm_tensor &tx = a.tensor[at_x], &tz = a.tensor[at_z];
    if (asked == HALNORM_OK && readable(tx))
        x = reference::read(tx, layout);
    const bool adds = a.adds();
    if (adds && a.given[at_z] && !x.values.empty() && readable(tz) && tz.dtype == tx.dtype &&
        tz.rank == tx.rank && std::equal(tx.shape, tx.shape + tx.rank, tz.shape))
        z = reference::read(tz, layout).values;

    const halnorm_status status = run(a, &count);
    if (status != HALNORM_OK) {
        const std::string message = halnorm_last_error();
        EXPECT_GT(message.size(), 10u);
        EXPECT_EQ(message.find('\n'), std::string::npos) << message;
        for (auto &buffer : a.memory)
            EXPECT_FALSE(buffer->changed()) << message;
        for (auto &buffer : a.vector)
            EXPECT_FALSE(buffer->changed()) << message;
        EXPECT_EQ(count, -7);
        return 0;
    }
    EXPECT_EQ(asked, HALNORM_OK) << "the call took what its size query refused";
    if (a.function != Function::inference && a.function != Function::inference_add)
        EXPECT_FALSE(bad_workspace && !x.values.empty());
    expect_written_within(a);

    const bool inference = a.is_inference();
    const bool training = a.function == Function::training || a.function == Function::training_add;
    if ((inference || training) && !x.values.empty()) {
        const halnorm_dtype dtype = a.tensor[at_x].dtype;
        reference::Parameters p(a.config.num_channels);
        // Vectors that are only read hold what they held; training has moved the other two.
        if (a.vector_given[gamma_])
            p.gamma = values_of(*a.vector[gamma_], dtype);
        if (a.vector_given[beta_])
            p.beta = values_of(*a.vector[beta_], dtype);
        if (inference) {
            p.moving_mean = values_of(*a.vector[mean_], dtype);
            p.moving_variance = values_of(*a.vector[variance_], dtype);
        }
        p.epsilon = a.config.epsilon;
        p.activation = a.config.activation;
        p.alpha = isnan(a.config.activation_alpha) ?
                      halnorm_activation_default_alpha(p.activation) :
                      a.config.activation_alpha;
        const std::vector<double> *const addend = adds ? &z : nullptr;
        const reference::Forward f = inference ? forward_inference(x, p, addend) :
                                                 forward_training(x, p, addend);
        const std::vector<double> y = reference::read(a.tensor[at_y], layout).values;
        for (size_t i = 0; i < y.size(); i++) {
            const double tolerance = 1e-3 * (1 + fabs(f.y[i]) + fabs(f.normalized[i]));
            if (!close(dtype, y[i], f.y[i], tolerance)) {
                ADD_FAILURE() << "y[" << i << "] is " << y[i] << ", should be " << f.y[i]
                              << " where xhat is " << f.xhat[i] << ", inv_std " << f.inv_std[0]
                              << ", epsilon " << p.epsilon << ", function "
                              << static_cast<int>(a.function);
                break;
            }
        }
    }
    return 0;
}
