// What a device would run: loads the trained network and only infers. Then folds the normalization
// into the convolutions, and compares.
#include <chrono>
#include <fmt/format.h>

#include "common/digits.h"
#include "common/print.h"
#include "common/program.h"
#include "common/split.h"
#include "common/status.h"
#include "common/table.h"
#include "infer/folding.h"
#include "network/loss.h"
#include "network/state.h"

using namespace digits;

namespace {

struct Settings {
    std::string model = "model.safetensors", data, variant;
    int threads = 1;
};

struct Inference {
    Matrix<float> logits;
    double accuracy, seconds;
};

Inference infer(const Network<float> &network, const Examples &examples) {
    using Clock = std::chrono::steady_clock;
    Inference inference;
    inference.seconds = std::numeric_limits<double>::infinity();
    for (int repetition = 0; repetition < 5; repetition++) {
        const Clock::time_point start = Clock::now();
        inference.logits = network.infer(examples.images);
        const std::chrono::duration<double> time = Clock::now() - start;
        inference.seconds = std::min(inference.seconds, time.count());
    }
    inference.accuracy = static_cast<double>(count_correct(inference.logits, examples.labels)) /
                         static_cast<double>(examples.count());
    return inference;
}

int64_t count_different_classes(const Matrix<float> &a, const Matrix<float> &b) {
    int64_t different = 0;
    for (Eigen::Index n = 0; n < a.rows(); n++) {
        Eigen::Index of_a = 0, of_b = 0;
        a.row(n).maxCoeff(&of_a);
        b.row(n).maxCoeff(&of_b);
        different += of_a != of_b;
    }
    return different;
}

void run(const Settings &settings) {
    const Terminal terminal = Terminal::detect();
    const Examples test = split(load(settings.data)).test;
    Architecture architecture;
    architecture.variant = settings.variant;
    architecture.threads = settings.threads;
    Network<float> network(architecture);
    expect_ok(state(&network).load(settings.model.c_str()));

    const Inference normalized = infer(network, test);
    const std::string variant = halnorm_last_variant();
    const Inference folded = infer(fold(network), test);

    title(terminal, fmt::format("Inference with {}", settings.model));
    Table table(terminal, {{"", Align::left}, {"test accuracy"}, {"time per digit"}});
    const auto add = [&](const std::string &what, const Inference &inference) {
        const double microseconds = inference.seconds / static_cast<double>(test.count()) * 1e6;
        table.row({what, fmt::format("{:.1f} %", 100 * inference.accuracy),
                   fmt::format("{:.1f} {}s", microseconds, terminal.utf8 ? "µ" : "u")});
    };
    add(fmt::format("with the layer ({})", variant), normalized);
    add("folded into the convolutions", folded);
    table.print();

    const double difference =
        static_cast<double>((normalized.logits - folded.logits).cwiseAbs().maxCoeff());
    const double bound = folding_bound(network, normalized.logits);
    const int64_t other = count_different_classes(normalized.logits, folded.logits);
    note(terminal,
         fmt::format("Logits differ by {:.1e} at most (largest logit {:.1f}, allowed {:.1e}).",
                     difference, normalized.logits.cwiseAbs().maxCoeff(), bound));
    if (!(difference <= bound)) {
        throw std::runtime_error(
            fmt::format("folded logits: were off by {:.1e}, should be off by at most {:.1e}",
                        difference, bound));
    }
    if (other > 0) {
        throw std::runtime_error(fmt::format(
            "folded predictions: {} of {} were different, should be none", other, test.count()));
    }
    fmt::print(
        "{} {}\n", terminal.styled(terminal.utf8 ? "✓" : "OK:", Style::good),
        terminal.styled(fmt::format("All {} predictions agree.", test.count()), Style::bold));
}

}  // namespace

int main(int argc, char **argv) {
    Settings settings;
    settings.data = default_path(argv[0]);
    CLI::App app("The trained network on the test digits, with inference alone", "digits_infer");
    app.add_option("--data", settings.data, "The digits (default: digits.csv beside this program)")
        ->type_name("FILE");
    app.add_option("--variant", settings.variant,
                   "Kernels to use (default: the best for this machine)")
        ->type_name("NAME");
    app.option_defaults()->always_capture_default();
    app.add_option("--model", settings.model, "What digits_train has saved")->type_name("FILE");
    app.add_option("--threads", settings.threads, "Threads of the layer, 0 for all cores")
        ->check(CLI::Range(0, 1024));
    return run_program(&app, argc, argv, [&] { run(settings); });
}
