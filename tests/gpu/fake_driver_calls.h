// Calls whose results nobody looks at, as kernels of the stand-in for a driver do nothing.
#pragma once

#include <stdint.h>
#include <stdlib.h>
#include <vector>

#include "halnorm/halnorm.h"

namespace gpu {

template<typename Call>
halnorm_status with_workspace(size_t bytes, Call call) {
    void *workspace = aligned_alloc(HALNORM_WORKSPACE_ALIGNMENT, (bytes + 63) / 64 * 64);
    const halnorm_status result = call(workspace);
    free(workspace);
    return result;
}

// One call of training on host memory that pretends to be the device's where `device` says so.
struct Training {
    static constexpr int64_t n = 8, c = 5, s = 49, numel = n * c * s;
    std::vector<float> x = std::vector<float>(numel, 2), y = std::vector<float>(numel, 7);
    std::vector<float> mean = std::vector<float>(c, 3), variance = std::vector<float>(c, 4);
    halnorm_config config = halnorm_default_config(c);
    halnorm_device device = HALNORM_CPU;

    halnorm_status run() {
        const int64_t shape[] = {n, c, s};
        halnorm_tensor in = halnorm_dense_tensor(x.data(), HALNORM_FLOAT32, 3, shape);
        halnorm_tensor out = halnorm_dense_tensor(y.data(), HALNORM_FLOAT32, 3, shape);
        in.device = out.device = device;
        size_t bytes = 0;
        const halnorm_status status = halnorm_forward_training_workspace(&config, &in, &bytes);
        if (status != HALNORM_OK)
            return status;
        return with_workspace(bytes, [&](void *workspace) {
            return halnorm_forward_training(&config, &in, nullptr, nullptr, mean.data(),
                                            variance.data(), &out, nullptr, nullptr, workspace,
                                            bytes);
        });
    }
    bool untouched() const {
        return x == std::vector<float>(numel, 2) && y == std::vector<float>(numel, 7) &&
               mean == std::vector<float>(c, 3) && variance == std::vector<float>(c, 4);
    }
};

// Calls around the backward pass on host memory that pretends to be the device's.
struct Gradients {
    static constexpr int64_t n = 4, c = 200, s = 9, numel = n * c * s;
    std::vector<float> x = std::vector<float>(numel, 2), dy = std::vector<float>(numel, 1),
                       dx = std::vector<float>(numel, 7), y = std::vector<float>(numel, 7);
    std::vector<float> gamma = std::vector<float>(c, 1), dgamma = std::vector<float>(c, 7),
                       moving_mean = std::vector<float>(c, 3),
                       moving_variance = std::vector<float>(c, 4);
    std::vector<double> mean = std::vector<double>(c, 3), inv_std = std::vector<double>(c, 4),
                        saved_mean = std::vector<double>(c, 7),
                        saved_inv_std = std::vector<double>(c, 7),
                        sum_g = std::vector<double>(c, 5), sum_g_xhat = std::vector<double>(c, 6);
    halnorm_config config = halnorm_default_config(c);
    bool batch = true, from_y = false, wants_dx = true;

    halnorm_tensor tensor(std::vector<float> &values) const {
        const int64_t shape[] = {n, c, s};
        halnorm_tensor t = halnorm_dense_tensor(values.data(), HALNORM_FLOAT32, 3, shape);
        t.device = HALNORM_CUDA;
        return t;
    }
    template<typename Query, typename Call>
    halnorm_status run(Query query, Call call) {
        const halnorm_tensor in = tensor(x), gradient = tensor(dy), out = tensor(dx);
        halnorm_backward_args args = {};
        (from_y ? args.y : args.x) = &in;
        args.dy = &gradient;
        args.gamma = gamma.data();
        if (batch) {
            args.saved_mean = mean.data();
            args.saved_inv_std = inv_std.data();
        } else {
            args.moving_mean = moving_mean.data();
            args.moving_variance = moving_variance.data();
        }
        args.dx = wants_dx ? &out : nullptr;
        args.dgamma = dgamma.data();
        size_t bytes = 0;
        const halnorm_status status = query(&config, &args, &bytes);
        return status != HALNORM_OK ? status : with_workspace(bytes, [&](void *workspace) {
            return call(args, workspace, bytes);
        });
    }
    halnorm_status backward() {
        return run(halnorm_backward_workspace,
                   [&](const halnorm_backward_args &args, void *workspace, size_t bytes) {
                       return halnorm_backward(&config, &args, workspace, bytes);
                   });
    }
    halnorm_status reduce() {
        return run(halnorm_backward_reduce_workspace,
                   [&](const halnorm_backward_args &args, void *workspace, size_t bytes) {
                       return halnorm_backward_reduce(&config, &args, sum_g.data(),
                                                      sum_g_xhat.data(), workspace, bytes);
                   });
    }
    halnorm_status apply() {
        return run(halnorm_backward_apply_workspace,
                   [&](const halnorm_backward_args &args, void *workspace, size_t bytes) {
                       return halnorm_backward_apply(&config, &args, 2 * n * s, sum_g.data(),
                                                     sum_g_xhat.data(), workspace, bytes);
                   });
    }
    halnorm_status forward_apply() {
        const halnorm_tensor in = tensor(x), out = tensor(y);
        size_t bytes = 0;
        const halnorm_status status = halnorm_forward_apply_workspace(&config, &in, &bytes);
        return status != HALNORM_OK ? status : with_workspace(bytes, [&](void *workspace) {
            return halnorm_forward_apply(&config, &in, nullptr, 2 * n * s, mean.data(),
                                         inv_std.data(), gamma.data(), nullptr, nullptr, nullptr,
                                         &out, saved_mean.data(), saved_inv_std.data(), workspace,
                                         bytes);
        });
    }
    // All of them, and with them all kernels of the backward pass.
    bool all() {
        batch = true, from_y = false, wants_dx = true;
        config.activation = HALNORM_ACT_RELU;
        bool good = backward() == HALNORM_OK && reduce() == HALNORM_OK && apply() == HALNORM_OK &&
                    forward_apply() == HALNORM_OK;
        batch = false;
        good = good && backward() == HALNORM_OK;
        wants_dx = false;
        config.activation = HALNORM_ACT_SILU;
        good = good && backward() == HALNORM_OK;
        wants_dx = from_y = true;
        config.activation = HALNORM_ACT_ELU;
        return good && backward() == HALNORM_OK;
    }
};

}  // namespace gpu
