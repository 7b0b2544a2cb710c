#include "train/report.h"

#include <cmath>
#include <fmt/format.h>

#include "common/print.h"
#include "common/table.h"

namespace digits {
namespace {

std::string accuracy_text(const Epoch &epoch) {
    return fmt::format("{:.1f} %", 100 * epoch.accuracy);
}

std::string loss_text(const Epoch &epoch) {
    return std::isfinite(epoch.loss) ? fmt::format("{:.3f}", epoch.loss) : "not finite";
}

// The first few epochs, where most happens, then ever fewer, and the last.
std::vector<size_t> shown_epochs(size_t count) {
    std::vector<size_t> shown;
    for (size_t epoch : {1, 2, 3, 5, 10, 15, 20, 30, 50, 100, 200, 500, 1000}) {
        if (epoch < count)
            shown.push_back(epoch);
    }
    shown.push_back(count);
    return shown;
}

}  // namespace

void print_plan(const Terminal &terminal, const Architecture &architecture,
                const Schedule &schedule, const Split &data) {
    title(terminal, fmt::format("A network of {} convolutions and a fully connected layer, "
                                "with and without normalization",
                                architecture.stages.size()));
    std::string stages;
    for (const Stage &stage : architecture.stages) {
        stages += fmt::format("{}{}{}", stages.empty() ? "" : ", ", stage.channels,
                              stage.stride > 1 ? fmt::format(" (stride {})", stage.stride) : "");
    }
    note(terminal, fmt::format("Filters of 3x3: {}; then leaky ReLU.\n"
                               "{} digits to learn from, moved and bent a little each time they "
                               "are shown; {} for the test.\n"
                               "The same first weights and the same batches of {} for both; SGD "
                               "with momentum; learning\nrate {:g}, falling to 0 over {} epochs.",
                               stages, grouped(data.train.count()), grouped(data.test.count()),
                               schedule.batch, schedule.learning_rate, schedule.epochs));
}

void print_curves(const Terminal &terminal, const std::vector<const Run *> &runs) {
    title(terminal, "Learning");
    std::vector<Column> columns = {{"epoch"}};
    for (const Run *run : runs) {
        columns.push_back({run->name() + ": loss"});
        columns.push_back({"accuracy"});
    }
    Table table(terminal, columns);
    for (size_t epoch : shown_epochs(runs.front()->epochs.size())) {
        std::vector<Cell> cells = {std::to_string(epoch)};
        for (const Run *run : runs) {
            cells.emplace_back(loss_text(run->epochs[epoch - 1]));
            cells.emplace_back(accuracy_text(run->epochs[epoch - 1]));
        }
        table.row(cells);
    }
    table.print();
}

void print_results(const Terminal &terminal, const std::vector<const Run *> &runs) {
    title(terminal, "Result");
    Table table(terminal, {{"", Align::left},
                           {"test accuracy"},
                           {"training loss"},
                           {"time of training"},
                           {"in the layer"},
                           {"variant", Align::left}});
    for (const Run *run : runs) {
        const bool layer = run->seconds_in_norm > 0;
        table.row({run->name(), accuracy_text(run->epochs.back()), loss_text(run->epochs.back()),
                   fmt::format("{:.1f} s", run->seconds),
                   layer ? per_cent(run->seconds_in_norm / run->seconds) : "", run->variant});
    }
    table.print();
}

}  // namespace digits
