#include "cuda_backward_call.h"

#include "random.h"

namespace gpu {
namespace {

constexpr int before = 99;  // what results hold before a call

template<typename T>
struct Arrays {
    Array<T> x, dy, z, gamma, beta, mean, variance;  // x: or y
    Array<double> saved_mean, saved_inv_std;
    Array<T> dx, dz, dgamma, dbeta;
    Array<double> sum_g, sum_g_xhat;  // of two halves

    explicit Arrays(const BackwardCase &k) {
        test::Random random(static_cast<uint64_t>(k.n * 1000003 + k.c * 1009 + k.s));
        std::vector<double> center;
        for (size_t c = 0; c < k.channels(); c++) {
            center.push_back(random.uniform(-2, 2));
            gamma.values.push_back(
                static_cast<T>(random.uniform(0.5, 2) * (random.below(4) == 0 ? -1 : 1)));
            beta.values.push_back(static_cast<T>(random.uniform(-1, 1)));
            mean.values.push_back(static_cast<T>(random.uniform(-2, 2)));
            variance.values.push_back(static_cast<T>(random.uniform(0.5, 2)));
            saved_mean.values.push_back(center[c]);
            saved_inv_std.values.push_back(random.uniform(0.5, 2));
        }
        for (size_t i = 0; i < k.numel(); i++) {
            x.values.push_back(static_cast<T>(center[k.channel_of(i)] + random.uniform(-1.7, 1.7)));
            dy.values.push_back(static_cast<T>(random.uniform(-0.75, 1.25)));
            if (k.add)
                z.values.push_back(static_cast<T>(random.uniform(-2, 2)));
        }
        dx.values.assign(k.dx && !k.in_place ? k.numel() : 0, before);
        dz.values.assign(k.add ? k.numel() : 0, before);
        for (Array<T> *array : {&dgamma, &dbeta})
            array->values.assign(k.channels(), before);
        for (Array<double> *array : {&sum_g, &sum_g_xhat})
            array->values.assign(k.channels(), before);
    }

    template<typename F>
    void each(F f) {
        f(x), f(dy), f(z), f(gamma), f(beta), f(mean), f(variance), f(saved_mean), f(saved_inv_std);
        f(dx), f(dz), f(dgamma), f(dbeta), f(sum_g), f(sum_g_xhat);
    }
};

template<typename T>
reference::Parameters parameters(const BackwardCase &k, const Arrays<T> &a) {
    reference::Parameters p(k.c);
    p.gamma.assign(a.gamma.values.begin(), a.gamma.values.end());
    p.beta.assign(a.beta.values.begin(), a.beta.values.end());
    p.moving_mean.assign(a.mean.values.begin(), a.mean.values.end());
    p.moving_variance.assign(a.variance.values.begin(), a.variance.values.end());
    p.activation = k.activation;
    p.alpha = halnorm_activation_default_alpha(k.activation);
    return p;
}

// Saved statistics are those of x from here on; y, where that is given, is what the forward pass
// makes of x.
template<typename T>
void forward(const BackwardCase &k, Arrays<T> &a) {
    const reference::Array x = reference::read(k.host_tensor(a.x.values.data()), k.layout);
    const reference::Parameters p = parameters(k, a);
    const reference::Forward f = k.batch ? forward_training(x, p) : forward_inference(x, p);
    if (k.batch) {
        a.saved_mean.values = f.saved_mean;
        a.saved_inv_std.values = f.saved_inv_std;
    }
    for (size_t i = 0; k.from_y && i < f.y.size(); i++)
        a.x.values[i] = static_cast<T>(f.y[i]);
}

template<typename T>
reference::Backward reference_input(const BackwardCase &k, Arrays<T> &a) {
    reference::Backward b(parameters(k, a));
    b.x = reference::read(k.host_tensor(a.x.values.data()), k.layout);
    b.from_y = k.from_y;
    b.u = test::unit_roundoff(k.dtype);
    b.dy.assign(a.dy.values.begin(), a.dy.values.end());
    b.z.assign(a.z.values.begin(), a.z.values.end());
    b.batch = k.batch;
    b.mean = k.batch ? a.saved_mean.values : b.p.moving_mean;
    b.inv_std = k.batch ? a.saved_inv_std.values :
                          reference::inverse_deviations(b.p.moving_variance, b.p.epsilon);
    return b;
}

// The arguments of a call on some images, and the tensors that they point to.
struct Call {
    template<typename T>
    Call(const BackwardCase &k, Arrays<T> &a, int64_t first, int64_t last)
        : config(k.config()), x(k.images(a.x.data(), first, last)),
          dy(k.images(a.dy.data(), first, last)), z(k.images(a.z.data(), first, last)),
          dx(k.in_place ? dy : k.images(a.dx.data(), first, last)),
          dz(k.images(a.dz.data(), first, last)) {
        (k.from_y ? args.y : args.x) = &x;
        args.dy = &dy;
        args.gamma = a.gamma.data();
        args.beta = a.beta.data();
        if (k.batch) {
            args.saved_mean = a.saved_mean.data();
            args.saved_inv_std = a.saved_inv_std.data();
        } else {
            args.moving_mean = a.mean.data();
            args.moving_variance = a.variance.data();
        }
        args.z = k.add ? &z : nullptr;
        args.dz = k.add ? &dz : nullptr;
        args.dx = k.dx ? &dx : nullptr;
        args.dgamma = a.dgamma.data();
        args.dbeta = a.dbeta.data();
    }
    Call(const Call &) = delete;

    halnorm_config config;
    halnorm_tensor x, dy, z, dx, dz;
    halnorm_backward_args args = {};
};

template<typename T>
halnorm_status run_whole(const Driver &driver, const BackwardCase &k, Arrays<T> &a) {
    const Call call(k, a, 0, k.n);
    size_t bytes = 0;
    const halnorm_status status = halnorm_backward_workspace(&call.config, &call.args, &bytes);
    if (status != HALNORM_OK)
        return status;
    const Workspace workspace(driver, k.on_device, bytes);
    return halnorm_backward(&call.config, &call.args, workspace.data(), bytes);
}

template<typename T>
halnorm_status run_halves(const Driver &driver, const BackwardCase &k, Arrays<T> &a) {
    const Call calls[] = {{k, a, 0, k.n / 2}, {k, a, k.n / 2, k.n}};
    halnorm_status status = HALNORM_OK;
    size_t bytes = 0;
    std::vector<double> total_g(k.channels(), 0), total_g_xhat(k.channels(), 0);
    for (const Call &call : calls) {
        status = halnorm_backward_reduce_workspace(&call.config, &call.args, &bytes);
        if (status != HALNORM_OK)
            return status;
        const Workspace workspace(driver, k.on_device, bytes);
        status = halnorm_backward_reduce(&call.config, &call.args, a.sum_g.data(),
                                         a.sum_g_xhat.data(), workspace.data(), bytes);
        if (status != HALNORM_OK)
            return status;
        a.sum_g.read();
        a.sum_g_xhat.read();
        for (size_t c = 0; c < k.channels(); c++) {
            total_g[c] += a.sum_g.values[c];
            total_g_xhat[c] += a.sum_g_xhat.values[c];
        }
    }
    a.sum_g.values = total_g;
    a.sum_g_xhat.values = total_g_xhat;
    a.sum_g.write();
    a.sum_g_xhat.write();
    for (const Call &call : calls) {
        status = halnorm_backward_apply_workspace(&call.config, &call.args, &bytes);
        if (status != HALNORM_OK)
            return status;
        const Workspace workspace(driver, k.on_device, bytes);
        status = halnorm_backward_apply(&call.config, &call.args, k.n * k.s, a.sum_g.data(),
                                        a.sum_g_xhat.data(), workspace.data(), bytes);
        if (status != HALNORM_OK)
            return status;
    }
    return status;
}

template<typename T>
halnorm_status run(const Driver &driver, const BackwardCase &k, Arrays<T> &a) {
    a.each([&](auto &array) { array.place(driver, k.on_device); });
    const halnorm_status status = k.halves ? run_halves(driver, k, a) : run_whole(driver, k, a);
    a.each([](auto &array) { array.read(); });
    return status;
}

template<typename T>
std::string check_type(const Driver &driver, const BackwardCase &k) {
    Arrays<T> a(k);
    forward(k, a);
    const reference::Backward b = reference_input(k, a);
    const reference::Gradients expected = backward(b);
    const int64_t count = expected.sums.count;
    const test::BackwardTolerance t = test::backward_tolerance(k.dtype, b, expected, count);
    const double u = test::unit_roundoff(k.dtype);

    const halnorm_status status = run(driver, k, a);
    if (status != HALNORM_OK)
        return words(status);
    std::string wrong;
    const auto compare_all = [&](bool wanted, const char *name, halnorm_dtype dtype,
                                 const auto &actual, const std::vector<double> &should,
                                 const std::vector<double> &tolerance, double rounding) {
        if (wanted && wrong.empty()) {
            wrong = compare(name, dtype, actual, should,
                            [&](size_t i) { return tolerance[i] + rounding * fabs(should[i]); });
        }
    };
    const std::vector<T> &dx = k.in_place ? a.dy.values : a.dx.values;
    compare_all(k.dx, "dx", k.dtype, dx, expected.dx, t.dx, 0);
    compare_all(k.add, "dz", k.dtype, a.dz.values, expected.g, t.dz, 0);
    compare_all(true, "dgamma", k.dtype, a.dgamma.values, expected.dgamma, t.dgamma, u);
    compare_all(true, "dbeta", k.dtype, a.dbeta.values, expected.dbeta, t.dbeta, u);
    const bool sums = k.halves && !(k.batch && count == 1);
    compare_all(sums, "sum_g", HALNORM_FLOAT64, a.sum_g.values, expected.sums.g, t.dbeta, 0);
    compare_all(sums, "sum_g_xhat", HALNORM_FLOAT64, a.sum_g_xhat.values, expected.sums.g_xhat,
                t.dgamma, 0);
    return wrong;
}

template<typename T>
std::string check_zero_gamma_of(const Driver &driver, const BackwardCase &k, int64_t channel) {
    Arrays<T> a(k);
    forward(k, a);
    a.gamma.values[static_cast<size_t>(channel)] = 0;
    const Arrays<T> fresh(k);
    const halnorm_status status = run(driver, k, a);
    const std::string name = "args.gamma[" + std::to_string(channel) + "]";
    if (status != HALNORM_ERROR_PARAMETER || words(status).find(name) == std::string::npos)
        return words(status) + ", should be an error of " + name;
    const bool same = a.dx.values == fresh.dx.values && a.dy.values == fresh.dy.values &&
                      a.dgamma.values == fresh.dgamma.values &&
                      a.dbeta.values == fresh.dbeta.values;
    return same ? "" : "a gamma of 0 was refused after something was written";
}

}  // namespace

std::string BackwardCase::describe() const {
    return std::string(batch ? "backward batch " : "backward moving ") + Setting::describe() +
           (from_y ? " from y" : "") + (add ? " and z" : "") + (dx ? "" : " without dx") +
           (in_place ? " in place" : "") + (halves ? " in halves" : "");
}

std::string check(const Driver &driver, const BackwardCase &k) {
    return k.dtype == HALNORM_FLOAT32 ? check_type<float>(driver, k) :
                                        check_type<double>(driver, k);
}

std::string check_zero_gamma(const Driver &driver, const BackwardCase &k, int64_t channel) {
    return k.dtype == HALNORM_FLOAT32 ? check_zero_gamma_of<float>(driver, k, channel) :
                                        check_zero_gamma_of<double>(driver, k, channel);
}

Times measure(Driver &driver, const BackwardCase &k) {
    Arrays<float> a(k);
    a.each([&](auto &array) { array.place(driver, true); });
    const Call call(k, a, 0, k.n);
    size_t bytes = 0;
    halnorm_backward_workspace(&call.config, &call.args, &bytes);
    const Workspace workspace(driver, true, bytes);
    return least_times(driver, k, a.dx.data(), a.x.data(), [&] {
        return halnorm_backward(&call.config, &call.args, workspace.data(), bytes);
    });
}

}  // namespace gpu
