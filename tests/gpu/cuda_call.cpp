#include "cuda_call.h"

#include <algorithm>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "random.h"
#include "tolerance.h"

namespace gpu {
namespace {

halnorm_config config_of(const Case &k) {
    halnorm_config config = halnorm_default_config(k.c);
    config.layout = k.layout;
    config.activation = k.activation;
    config.variant = "cuda";
    return config;
}

// The arrays of a call, in host memory.
template<typename T>
struct Arrays {
    std::vector<T> x, y, gamma, beta, mean, variance;
    std::vector<double> saved_mean, saved_inv_std;

    explicit Arrays(const Case &k) {
        test::Random random(static_cast<uint64_t>(k.n * 1000003 + k.c * 1009 + k.s));
        const size_t channels = static_cast<size_t>(k.c);
        std::vector<double> center;
        for (size_t c = 0; c < channels; c++) {
            center.push_back(random.uniform(-2, 2));
            gamma.push_back(static_cast<T>(random.uniform(0.5, 2)));
            beta.push_back(static_cast<T>(random.uniform(-1, 1)));
            mean.push_back(static_cast<T>(random.uniform(-2, 2)));
            variance.push_back(static_cast<T>(random.uniform(0.5, 2)));
        }
        const size_t s = static_cast<size_t>(k.s), count = static_cast<size_t>(k.n) * channels * s;
        for (size_t i = 0; i < count; i++) {
            const size_t c = k.layout == HALNORM_NCHW ? i / s % channels : i % channels;
            x.push_back(static_cast<T>(center[c] + random.uniform(-1.7, 1.7)));
        }
        y.assign(count, 99);
        saved_mean.assign(channels, 99);
        saved_inv_std.assign(channels, 99);
    }
};

struct Pointers {
    void *x, *y, *gamma, *beta, *mean, *variance;
    double *saved_mean, *saved_inv_std;
};

halnorm_tensor tensor(const Case &k, void *data, bool on_device) {
    const std::vector<int64_t> shape = k.shape();
    halnorm_tensor t =
        halnorm_dense_tensor(data, k.dtype, static_cast<int32_t>(shape.size()), shape.data());
    t.device = on_device ? HALNORM_CUDA : HALNORM_CPU;
    return t;
}

halnorm_status workspace_bytes(const Case &k, size_t *bytes) {
    const halnorm_config config = config_of(k);
    const halnorm_tensor x = tensor(k, nullptr, k.on_device);
    return k.training ? halnorm_forward_training_workspace(&config, &x, bytes) :
                        halnorm_forward_inference_workspace(&config, &x, bytes);
}

halnorm_status call(const Case &k, const Pointers &p, void *workspace, size_t bytes) {
    const halnorm_config config = config_of(k);
    const halnorm_tensor x = tensor(k, p.x, k.on_device), y = tensor(k, p.y, k.on_device);
    if (!k.training) {
        return halnorm_forward_inference(&config, &x, p.gamma, p.beta, p.mean, p.variance, &y,
                                         workspace, bytes);
    }
    return halnorm_forward_training(&config, &x, p.gamma, p.beta, p.mean, p.variance, &y,
                                    p.saved_mean, p.saved_inv_std, workspace, bytes);
}

template<typename T>
halnorm_status run(const Driver &driver, const Case &k, Arrays<T> *a) {
    size_t bytes = 0;
    const halnorm_status asked = workspace_bytes(k, &bytes);
    if (asked != HALNORM_OK)
        return asked;
    if (!k.on_device) {
        const std::unique_ptr<void, decltype(&free)> workspace(
            aligned_alloc(64, (bytes + 63) / 64 * 64), free);
        return call(k,
                    {a->x.data(), k.in_place ? a->x.data() : a->y.data(), a->gamma.data(),
                     a->beta.data(), a->mean.data(), a->variance.data(), a->saved_mean.data(),
                     a->saved_inv_std.data()},
                    workspace.get(), bytes);
    }
    const auto copy = [&](auto &values) {
        using Element = typename std::decay_t<decltype(values)>::value_type;
        return std::make_unique<DeviceArray<Element>>(driver, values.data(), values.size());
    };
    const auto x = copy(a->x), y = copy(a->y), gamma = copy(a->gamma), beta = copy(a->beta),
               mean = copy(a->mean), variance = copy(a->variance);
    const auto saved_mean = copy(a->saved_mean), saved_inv_std = copy(a->saved_inv_std);
    const DeviceArray<char> workspace(driver, nullptr, bytes);
    const auto &out = k.in_place ? x : y;
    const halnorm_status status =
        call(k,
             {x->data(), out->data(), gamma->data(), beta->data(), mean->data(), variance->data(),
              saved_mean->data(), saved_inv_std->data()},
             workspace.data(), bytes);
    x->read(a->x.data());
    y->read(a->y.data());
    mean->read(a->mean.data());
    variance->read(a->variance.data());
    saved_mean->read(a->saved_mean.data());
    saved_inv_std->read(a->saved_inv_std.data());
    return status;
}

// The first number that is too far from what it should be.
template<typename T, typename Tolerance>
std::string compare(const char *name, halnorm_dtype dtype, const std::vector<T> &actual,
                    const std::vector<double> &expected, Tolerance tolerance) {
    for (size_t i = 0; i < expected.size(); i++) {
        const double was = static_cast<double>(actual[i]);
        if (test::close(dtype, was, expected[i], tolerance(i)))
            continue;
        char text[160];
        snprintf(text, sizeof text, "%s[%zu] is %.9g, should be %.9g, tolerance %.3g", name, i, was,
                 expected[i], tolerance(i));
        return text;
    }
    return "";
}

template<typename T>
std::string check_type(const Driver &driver, const Case &k) {
    Arrays<T> a(k);
    reference::Parameters p(k.c);
    p.gamma.assign(a.gamma.begin(), a.gamma.end());
    p.beta.assign(a.beta.begin(), a.beta.end());
    p.moving_mean.assign(a.mean.begin(), a.mean.end());
    p.moving_variance.assign(a.variance.begin(), a.variance.end());
    p.activation = k.activation;
    p.alpha = halnorm_activation_default_alpha(k.activation);
    const reference::Array x = reference::read(tensor(k, a.x.data(), false), k.layout);
    const reference::Forward f = k.training ? forward_training(x, p) : forward_inference(x, p);

    const halnorm_status status = run(driver, k, &a);
    if (status != HALNORM_OK)
        return std::string(halnorm_status_name(status)) + ": " + halnorm_last_error();
    const double m = static_cast<double>(x.count());
    const bool one = k.training && x.count() == 1;
    const test::Source source = k.training ? test::Source::batch : test::Source::moving;
    std::string wrong = compare("y", k.dtype, k.in_place ? a.x : a.y, f.y, [&](size_t i) {
        const double v =
            one ? 0 : test::normalized_absolute(k.dtype, source, m, f, x.channel_of(i), f.xhat[i]);
        return test::activated_absolute(k.dtype, p.activation, p.alpha, f.normalized[i], v, f.y[i]);
    });
    if (!wrong.empty() || !k.training || one)
        return wrong;

    const auto variance = [&](size_t c) {
        return 1 / (f.saved_inv_std[c] * f.saved_inv_std[c]) - p.epsilon;
    };
    const auto mean_error = [&](size_t c) {
        return test::mean_absolute(k.dtype, m, f.saved_mean[c], sqrt(fmax(variance(c), 0)));
    };
    wrong = compare("saved_mean", HALNORM_FLOAT64, a.saved_mean, f.saved_mean, mean_error);
    if (!wrong.empty())
        return wrong;
    wrong =
        compare("saved_inv_std", HALNORM_FLOAT64, a.saved_inv_std, f.saved_inv_std, [&](size_t c) {
            return f.saved_inv_std[c] * (test::variance_relative(k.dtype, m) / 2 + 8 * 0x1p-53);
        });
    if (!wrong.empty())
        return wrong;
    return compare("moving_mean", k.dtype, a.mean, f.moving_mean, [&](size_t c) {
        return test::moving_absolute(k.dtype, p.momentum, p.moving_mean[c], f.saved_mean[c],
                                     mean_error(c), f.moving_mean[c]);
    });
}

}  // namespace

std::vector<int64_t> Case::shape() const {
    return layout == HALNORM_NCHW ? std::vector<int64_t>{n, c, s} : std::vector<int64_t>{n, s, c};
}

std::string Case::describe() const {
    char text[160];
    snprintf(text, sizeof text, "%s %s %s %s n %lld, c %lld, s %lld%s%s",
             training ? "training" : "inference", layout == HALNORM_NCHW ? "nchw" : "nhwc",
             dtype == HALNORM_FLOAT32 ? "f32" : "f64", halnorm_activation_name(activation),
             static_cast<long long>(n), static_cast<long long>(c), static_cast<long long>(s),
             on_device ? " on the device" : " from host memory", in_place ? " in place" : "");
    return text;
}

std::string check(const Driver &driver, const Case &k) {
    return k.dtype == HALNORM_FLOAT32 ? check_type<float>(driver, k) :
                                        check_type<double>(driver, k);
}

Times measure(Driver &driver, const Case &k) {
    Arrays<float> a(k);
    const size_t channels = a.gamma.size(), numel = a.x.size();
    const DeviceArray<float> x(driver, a.x.data(), numel), y(driver, a.y.data(), numel);
    const DeviceArray<float> gamma(driver, a.gamma.data(), channels),
        beta(driver, a.beta.data(), channels);
    const DeviceArray<float> mean(driver, a.mean.data(), channels),
        variance(driver, a.variance.data(), channels);
    const DeviceArray<double> saved_mean(driver, nullptr, channels),
        saved_inv_std(driver, nullptr, channels);
    size_t bytes = 0;
    workspace_bytes(k, &bytes);
    const DeviceArray<char> workspace(driver, nullptr, bytes);
    const Pointers p = {x.data(),    y.data(),        gamma.data(),      beta.data(),
                        mean.data(), variance.data(), saved_mean.data(), saved_inv_std.data()};

    constexpr int rounds = 7,
                  calls = 20;  // enough calls that starting and stopping the clock does not count
    Times least = {1e30, 1e30};
    for (int round = 0; round < rounds; round++) {
        driver.start();
        for (int i = 0; i < calls; i++) {
            if (call(k, p, workspace.data(), bytes) != HALNORM_OK) {
                printf("%s: %s\n", k.describe().c_str(), halnorm_last_error());
                exit(1);
            }
        }
        least.call = std::min(least.call, static_cast<double>(driver.stop()) * 1e3 / calls);
        driver.start();
        for (int i = 0; i < calls; i++)
            driver.copy(y.data(), x.data(), numel * sizeof(float));
        least.copy = std::min(least.copy, static_cast<double>(driver.stop()) * 1e3 / calls);
    }
    return least;
}

}  // namespace gpu
