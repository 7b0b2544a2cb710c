// A call of training of enough elements to be split among threads, without any of the tests' own
// helpers: for processes that fork, that have no memory or no threads, or that call for the first
// time.
#pragma once

#include <vector>

#include "halnorm/halnorm.hpp"

namespace test {

// All bits of its results, or nothing after an error.
inline std::vector<char> train(int32_t threads) {
    const int64_t n = 4, c = 33, s = 529;
    std::vector<float> x(n * c * s), y(x.size()), mean(c, 0), variance(c, 1);
    for (size_t i = 0; i < x.size(); i++)
        x[i] = static_cast<float>(i * 2654435761u % 1000) / 100;
    const int64_t shape[] = {n, c, s};
    const halnorm_tensor in = halnorm_dense_tensor(x.data(), HALNORM_FLOAT32, 3, shape),
                         out = halnorm_dense_tensor(y.data(), HALNORM_FLOAT32, 3, shape);
    halnorm_config config = halnorm_default_config(c);
    config.threads = threads;
    size_t bytes = 0;
    if (halnorm_forward_training_workspace(&config, &in, &bytes) != HALNORM_OK)
        return {};
    halnorm::Workspace workspace;
    if (!workspace.reserve(bytes).ok() ||
        halnorm_forward_training(&config, &in, nullptr, nullptr, mean.data(), variance.data(), &out,
                                 nullptr, nullptr, workspace.data(), bytes) != HALNORM_OK)
        return {};
    std::vector<char> bits;
    for (const std::vector<float> *values : {&y, &mean, &variance}) {
        const char *const from = reinterpret_cast<const char *>(values->data());
        bits.insert(bits.end(), from, from + values->size() * sizeof(float));
    }
    return bits;
}

}  // namespace test
