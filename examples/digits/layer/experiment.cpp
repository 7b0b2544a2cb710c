#include "layer/experiment.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "common/random.h"
#include "common/status.h"
#include "layer/convolution.h"

namespace digits {
namespace {

constexpr size_t map_size = static_cast<size_t>(filters) * pixels;

template<typename T>
auto view(T *data, int64_t n) {
    return halnorm::tensor(data, {n, filters, side, side});
}

std::vector<float> take(const std::vector<float> &maps, const size_t *indices, int64_t n) {
    std::vector<float> batch;
    batch.reserve(static_cast<size_t>(n) * map_size);
    for (int64_t i = 0; i < n; i++) {
        const auto first = maps.begin() + static_cast<std::ptrdiff_t>(indices[i] * map_size);
        batch.insert(batch.end(), first, first + static_cast<std::ptrdiff_t>(map_size));
    }
    return batch;
}

Distance distance(const float *mean, const float *variance, const Statistics &whole) {
    Distance d = {0, 0};
    for (size_t c = 0; c < whole.mean.size(); c++) {
        const double shift = static_cast<double>(mean[c]) - whole.mean[c];
        d.mean += shift * shift / whole.variance[c];
        d.variance += std::pow(static_cast<double>(variance[c]) / whole.variance[c] - 1, 2);
    }
    const double channels = static_cast<double>(whole.mean.size());
    return {std::sqrt(d.mean / channels), std::sqrt(d.variance / channels)};
}

struct Training {
    Check y{"y, training", "16u (1 + |y|)"};
    Check mean{"saved mean", "8u deviation"};
    Check inv_std{"saved inv. deviation", "8u of it"};
    Check moving_mean{"moving mean", "0.9b + 0.1s + u |m|"};
    Check moving_variance{"moving variance", "0.9b + 0.1s + u v"};

    void compare(const std::vector<float> &x, const std::vector<float> &y_actual, int64_t n,
                 const Statistics &batch, const Moving &moving, const halnorm::BatchNorm &layer) {
        compare_normalized(x.data(), y_actual.data(), n, batch, &y);
        for (size_t c = 0; c < batch.mean.size(); c++) {
            const double expected = 1 / std::sqrt(batch.variance[c] + epsilon);
            mean.compare(layer.saved_mean()[c], batch.mean[c],
                         mean_bound(batch.mean[c], std::sqrt(batch.variance[c])));
            inv_std.compare(layer.saved_inv_std()[c], expected, 8 * unit * expected);
            moving_mean.compare(static_cast<double>(layer.moving_mean().as<float>()[c]),
                                moving.mean[c], moving.mean_bound[c]);
            moving_variance.compare(static_cast<double>(layer.moving_variance().as<float>()[c]),
                                    moving.variance[c], moving.variance_bound[c]);
        }
    }
};

}  // namespace

halnorm::BatchNormOptions options(const Settings &settings) {
    halnorm::BatchNormOptions o;
    o.num_channels = filters;
    o.epsilon = epsilon;
    o.variant = settings.variant.empty() ? nullptr : settings.variant.c_str();
    o.threads = settings.threads;
    return o;
}

int64_t batches(const Settings &settings, int64_t count) {
    return settings.epochs * ((count + settings.batch - 1) / settings.batch);
}

Experiment run_experiment(const std::vector<float> &images, const Settings &settings,
                          const std::function<void()> &step) {
    Experiment e;
    e.maps = convolve(images);
    e.count = static_cast<int64_t>(e.maps.size() / map_size);
    e.before = statistics(e.maps.data(), e.count, filters);
    const halnorm::BatchNormOptions layer_options = options(settings);
    expect_ok(halnorm::BatchNorm::create(layer_options, &e.layer));
    const halnorm::BatchNorm &layer = e.layer;

    Training training;
    Moving moving(filters);
    std::vector<size_t> order(static_cast<size_t>(e.count));
    std::iota(order.begin(), order.end(), size_t{0});
    Random random(1797);
    for (int64_t epoch = 0; epoch < settings.epochs; epoch++) {
        shuffle(random, &order);
        for (int64_t start = 0; start < e.count; start += settings.batch) {
            const int64_t n = std::min(settings.batch, e.count - start);
            const std::vector<float> x = take(e.maps, &order[static_cast<size_t>(start)], n);
            std::vector<float> y(x.size());
            expect_ok(e.layer.forward(view(x.data(), n), view(y.data(), n)));
            e.variant = halnorm_last_variant();

            const Statistics batch = statistics(x.data(), n, filters);
            moving.update(batch, layer_options.momentum);
            training.compare(x, y, n, batch, moving, layer);
            e.settling.push_back(distance(layer.moving_mean().as<float>(),
                                          layer.moving_variance().as<float>(), e.before));
            e.images.push_back(epoch * e.count + start + n);
            step();
        }
    }

    e.layer.eval();
    std::vector<float> y(e.maps.size());
    expect_ok(e.layer.forward(view(e.maps.data(), e.count), view(y.data(), e.count)));
    Check inference{"y, inference", "16u (1 + |y|)"};
    Statistics settled;
    for (size_t c = 0; c < filters; c++) {
        settled.mean.push_back(static_cast<double>(layer.moving_mean().as<float>()[c]));
        settled.variance.push_back(static_cast<double>(layer.moving_variance().as<float>()[c]));
    }
    compare_normalized(e.maps.data(), y.data(), e.count, settled, &inference);
    e.after = statistics(y.data(), e.count, filters);
    e.checks = {
        training.y, training.mean, training.inv_std, training.moving_mean, training.moving_variance,
        inference};
    return e;
}

}  // namespace digits
