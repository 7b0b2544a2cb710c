#include "layer.h"

#include <algorithm>

#include "library.h"

namespace halnorm_tool {
namespace {

const TensorEntry *find(const std::vector<TensorEntry> &entries, const std::string &name) {
    const auto entry =
        std::find_if(entries.begin(), entries.end(),
                     [&](const TensorEntry &candidate) { return candidate.name == name; });
    return entry == entries.end() ? nullptr : &*entry;
}

// IN has to have `required`, and may have the layer's vectors.
void check_names(const std::vector<TensorEntry> &entries, const std::vector<std::string> &required,
                 const LayerOptions &options) {
    std::vector<std::string> legal = required;
    legal.insert(legal.end(), {"weight", "bias", "moving_mean", "moving_variance"});
    for (const TensorEntry &entry : entries) {
        if (std::find(legal.begin(), legal.end(), entry.name) != legal.end())
            continue;
        std::string names;
        for (const std::string &name : legal)
            names += (names.empty() ? "" : ", ") + name;
        throw Error("tensor " + in_quotes(entry.name), "was in IN, should be one of " + names);
    }
    for (const std::string &name : required) {
        if (find(entries, name) == nullptr)
            throw Error("tensor " + in_quotes(name), "was missing in IN, should be there");
    }
    const auto refuse = [&](bool refused, const char *name, const char *option) {
        if (refused && find(entries, name) != nullptr) {
            throw Error(name, std::string("was in IN, should be absent with ") + option);
        }
    };
    refuse(options.no_weight, "weight", "--no-weight");
    refuse(options.no_bias, "bias", "--no-bias");
}

// The number of channels.
int64_t check_x(const TensorEntry &x, const LayerOptions &options) {
    if (x.dtype != "F32" && x.dtype != "F64") {
        throw Error("x", "dtype was " + x.dtype + ", should be F32 or F64");
    }
    if (x.shape.size() < 2 || x.shape.size() > HALNORM_MAX_RANK) {
        throw Error("x",
                    "shape was " + one_line(to_text(x.shape), 80) + ", should be of rank 2 to 5");
    }
    const size_t channel_axis = options.config.layout == HALNORM_NCHW ? 1 : x.shape.size() - 1;
    const int64_t channels = x.shape[channel_axis];
    const std::string axis = " along axis " + std::to_string(channel_axis);
    if (options.num_channels && *options.num_channels != channels) {
        throw Error("--num-channels", "was " + std::to_string(*options.num_channels) +
                                          ", should be " + std::to_string(channels) +
                                          ", the extent of x" + axis);
    }
    if (channels == 0) {
        throw Error("x",
                    "shape was " + to_text(x.shape) + ", should have at least one channel" + axis);
    }
    return channels;
}

// All but x: those that are required have x's shape, the others are vectors.
void check_others(const std::vector<TensorEntry> &entries, const std::vector<std::string> &required,
                  const TensorEntry &x, int64_t channels) {
    for (const TensorEntry &entry : entries) {
        if (entry.dtype != x.dtype) {
            throw Error(entry.name,
                        "dtype was " + entry.dtype + ", should be " + x.dtype + " like x");
        }
        const bool like_x =
            std::find(required.begin(), required.end(), entry.name) != required.end();
        const Shape shape = like_x ? x.shape : Shape{channels};
        if (entry.shape != shape) {
            throw Error(entry.name, "shape was " + one_line(to_text(entry.shape), 80) +
                                        ", should be " + one_line(to_text(shape), 80) +
                                        (like_x ? " like x" : ", one value a channel"));
        }
    }
}

template<typename T>
void fill(Buffer *buffer, double value) {
    std::fill_n(static_cast<T *>(buffer->data()), buffer->size() / sizeof(T),
                static_cast<T>(value));
}

// Doubles of the library in the file's dtype.
Buffer converted(const std::vector<double> &values, halnorm_dtype dtype) {
    const bool is_float = dtype == HALNORM_FLOAT32;
    Buffer buffer(values.size() * (is_float ? sizeof(float) : sizeof(double)));
    if (is_float) {
        std::transform(values.begin(), values.end(), static_cast<float *>(buffer.data()),
                       [](double value) { return static_cast<float>(value); });
    } else {
        std::copy(values.begin(), values.end(), static_cast<double *>(buffer.data()));
    }
    return buffer;
}

}  // namespace

Layer::Layer(const LayerOptions &options, const std::vector<std::string> &required)
    : options_(options), config_(options.config) {
    check(file_.open("IN", options.in));
    const std::vector<TensorEntry> &entries = file_.entries();
    check_names(entries, required, options);
    x_ = find(entries, "x");
    config_.num_channels = check_x(*x_, options);
    config_.variant = options.variant ? options.variant->c_str() : nullptr;
    check_others(entries, required, *x_, config_.num_channels);
    dtype_ = x_->dtype == "F32" ? HALNORM_FLOAT32 : HALNORM_FLOAT64;
    weight_ = vector_or(1, "weight");
    bias_ = vector_or(0, "bias");
    moving_mean_ = vector_or(0, "moving_mean");
    moving_variance_ = vector_or(1, "moving_variance");
}

Buffer Layer::read(const std::string &name) const {
    return halnorm_tool::read(file_, *find(file_.entries(), name));
}

Buffer Layer::new_tensor() const {
    return Buffer(x_->end - x_->begin);
}

Buffer Layer::new_vector() const {
    return Buffer(static_cast<uint64_t>(config_.num_channels) *
                  (dtype_ == HALNORM_FLOAT32 ? sizeof(float) : sizeof(double)));
}

Buffer Layer::vector_or(double standard, const char *name) const {
    if (find(file_.entries(), name) != nullptr)
        return read(name);
    Buffer buffer = new_vector();
    dtype_ == HALNORM_FLOAT32 ? fill<float>(&buffer, standard) : fill<double>(&buffer, standard);
    return buffer;
}

halnorm_tensor Layer::tensor(const Buffer &data) const {
    return halnorm_dense_tensor(data.data(), dtype_, static_cast<int32_t>(x_->shape.size()),
                                x_->shape.data());
}

void Layer::forward(const Buffer &x_data, const Buffer &y_data) {
    const halnorm_tensor x = tensor(x_data), y = tensor(y_data);
    size_t bytes = 0;
    if (options_.uses_moving_statistics()) {
        check(halnorm_forward_inference_workspace(&config_, &x, &bytes));
        Buffer workspace(bytes);
        check(halnorm_forward_inference(&config_, &x, weight(), bias(), moving_mean_.data(),
                                        moving_variance_.data(), &y, workspace.data(),
                                        workspace.size()));
        return;
    }
    check(halnorm_forward_training_workspace(&config_, &x, &bytes));
    Buffer workspace(bytes);
    saved_mean_.resize(static_cast<size_t>(config_.num_channels));
    saved_inv_std_.resize(static_cast<size_t>(config_.num_channels));
    check(halnorm_forward_training(&config_, &x, weight(), bias(), moving_mean_.data(),
                                   moving_variance_.data(), &y, saved_mean_.data(),
                                   saved_inv_std_.data(), workspace.data(), workspace.size()));
}

void Layer::backward(const Buffer &x_data, const Buffer &dy_data, const Buffer &dx_data,
                     const Buffer &dweight, const Buffer &dbias) const {
    const halnorm_tensor x = tensor(x_data), dy = tensor(dy_data), dx = tensor(dx_data);
    halnorm_backward_args args = {};
    args.x = &x;
    args.dy = &dy;
    args.gamma = weight();
    args.beta = bias();
    if (options_.uses_moving_statistics()) {
        args.moving_mean = moving_mean_.data();
        args.moving_variance = moving_variance_.data();
    } else {
        args.saved_mean = saved_mean_.data();
        args.saved_inv_std = saved_inv_std_.data();
    }
    args.dx = &dx;
    args.dgamma = options_.no_weight ? nullptr : dweight.data();
    args.dbeta = options_.no_bias ? nullptr : dbias.data();
    size_t bytes = 0;
    check(halnorm_backward_workspace(&config_, &args, &bytes));
    Buffer workspace(bytes);
    check(halnorm_backward(&config_, &args, workspace.data(), workspace.size()));
}

OutputTensor Layer::like_x(const std::string &name, const Buffer &data) const {
    return {name, x_->dtype, x_->shape, data.data(), data.size()};
}

OutputTensor Layer::per_channel(const std::string &name, const Buffer &data) const {
    return {name, x_->dtype, {config_.num_channels}, data.data(), data.size()};
}

void Layer::write(std::vector<OutputTensor> tensors, const Buffer &y) const {
    tensors.push_back(like_x("y", y));
    tensors.push_back(per_channel("moving_mean", moving_mean_));
    tensors.push_back(per_channel("moving_variance", moving_variance_));
    const Buffer saved_mean = converted(saved_mean_, dtype_);
    const Buffer saved_inv_std = converted(saved_inv_std_, dtype_);
    if (!options_.uses_moving_statistics()) {
        tensors.push_back(per_channel("saved_mean", saved_mean));
        tensors.push_back(per_channel("saved_inv_std", saved_inv_std));
    }
    halnorm_tool::write("OUT", options_.out, tensors);
}

}  // namespace halnorm_tool
