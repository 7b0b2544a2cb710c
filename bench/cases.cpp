#include "cases.h"

#include <cstring>

namespace bench {

const std::vector<Shape> &shapes() {
    static const std::vector<Shape> list = {
        // ResNet-50
        {"1x64x112x112", 1, 64, 12544, true},
        {"32x64x112x112", 32, 64, 12544, false},
        {"8x64x56x56", 8, 64, 3136, true},
        {"32x64x56x56", 32, 64, 3136, false},
        {"8x256x56x56", 8, 256, 3136, false},
        {"32x256x56x56", 32, 256, 3136, true},
        {"1x512x28x28", 1, 512, 784, true},
        {"8x512x28x28", 8, 512, 784, false},
        {"1x1024x14x14", 1, 1024, 196, false},
        {"8x1024x14x14", 8, 1024, 196, true},
        {"32x1024x14x14", 32, 1024, 196, false},
        {"1x2048x7x7", 1, 2048, 49, false},
        {"8x2048x7x7", 8, 2048, 49, true},
        {"32x2048x7x7", 32, 2048, 49, false},
        // MobileNet
        {"8x32x112x112", 8, 32, 12544, true},
        {"8x96x56x56", 8, 96, 3136, false},
        {"8x1280x7x7", 8, 1280, 49, true},
        // C no multiple of a vector
        {"8x3x224x224", 8, 3, 50176, false},
        {"8x17x30x30", 8, 17, 900, false},
        {"32x100x28x28", 32, 100, 784, true},
        // Tabular, tiny
        {"4096x256", 4096, 256, 1, true},
        {"64x10", 64, 10, 1, true},
        {"1x16x32x32", 1, 16, 1024, true},
    };
    return list;
}

std::string Case::group() const {
    const char *const pipelines[] = {"inference", "training", "backward"};
    return std::string(pipelines[static_cast<int>(pipeline)]) + "/" +
           halnorm_activation_name(activation) + "/" + (layout == HALNORM_NHWC ? "NHWC" : "NCHW") +
           "/" + (dtype == HALNORM_FLOAT64 ? "f64" : "f32") + "/" + shape.name;
}

std::string Case::name() const {
    return group() + "/" + variant;
}

int64_t Case::bytes() const {
    const int tensors = pipeline == Pipeline::backward && variant != "memcpy" ? 3 : 2;
    return tensors * shape.n * shape.c * shape.s * (dtype == HALNORM_FLOAT64 ? 8 : 4);
}

namespace {

void fill(void *data, halnorm_dtype dtype, int64_t count, double scale, double offset) {
    for (int64_t i = 0; i < count; i++) {
        const double v = offset + scale * static_cast<double>((i * 7919) % 1009) / 1009;
        if (dtype == HALNORM_FLOAT64) {
            static_cast<double *>(data)[i] = v;
        } else {
            static_cast<float *>(data)[i] = static_cast<float>(v);
        }
    }
}

}  // namespace

Run::Memory Run::allocate(size_t bytes) {
    return Memory(std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096));
}

Run::Run(const Case &c, int threads) : case_(c), config_(halnorm_default_config(c.shape.c)) {
    const Shape &shape = case_.shape;
    const size_t element = case_.dtype == HALNORM_FLOAT64 ? 8 : 4;
    const int64_t count = shape.n * shape.c * shape.s;
    const size_t bytes = static_cast<size_t>(count) * element,
                 channel_bytes = static_cast<size_t>(shape.c) * element;
    x_data_ = allocate(bytes);
    y_data_ = allocate(bytes);
    fill(x_data_.get(), case_.dtype, count, 4, -1.7);
    fill(y_data_.get(), case_.dtype, count, 0, 0);
    for (Memory *m : {&gamma_, &beta_, &moving_mean_, &moving_variance_}) {
        *m = allocate(channel_bytes);
        fill(m->get(), case_.dtype, shape.c, 0.5, 0.75);
    }
    saved_mean_.resize(static_cast<size_t>(shape.c));
    saved_inv_std_.resize(static_cast<size_t>(shape.c));

    config_.layout = case_.layout;
    config_.activation = case_.activation;
    config_.threads = threads;
    config_.variant = case_.variant.c_str();
    const bool nhwc = case_.layout == HALNORM_NHWC;
    const int64_t extents[3] = {shape.n, nhwc ? shape.s : shape.c, nhwc ? shape.c : shape.s};
    const int32_t rank = shape.s == 1 ? 2 : 3;
    const int64_t tabular[2] = {shape.n, shape.c};
    x_ = halnorm_dense_tensor(x_data_.get(), case_.dtype, rank, rank == 2 ? tabular : extents);
    y_ = halnorm_dense_tensor(y_data_.get(), case_.dtype, rank, rank == 2 ? tabular : extents);
    if (case_.variant == "memcpy")
        return;
    if (case_.pipeline == Pipeline::backward) {
        dy_data_ = allocate(bytes);
        fill(dy_data_.get(), case_.dtype, count, 2, -1);
        dy_ = x_;
        dy_.data = dy_data_.get();
        dgamma_ = allocate(channel_bytes);
        dbeta_ = allocate(channel_bytes);
        fill(saved_mean_.data(), HALNORM_FLOAT64, shape.c, 0.1, 0.25);
        fill(saved_inv_std_.data(), HALNORM_FLOAT64, shape.c, 0.1, 0.8);
        gradients_.x = &x_;
        gradients_.dy = &dy_;
        gradients_.dx = &y_;
        gradients_.gamma = gamma_.get();
        gradients_.beta = beta_.get();
        gradients_.saved_mean = saved_mean_.data();
        gradients_.saved_inv_std = saved_inv_std_.data();
        gradients_.dgamma = dgamma_.get();
        gradients_.dbeta = dbeta_.get();
        if (halnorm_backward_workspace(&config_, &gradients_, &workspace_bytes_) == HALNORM_OK)
            workspace_ = allocate(workspace_bytes_ + 1);
        return;
    }
    const auto query = case_.pipeline == Pipeline::training ? halnorm_forward_training_workspace :
                                                              halnorm_forward_inference_workspace;
    if (query(&config_, &x_, &workspace_bytes_) == HALNORM_OK)
        workspace_ = allocate(workspace_bytes_ + 1);
}

const char *Run::operator()() {
    if (case_.variant == "memcpy") {
        std::memcpy(y_data_.get(), x_data_.get(), static_cast<size_t>(case_.bytes() / 2));
        return nullptr;
    }
    const halnorm_status status =
        case_.pipeline == Pipeline::backward ?
            halnorm_backward(&config_, &gradients_, workspace_.get(), workspace_bytes_) :
        case_.pipeline == Pipeline::training ?
            halnorm_forward_training(&config_, &x_, gamma_.get(), beta_.get(), moving_mean_.get(),
                                     moving_variance_.get(), &y_, saved_mean_.data(),
                                     saved_inv_std_.data(), workspace_.get(), workspace_bytes_) :
            halnorm_forward_inference(&config_, &x_, gamma_.get(), beta_.get(), moving_mean_.get(),
                                      moving_variance_.get(), &y_, workspace_.get(),
                                      workspace_bytes_);
    return status == HALNORM_OK ? nullptr : halnorm_last_error();
}

}  // namespace bench
