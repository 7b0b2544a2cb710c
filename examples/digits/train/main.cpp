// Trains a small convolutional network on the digits twice, with and without batch normalization;
// saves the one with it and the learning curves.
#include <filesystem>
#include <fmt/format.h>

#include "common/digits.h"
#include "common/print.h"
#include "common/program.h"
#include "common/status.h"
#include "network/state.h"
#include "train/curves.h"
#include "train/report.h"
#include "train/training.h"

using namespace digits;

namespace {

struct Settings {
    Schedule schedule;
    Architecture architecture;
    double required = 97;  // per cent
    std::string data, out = ".";
};

void run(const Settings &settings) {
    const Terminal terminal = Terminal::detect();
    const Digits digits = load(settings.data);
    const Split data = split(digits);
    const std::filesystem::path out = settings.out;
    std::error_code error;
    std::filesystem::create_directories(out, error);
    if (error) {
        throw std::runtime_error(fmt::format("--out {}: {}, should be a folder to write to",
                                             settings.out, error.message()));
    }
    Architecture plain = settings.architecture;
    plain.normalized = false;

    // What cannot work is said before anything is shown.
    Network<float>{settings.architecture};
    print_header(terminal, digits);
    print_plan(terminal, settings.architecture, settings.schedule, data);
    const auto train_shown = [&](const Architecture &architecture) {
        Progress progress(terminal, name(architecture), steps(settings.schedule, data.train));
        return train(architecture, settings.schedule, data, [&] { progress.step(); });
    };
    Run with = train_shown(settings.architecture);
    const Run without = train_shown(plain);
    const std::vector<const Run *> runs = {&with, &without};
    print_curves(terminal, runs);
    print_results(terminal, runs);

    write_curves((out / "curves.csv").string(), settings.schedule, runs);
    expect_ok(state(&with.network).save((out / "model.safetensors").string().c_str()));
    note(terminal, fmt::format("Written: {0}/model.safetensors, {0}/curves.csv",
                               out.lexically_normal().string()));
    const double reached = 100 * with.epochs.back().accuracy;
    if (!(reached >= settings.required)) {
        throw std::runtime_error(
            fmt::format("test accuracy with the layer: was {:.1f} %, should be {:g} % or more",
                        reached, settings.required));
    }
}

}  // namespace

int main(int argc, char **argv) {
    Settings settings;
    settings.data = default_path(argv[0]);
    Schedule &schedule = settings.schedule;
    CLI::App app(
        "Trains a network on 1797 handwritten digits, with and without batch normalization",
        "digits_train");
    app.add_option("--data", settings.data, "The digits (default: digits.csv beside this program)")
        ->type_name("FILE");
    app.add_option("--variant", settings.architecture.variant,
                   "Kernels to use (default: the best for this machine)")
        ->type_name("NAME");
    app.option_defaults()->always_capture_default();
    app.add_option("--epochs", schedule.epochs, "Times through the training set")
        ->check(CLI::Range(1, 10000));
    app.add_option("--batch", schedule.batch, "Digits per batch")->check(CLI::Range(2, 1 << 20));
    app.add_option("--learning-rate", schedule.learning_rate, "Of the first step")
        ->check(CLI::Range(0., 100.));
    app.add_option("--seed", schedule.seed, "Of the first weights and the order of the digits");
    app.add_option("--threads", settings.architecture.threads,
                   "Threads of the layer, 0 for all cores")
        ->check(CLI::Range(0, 1024));
    app.add_option("--require", settings.required,
                   "Test accuracy with the layer, in per cent, below which this fails")
        ->check(CLI::Range(0., 100.));
    app.add_option("--out", settings.out, "Where model.safetensors and curves.csv go")
        ->type_name("DIR");
    return run_program(&app, argc, argv, [&] { run(settings); });
}
