#include "forward.h"

#include <algorithm>
#include <vector>

#include "files.h"
#include "library.h"

namespace halnorm_tool {
namespace {

const std::string tensor_names[] = {"x", "weight", "bias", "moving_mean", "moving_variance"};

const TensorEntry *find(const std::vector<TensorEntry> &entries, const std::string &name) {
    const auto entry =
        std::find_if(entries.begin(), entries.end(),
                     [&](const TensorEntry &candidate) { return candidate.name == name; });
    return entry == entries.end() ? nullptr : &*entry;
}

void check_names(const std::vector<TensorEntry> &entries, const ForwardOptions &options) {
    std::string legal;
    for (const std::string &name : tensor_names)
        legal += (legal.empty() ? "" : ", ") + name;
    for (const TensorEntry &entry : entries) {
        if (std::find(std::begin(tensor_names), std::end(tensor_names), entry.name) ==
            std::end(tensor_names)) {
            throw Error("tensor " + in_quotes(entry.name), "was in IN, should be one of " + legal);
        }
    }
    if (find(entries, "x") == nullptr)
        throw Error("tensor \"x\"", "was missing in IN, should be there");
    const auto refuse = [&](bool refused, const char *name, const char *option) {
        if (refused && find(entries, name) != nullptr) {
            throw Error(name, std::string("was in IN, should be absent with ") + option);
        }
    };
    refuse(options.no_weight, "weight", "--no-weight");
    refuse(options.no_bias, "bias", "--no-bias");
}

struct XInfo {
    halnorm_dtype dtype;
    size_t channel_axis;
    int64_t channels;
};

XInfo check_x(const TensorEntry &x, const ForwardOptions &options) {
    if (x.dtype != "F32" && x.dtype != "F64") {
        throw Error("x", "dtype was " + x.dtype + ", should be F32 or F64");
    }
    if (x.shape.size() < 2 || x.shape.size() > HALNORM_MAX_RANK) {
        throw Error("x",
                    "shape was " + one_line(to_text(x.shape), 80) + ", should be of rank 2 to 5");
    }
    XInfo info;
    info.dtype = x.dtype == "F32" ? HALNORM_FLOAT32 : HALNORM_FLOAT64;
    info.channel_axis = options.config.layout == HALNORM_NCHW ? 1 : x.shape.size() - 1;
    info.channels = x.shape[info.channel_axis];
    const std::string axis = " along axis " + std::to_string(info.channel_axis);
    if (options.num_channels && *options.num_channels != info.channels) {
        throw Error("--num-channels", "was " + std::to_string(*options.num_channels) +
                                          ", should be " + std::to_string(info.channels) +
                                          ", the extent of x" + axis);
    }
    if (info.channels == 0) {
        throw Error("x",
                    "shape was " + to_text(x.shape) + ", should have at least one channel" + axis);
    }
    return info;
}

void check_parameters(const std::vector<TensorEntry> &entries, const TensorEntry &x,
                      int64_t channels) {
    for (const TensorEntry &entry : entries) {
        if (entry.name == "x")
            continue;
        if (entry.dtype != x.dtype) {
            throw Error(entry.name,
                        "dtype was " + entry.dtype + ", should be " + x.dtype + " like x");
        }
        if (entry.shape != Shape{channels}) {
            throw Error(entry.name, "shape was " + one_line(to_text(entry.shape), 80) +
                                        ", should be " + to_text(Shape{channels}) +
                                        ", one value a channel");
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

// One forward pass: the tensors of IN in memory, and what becomes of them.
class Forward {
public:
    Forward(const SafetensorsFile &file, const ForwardOptions &options, const XInfo &info)
        : options_(options), info_(info), entry_(*find(file.entries(), "x")),
          config_(options.config), x_(read(file, entry_)), y_(options.in_place ? 0 : x_.size()),
          weight_(parameter(file, "weight", 1)), bias_(parameter(file, "bias", 0)),
          moving_mean_(parameter(file, "moving_mean", 0)),
          moving_variance_(parameter(file, "moving_variance", 1)) {
        config_.num_channels = info.channels;
        config_.variant = options.variant ? options.variant->c_str() : nullptr;
    }

    void run() {
        const auto rank = static_cast<int32_t>(entry_.shape.size());
        const halnorm_tensor x =
            halnorm_dense_tensor(x_.data(), info_.dtype, rank, entry_.shape.data());
        halnorm_tensor y = x;
        y.data = y_data();
        const void *const weight = options_.no_weight ? nullptr : weight_.data();
        const void *const bias = options_.no_bias ? nullptr : bias_.data();
        size_t bytes = 0;
        if (options_.uses_moving_statistics()) {
            check(halnorm_forward_inference_workspace(&config_, &x, &bytes));
            Buffer workspace(bytes);
            check(halnorm_forward_inference(&config_, &x, weight, bias, moving_mean_.data(),
                                            moving_variance_.data(), &y, workspace.data(),
                                            workspace.size()));
        } else {
            check(halnorm_forward_training_workspace(&config_, &x, &bytes));
            Buffer workspace(bytes);
            saved_mean_.resize(static_cast<size_t>(info_.channels));
            saved_inv_std_.resize(static_cast<size_t>(info_.channels));
            check(halnorm_forward_training(
                &config_, &x, weight, bias, moving_mean_.data(), moving_variance_.data(), &y,
                saved_mean_.data(), saved_inv_std_.data(), workspace.data(), workspace.size()));
        }
    }

    void write() const {
        const Shape channels = {info_.channels};
        std::vector<OutputTensor> tensors;
        const auto add = [&](const char *name, const Shape &shape, const void *data, size_t bytes) {
            tensors.push_back({name, entry_.dtype, shape, data, bytes});
        };
        add("y", entry_.shape, y_data(), x_.size());
        add("moving_mean", channels, moving_mean_.data(), moving_mean_.size());
        add("moving_variance", channels, moving_variance_.data(), moving_variance_.size());
        const Buffer saved_mean = converted(saved_mean_, info_.dtype);
        const Buffer saved_inv_std = converted(saved_inv_std_, info_.dtype);
        if (!options_.uses_moving_statistics()) {
            add("saved_mean", channels, saved_mean.data(), saved_mean.size());
            add("saved_inv_std", channels, saved_inv_std.data(), saved_inv_std.size());
        }
        halnorm_tool::write("OUT", options_.out, tensors);
    }

private:
    void *y_data() const { return options_.in_place ? x_.data() : y_.data(); }

    // The tensor of that name, or `standard` for every channel.
    Buffer parameter(const SafetensorsFile &file, const char *name, double standard) const {
        if (const TensorEntry *entry = find(file.entries(), name))
            return read(file, *entry);
        const bool is_float = info_.dtype == HALNORM_FLOAT32;
        Buffer buffer(static_cast<uint64_t>(info_.channels) *
                      (is_float ? sizeof(float) : sizeof(double)));
        is_float ? fill<float>(&buffer, standard) : fill<double>(&buffer, standard);
        return buffer;
    }

    const ForwardOptions &options_;
    const XInfo info_;
    const TensorEntry &entry_;  // x's
    halnorm_config config_;
    Buffer x_, y_, weight_, bias_, moving_mean_, moving_variance_;
    std::vector<double> saved_mean_, saved_inv_std_;
};

}  // namespace

void run_forward(const ForwardOptions &options) {
    SafetensorsFile file;
    check(file.open("IN", options.in));
    check_names(file.entries(), options);
    const TensorEntry &x = *find(file.entries(), "x");
    const XInfo info = check_x(x, options);
    check_parameters(file.entries(), x, info.channels);
    Forward forward(file, options, info);
    forward.run();
    forward.write();
}

}  // namespace halnorm_tool
