#include "cuda_case.h"

#include <algorithm>

namespace gpu {

size_t Setting::channel_of(size_t index) const {
    return layout == HALNORM_NCHW ? index / static_cast<size_t>(s) % channels() :
                                    index % channels();
}

halnorm_config Setting::config() const {
    halnorm_config config = halnorm_default_config(c);
    config.layout = layout;
    config.activation = activation;
    config.variant = "cuda";
    return config;
}

halnorm_tensor Setting::host_tensor(void *data) const {
    const int64_t nchw[] = {n, c, s}, nhwc[] = {n, s, c};
    return halnorm_dense_tensor(data, dtype, 3, layout == HALNORM_NCHW ? nchw : nhwc);
}

halnorm_tensor Setting::images(void *data, int64_t first, int64_t last) const {
    const int64_t element = dtype == HALNORM_FLOAT32 ? sizeof(float) : sizeof(double);
    halnorm_tensor t = host_tensor(static_cast<char *>(data) + first * c * s * element);
    t.shape[0] = last - first;
    t.device = on_device ? HALNORM_CUDA : HALNORM_CPU;
    return t;
}

std::string Setting::describe() const {
    char text[160];
    snprintf(text, sizeof text, "%s %s %s n %lld, c %lld, s %lld%s",
             layout == HALNORM_NCHW ? "nchw" : "nhwc", dtype == HALNORM_FLOAT32 ? "f32" : "f64",
             halnorm_activation_name(activation), static_cast<long long>(n),
             static_cast<long long>(c), static_cast<long long>(s),
             on_device ? " on the device" : " from host memory");
    return text;
}

std::string words(halnorm_status status) {
    return std::string(halnorm_status_name(status)) + ": " + halnorm_last_error();
}

Times least_times(Driver &driver, const Setting &settings, void *to, const void *from,
                  const std::function<halnorm_status()> &call) {
    constexpr int rounds = 7,
                  calls = 20;  // enough calls that starting and stopping the clock does not count
    Times least = {1e30, 1e30};
    for (int round = 0; round < rounds; round++) {
        driver.start();
        for (int i = 0; i < calls; i++) {
            const halnorm_status status = call();
            if (status != HALNORM_OK) {
                printf("%s: %s\n", settings.describe().c_str(), words(status).c_str());
                exit(1);
            }
        }
        least.call = std::min(least.call, static_cast<double>(driver.stop()) * 1e3 / calls);
        driver.start();
        for (int i = 0; i < calls; i++)
            driver.copy(to, from, settings.numel() * sizeof(float));
        least.copy = std::min(least.copy, static_cast<double>(driver.stop()) * 1e3 / calls);
    }
    return least;
}

}  // namespace gpu
