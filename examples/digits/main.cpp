// The digits go through a convolution and the layer; every number is compared with double
// precision; the layer is timed beside memcpy.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "digits.h"
#include "experiment.h"
#include "report.h"
#include "terminal.h"
#include "timing.h"

using namespace digits;

namespace {

void run(const Settings &settings) {
    const Terminal terminal = Terminal::detect();
    const Digits data = load(settings.data);
    // What cannot work is said before anything is shown.
    halnorm::BatchNorm probe;
    expect_ok(halnorm::BatchNorm::create(options(settings), &probe));
    print_header(terminal, data);
    print_variants(terminal, settings);

    Experiment experiment;
    {
        Progress progress(terminal, "training", batches(settings, data.count()));
        experiment = run_experiment(data.images, settings, [&] { progress.step(); });
    }
    print_settling(terminal, settings, experiment);
    print_checks(terminal, experiment);
    const std::string wrong = failure(experiment);
    if (!wrong.empty())
        throw std::runtime_error(wrong);

    std::vector<Timing> timings;
    {
        Progress progress(terminal, "timing", 2 * timing_rounds);
        for (int64_t images : {std::min(settings.batch, data.count()), data.count()}) {
            timings.push_back(measure(experiment, settings, images, [&] { progress.step(); }));
        }
    }
    print_timings(terminal, settings, experiment, timings);
    print_conclusion(terminal, experiment, timings);
}

}  // namespace

int main(int argc, char **argv) {
    Settings settings;
    CLI::App app(
        "Batch normalization of 1797 handwritten digits: training, inference, comparison, timing");
    app.add_option("--data", settings.data, "The digits (default: digits.csv beside this program)")
        ->type_name("FILE");
    app.add_option("--variant", settings.variant,
                   "Kernels to use (default: the best for this machine)")
        ->type_name("NAME");
    app.option_defaults()->always_capture_default();
    app.add_option("--batch", settings.batch, "Digits per training batch")
        ->check(CLI::Range(2, 1 << 20));
    app.add_option("--epochs", settings.epochs, "Times through all digits")
        ->check(CLI::Range(1, 10000));
    app.add_option("--threads", settings.threads, "Threads of the layer, 0 for all cores")
        ->check(CLI::Range(0, 1024));
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError &error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    if (settings.data.empty())
        settings.data = default_path(argv[0]);
    try {
        run(settings);
    } catch (const std::exception &error) {
        std::fflush(stdout);
        fmt::print(stderr, "digits_demo: {}\n", error.what());
        return 1;
    }
    return 0;
}
