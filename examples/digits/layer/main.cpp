// The digits go through a convolution and the layer; every number is compared with double
// precision; the layer is timed beside memcpy.
#include <fmt/format.h>

#include "common/digits.h"
#include "common/print.h"
#include "common/program.h"
#include "common/status.h"
#include "common/terminal.h"
#include "layer/experiment.h"
#include "layer/report.h"
#include "layer/timing.h"

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
    settings.data = default_path(argv[0]);
    CLI::App app(
        "Batch normalization of 1797 handwritten digits: training, inference, comparison, timing",
        "digits_layer");
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
    return run_program(&app, argc, argv, [&] { run(settings); });
}
