#include "layer/report.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "common/print.h"
#include "common/status.h"
#include "common/table.h"
#include "layer/convolution.h"

namespace digits {
namespace {

// A block per number (or per few, where there are too many), on a scale of decades, since what
// settles spans several.
std::string sparkline(const Terminal &terminal, const std::vector<double> &values, size_t width) {
    const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    const char ascii[] = "_.-:=+*#";
    const double high = std::log10(*std::max_element(values.begin(), values.end()));
    const double low = std::log10(*std::min_element(values.begin(), values.end()));
    std::string text;
    const size_t cells = std::min(width, values.size());
    for (size_t i = 0; i < cells; i++) {
        const double value = std::log10(values[(i + 1) * values.size() / cells - 1]);
        const auto level =
            static_cast<size_t>(high > low ? (value - low) / (high - low) * 7 + .5 : 0);
        if (terminal.utf8)
            text += blocks[level];
        else
            text += ascii[level];
    }
    return text;
}

std::string range(const std::vector<double> &values) {
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    return fmt::format("{:6.3f} to {:6.3f}", *low, *high);
}

// In lines of at most `width`, broken at spaces.
std::vector<std::string> wrapped(const std::string &text, size_t width) {
    std::vector<std::string> lines;
    size_t start = 0;
    while (text.size() - start > width) {
        size_t space = text.rfind(' ', start + width);
        if (space == std::string::npos || space <= start)
            space = start + width;
        lines.push_back(text.substr(start, space - start));
        start = std::min(space + (text[space] == ' '), text.size());
    }
    lines.push_back(text.substr(start));
    return lines;
}

std::vector<double> square_roots(std::vector<double> values) {
    for (double &value : values)
        value = std::sqrt(value);
    return values;
}

}  // namespace

void print_variants(const Terminal &terminal, const Settings &settings) {
    title(terminal, "Kernels in this build");
    Table table(terminal, {{"variant", Align::left}, {"here", Align::left}, {"why", Align::left}});
    for (int32_t i = 0; i < halnorm_variant_count(); i++) {
        halnorm_variant_info info;
        expect_ok({halnorm_variant_get(i, &info), halnorm_last_error()});
        const bool forced = !settings.variant.empty();
        const bool chosen = forced ? settings.variant == info.name : info.chosen != 0;
        const std::string here = chosen ? "chosen" : info.supported ? "runs" : "no";
        const Style style = chosen ? Style::good : info.supported ? Style::plain : Style::dim;
        const std::string why = !forced        ? info.reason :
                                chosen         ? "asked for by --variant" :
                                info.supported ? "" :
                                                 info.reason;
        const std::vector<std::string> lines =
            wrapped(why, static_cast<size_t>(terminal.width) - 32);
        table.row({{info.name, style}, {here, style}, {lines[0], style}});
        for (size_t k = 1; k < lines.size(); k++)
            table.row({"", "", {lines[k], style}});
    }
    table.print();
}

void print_settling(const Terminal &terminal, const Settings &settings, const Experiment &e) {
    title(terminal,
          fmt::format(
              "Training: {} epoch{} in batches of {}, through a 3x3 convolution with {} filters",
              settings.epochs, settings.epochs == 1 ? "" : "s", std::min(settings.batch, e.count),
              filters));
    note(terminal,
         "How far the moving statistics are from those of all digits (curves: logarithmic)");
    Table table(terminal,
                {{"batches"}, {"digits"}, {"mean off by, in deviations"}, {"variance off by"}});
    const auto add = [&](size_t batch) {
        const Distance &d = e.settling[batch - 1];
        table.row({std::to_string(batch), grouped(e.images[batch - 1]),
                   fmt::format("{:.4f}", d.mean), fmt::format("{:.1f} %", 100 * d.variance)});
    };
    for (size_t batch : {1u, 2u, 5u, 10u, 20u, 50u, 100u, 200u, 500u, 1000u}) {
        if (batch < e.settling.size())
            add(batch);
    }
    add(e.settling.size());
    table.print();

    std::vector<double> mean, variance;
    for (const Distance &d : e.settling) {
        mean.push_back(d.mean);
        variance.push_back(d.variance);
    }
    const auto width = static_cast<size_t>(terminal.width) - 12;
    if (mean.size() > 2) {
        fmt::print(" mean      {}\n",
                   terminal.styled(sparkline(terminal, mean, width), Style::good));
        fmt::print(" variance  {}\n",
                   terminal.styled(sparkline(terminal, variance, width), Style::good));
    }

    title(terminal, "All digits, filter by filter");
    Table spread(terminal, {{"", Align::left}, {"means"}, {"deviations"}});
    spread.row({"before the layer", range(e.before.mean), range(square_roots(e.before.variance))});
    spread.row({"after it, with the moving statistics", range(e.after.mean),
                range(square_roots(e.after.variance))});
    spread.print();
}

void print_checks(const Terminal &terminal, const Experiment &e) {
    title(terminal, "Compared with double precision");
    Table table(terminal, {{"", Align::left},
                           {"values"},
                           {"error"},
                           {"bound"},
                           {"the bound's formula", Align::left}});
    for (const Check &check : e.checks) {
        const Style style = check.holds() ? Style::good : Style::bad;
        table.row({check.what, grouped(check.values),
                   Cell(fmt::format("{:.1e}", check.error), style),
                   fmt::format("{:.1e}", check.bound), check.formula});
    }
    table.print();
    note(terminal,
         "Shown is the value that came nearest to its bound. u = 2^-24, half of float32's\n"
         "epsilon; b: the bound one batch earlier; s: of the batch's own statistic (8u\n"
         "deviation, 16u variance); m, v: the moving mean and variance.");
}

void print_timings(const Terminal &terminal, const Settings &settings, const Experiment &e,
                   const std::vector<Timing> &timings) {
    const std::string threads = settings.threads == 0 ? "all cores" :
                                settings.threads == 1 ? "1 thread" :
                                                        fmt::format("{} threads", settings.threads);
    title(terminal, fmt::format("Time of one call: {}, {}, median of {} rounds", e.variant, threads,
                                timing_rounds));
    std::vector<Column> columns = {{"", Align::left}};
    for (const Timing &t : timings) {
        columns.insert(columns.end(), {{grouped(t.images) + " digits"}, {"GB/s"}, {"of memcpy"}});
    }
    Table table(terminal, columns);
    const auto add = [&](const char *what, double Timing::*time) {
        std::vector<Cell> cells = {what};
        for (const Timing &t : timings) {
            cells.emplace_back(fmt::format("{:.1f} {}s", t.*time * 1e6, terminal.utf8 ? "µ" : "u"));
            cells.emplace_back(fmt::format("{:.1f}", t.bytes / (t.*time) * 1e-9));
            cells.emplace_back(per_cent(t.copy / (t.*time)));
        }
        table.row(cells);
    };
    add("memcpy", &Timing::copy);
    add("inference", &Timing::inference);
    add("training", &Timing::training);
    table.print();
    std::string sizes;
    for (const Timing &t : timings)
        sizes += fmt::format("{}{:.1f} MB", sizes.empty() ? "" : " and ", t.bytes * 1e-6);
    note(terminal,
         fmt::format("GB/s of the least traffic: x read once and y written once, {}.", sizes));
}

void print_conclusion(const Terminal &terminal, const Experiment &e,
                      const std::vector<Timing> &timings) {
    int64_t values = 0;
    for (const Check &check : e.checks)
        values += check.values;
    const Timing &t = timings.back();
    const std::string line =
        fmt::format("{} values agree; inference at {}, training at {} of memcpy's rate.",
                    grouped(values), per_cent(t.copy / t.inference), per_cent(t.copy / t.training));
    fmt::print("\n{} {}\n", terminal.styled(terminal.utf8 ? "✓" : "OK:", Style::good),
               terminal.styled(line, Style::bold));
}

std::string failure(const Experiment &e) {
    for (const Check &check : e.checks) {
        if (check.holds())
            continue;
        return fmt::format(
            "{}: was off by {:.1e}, should be at most {:.1e} from the double-precision reference",
            check.what, check.error, check.bound);
    }
    return "";
}

}  // namespace digits
