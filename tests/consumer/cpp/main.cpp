// The first worked case of docs/semantics.md with the layer: float32, channels last, in place, on
// the library's threads; and its state in a file, of which another layer becomes its equal.
#include <halnorm/halnorm.hpp>
#include <halnorm/state.hpp>

#include <array>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <numeric>
#include <string>
#include <vector>

namespace {

constexpr std::array<double, 12> expected_y = {-2.18650869, -1.60714347, -1.02777826, -0.44841304,
                                               0.13095218,  0.71031739,  1.28968261,  1.86904782,
                                               2.44841304,  3.02777826,  3.60714347,  4.18650869};
int failures = 0;

void check(const halnorm::Status &status, const char *what) {
    if (status.ok())
        return;
    std::cerr << what << ": " << halnorm_status_name(status.code) << ", " << status.message << "\n";
    failures++;
}

void check_near(double was, double expected, const char *what) {
    if (std::abs(was - expected) <= 1e-6 * (1 + std::abs(expected)))
        return;
    std::cerr << what << ": was " << was << ", should be " << expected << "\n";
    failures++;
}

// The moving variance after a way through the file `path`.
float saved_and_loaded(const halnorm::BatchNormOptions &options, halnorm::BatchNorm &layer,
                       const std::string &path) {
    halnorm::StateDict saved, loaded;
    check(saved.add(layer), "add");
    check(saved.save(path.c_str()), "save");
    layer = halnorm::BatchNorm();
    check(halnorm::BatchNorm::create(options, &layer), "create again");
    check(loaded.add(layer), "add again");
    check(loaded.load(path.c_str()), "load");
    std::remove(path.c_str());
    return layer ? layer.moving_variance().as<float>()[0] : 0;
}

}  // namespace

int main(int, char **arguments) {
    halnorm::BatchNormOptions options;
    options.num_channels = 1;
    options.data_layout = HALNORM_NHWC;
    options.in_place = true;
    options.param_attr = "weight";
    options.bias_attr = "bias";
    options.moving_mean_name = "mean";
    options.moving_variance_name = "variance";
    halnorm::BatchNorm layer;
    check(halnorm::BatchNorm::create(options, &layer), "create");
    if (!layer)
        return 1;
    layer.weight().as<float>()[0] = 2;
    layer.bias().as<float>()[0] = 1;

    std::vector<float> x(expected_y.size());
    std::iota(x.begin(), x.end(), 0.0f);
    check(layer.forward(halnorm::tensor(x.data(), {2, 2, 3, 1})), "forward");

    for (std::size_t i = 0; i < x.size(); i++)
        check_near(static_cast<double>(x[i]), expected_y[i], "y");
    check_near(layer.saved_mean()[0], 5.5, "saved mean");
    check_near(layer.saved_inv_std()[0], 0.289682608, "saved inverse deviation");
    check_near(static_cast<double>(layer.moving_mean().as<float>()[0]), 0.55, "moving mean");
    check_near(static_cast<double>(layer.moving_variance().as<float>()[0]), 2.09166667,
               "moving variance");

    const float variance = layer.moving_variance().as<float>()[0];
    if (saved_and_loaded(options, layer, std::string(arguments[0]) + ".safetensors") != variance) {
        std::cerr << "the moving variance was another after a way through a file\n";
        failures++;
    }

    std::cout << halnorm_last_variant() << "\n";
    return failures == 0 ? 0 : 1;
}
