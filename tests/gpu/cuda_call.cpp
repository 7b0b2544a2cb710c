#include "cuda_call.h"

#include "random.h"

namespace gpu {
namespace {

template<typename T>
struct Arrays {
    Array<T> x, y, z, gamma, beta, mean, variance;
    Array<double> saved_mean, saved_inv_std;

    explicit Arrays(const Case &k) {
        test::Random random(static_cast<uint64_t>(k.n * 1000003 + k.c * 1009 + k.s));
        std::vector<double> center;
        for (size_t c = 0; c < k.channels(); c++) {
            center.push_back(random.uniform(-2, 2));
            gamma.values.push_back(static_cast<T>(random.uniform(0.5, 2)));
            beta.values.push_back(static_cast<T>(random.uniform(-1, 1)));
            mean.values.push_back(static_cast<T>(random.uniform(-2, 2)));
            variance.values.push_back(static_cast<T>(random.uniform(0.5, 2)));
        }
        for (size_t i = 0; i < k.numel(); i++) {
            x.values.push_back(static_cast<T>(center[k.channel_of(i)] + random.uniform(-1.7, 1.7)));
            if (k.add)
                z.values.push_back(static_cast<T>(random.uniform(-2, 2)));
        }
        y.values.assign(k.numel(), 99);
        saved_mean.values.assign(k.channels(), 99);
        saved_inv_std.values.assign(k.channels(), 99);
    }

    template<typename F>
    void each(F f) {
        f(x), f(y), f(z), f(gamma), f(beta), f(mean), f(variance), f(saved_mean), f(saved_inv_std);
    }
};

halnorm_status workspace_bytes(const Case &k, size_t *bytes) {
    const halnorm_config config = k.config();
    const halnorm_tensor x = k.tensor(nullptr);
    return k.training ? halnorm_forward_training_workspace(&config, &x, bytes) :
                        halnorm_forward_inference_workspace(&config, &x, bytes);
}

template<typename T>
halnorm_status call(const Case &k, Arrays<T> &a, void *workspace, size_t bytes) {
    const halnorm_config config = k.config();
    const halnorm_tensor x = k.tensor(a.x.data()), z = k.tensor(a.z.data()),
                         y = k.in_place ? x : k.tensor(a.y.data());
    T *const gamma = a.gamma.data(), *const beta = a.beta.data();
    T *const mean = a.mean.data(), *const variance = a.variance.data();
    double *const saved_mean = a.saved_mean.data(), *const saved_inv_std = a.saved_inv_std.data();
    if (k.training && k.add) {
        return halnorm_forward_training_add(&config, &x, &z, gamma, beta, mean, variance, &y,
                                            saved_mean, saved_inv_std, workspace, bytes);
    }
    if (k.training) {
        return halnorm_forward_training(&config, &x, gamma, beta, mean, variance, &y, saved_mean,
                                        saved_inv_std, workspace, bytes);
    }
    if (k.add) {
        return halnorm_forward_inference_add(&config, &x, &z, gamma, beta, mean, variance, &y,
                                             workspace, bytes);
    }
    return halnorm_forward_inference(&config, &x, gamma, beta, mean, variance, &y, workspace,
                                     bytes);
}

template<typename T>
halnorm_status run(const Driver &driver, const Case &k, Arrays<T> &a) {
    size_t bytes = 0;
    const halnorm_status asked = workspace_bytes(k, &bytes);
    if (asked != HALNORM_OK)
        return asked;
    const Workspace workspace(driver, k.on_device, bytes);
    a.each([&](auto &array) { array.place(driver, k.on_device); });
    const halnorm_status status = call(k, a, workspace.data(), bytes);
    a.each([](auto &array) { array.read(); });
    return status;
}

template<typename T>
std::string check_type(const Driver &driver, const Case &k) {
    Arrays<T> a(k);
    reference::Parameters p(k.c);
    p.gamma.assign(a.gamma.values.begin(), a.gamma.values.end());
    p.beta.assign(a.beta.values.begin(), a.beta.values.end());
    p.moving_mean.assign(a.mean.values.begin(), a.mean.values.end());
    p.moving_variance.assign(a.variance.values.begin(), a.variance.values.end());
    p.activation = k.activation;
    p.alpha = halnorm_activation_default_alpha(k.activation);
    const reference::Array x = reference::read(k.host_tensor(a.x.values.data()), k.layout);
    const std::vector<double> addend(a.z.values.begin(), a.z.values.end());
    const std::vector<double> *z = k.add ? &addend : nullptr;
    const reference::Forward f =
        k.training ? forward_training(x, p, z) : forward_inference(x, p, z);

    const halnorm_status status = run(driver, k, a);
    if (status != HALNORM_OK)
        return words(status);
    const double m = static_cast<double>(x.count());
    const bool one = k.training && x.count() == 1;
    const test::Source source = k.training ? test::Source::batch : test::Source::moving;
    const std::vector<T> &y = k.in_place ? a.x.values : a.y.values;
    std::string wrong = compare("y", k.dtype, y, f.y, [&](size_t i) {
        double v =
            one ? 0 : test::normalized_absolute(k.dtype, source, m, f, x.channel_of(i), f.xhat[i]);
        v += k.add ? test::added_absolute(k.dtype, addend[i], f.normalized[i]) : 0;
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
    wrong = compare("saved_mean", HALNORM_FLOAT64, a.saved_mean.values, f.saved_mean, mean_error);
    if (!wrong.empty())
        return wrong;
    wrong = compare(
        "saved_inv_std", HALNORM_FLOAT64, a.saved_inv_std.values, f.saved_inv_std, [&](size_t c) {
            return f.saved_inv_std[c] * (test::variance_relative(k.dtype, m) / 2 + 8 * 0x1p-53);
        });
    if (!wrong.empty())
        return wrong;
    return compare("moving_mean", k.dtype, a.mean.values, f.moving_mean, [&](size_t c) {
        return test::moving_absolute(k.dtype, p.momentum, p.moving_mean[c], f.saved_mean[c],
                                     mean_error(c), f.moving_mean[c]);
    });
}

}  // namespace

std::string Case::describe() const {
    return (training ? "training " : "inference ") + Setting::describe() + (add ? " and z" : "") +
           (in_place ? " in place" : "");
}

std::string check(const Driver &driver, const Case &k) {
    return k.dtype == HALNORM_FLOAT32 ? check_type<float>(driver, k) :
                                        check_type<double>(driver, k);
}

Times measure(Driver &driver, const Case &k) {
    Arrays<float> a(k);
    a.each([&](auto &array) { array.place(driver, true); });
    size_t bytes = 0;
    workspace_bytes(k, &bytes);
    const Workspace workspace(driver, true, bytes);
    return least_times(driver, k, a.y.data(), a.x.data(),
                       [&] { return call(k, a, workspace.data(), bytes); });
}

}  // namespace gpu
