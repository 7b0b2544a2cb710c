// A side's half of side.h, the same for all pipelines: a pipeline says how much workspace it needs
// and how it is called. Each is a file of its own, so that a link takes its kernels alone.
#pragma once

#include <halnorm/halnorm.h>

#include <cstdlib>
#include <string>

#include "side.h"

namespace bench::side {

struct Prepared {
    Case c;
    std::string variant;
    halnorm_config config;
    halnorm_tensor x, y, dy;
    halnorm_backward_args gradients = {};

    explicit Prepared(const Case &given)
        : c(given), variant(given.variant), config(halnorm_default_config(given.c)) {
        config.layout = c.nhwc ? HALNORM_NHWC : HALNORM_NCHW;
        config.threads = c.threads;
        config.variant = variant.c_str();
        halnorm_activation_from_name(c.activation, &config.activation);
        const int64_t tabular[] = {c.n, c.c}, nchw[] = {c.n, c.c, c.s}, nhwc[] = {c.n, c.s, c.c};
        const auto tensor = [&](void *data) {
            return halnorm_dense_tensor(data, c.float64 ? HALNORM_FLOAT64 : HALNORM_FLOAT32,
                                        c.s == 1 ? 2 : 3,
                                        c.s == 1 ? tabular :
                                        c.nhwc   ? nhwc :
                                                   nchw);
        };
        x = tensor(c.x), y = tensor(c.y), dy = tensor(c.dy);
        gradients.x = &x;
        gradients.dy = &dy;
        gradients.dx = &y;
        gradients.gamma = c.gamma, gradients.beta = c.beta;
        gradients.saved_mean = c.saved_mean, gradients.saved_inv_std = c.saved_inv_std;
        gradients.dgamma = c.dgamma, gradients.dbeta = c.dbeta;
    }
    Prepared(const Prepared &) = delete;
    Prepared &operator=(const Prepared &) = delete;
};

inline bool variant(int32_t index, Variant *v) {
    // Which variant is chosen is a matter of the machine alone.
    unsetenv("HALNORM_VARIANT");
    halnorm_variant_info info;
    if (index >= halnorm_variant_count() || halnorm_variant_get(index, &info) != HALNORM_OK)
        return false;
    *v = {info.name, info.supported ? nullptr : info.reason, info.chosen != 0};
    return true;
}

// Pipeline has `static halnorm_status workspace(const Prepared &, size_t *bytes)` and `call`.
template<typename Pipeline>
Side side_of() {
    return {variant,
            [](const Case *c, const char **error) {
                size_t bytes = 0;
                const bool ok = Pipeline::workspace(Prepared(*c), &bytes) == HALNORM_OK;
                *error = ok ? nullptr : halnorm_last_error();
                return bytes;
            },
            [](const Case *c) -> void * { return new Prepared(*c); },
            [](void *p) {
                return Pipeline::call(*static_cast<Prepared *>(p)) == HALNORM_OK ?
                           nullptr :
                           halnorm_last_error();
            },
            [](void *p) { delete static_cast<Prepared *>(p); }};
}

}  // namespace bench::side
