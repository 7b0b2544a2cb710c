// The driver of ./run try: loads two sides into one process and compares them, a row per shape, as
// soon as it is measured.
//
//     halnorm_try variants SIDE
//     halnorm_try compare BEFORE AFTER --pipeline training --layout nchw ... SHAPE...
//
// Exit status of compare: 0, 1 where a shape has an error in place of times, else 2 or 3.
#include <dlfcn.h>
#include <fmt/core.h>
#include <fmt/ranges.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "measure.h"

namespace {

using bench::side::Side;
using nlohmann::json;

const Side *side_in(void *object, const std::string &path) {
    const void *const side = object == nullptr ? nullptr : dlsym(object, "halnorm_side");
    if (side == nullptr)
        throw std::runtime_error(fmt::format("{}: {}", path, dlerror()));
    return static_cast<const Side *>(side);
}

const Side *load(const std::string &path) {
    return side_in(dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL), path);
}

// Another copy of what the file holds, at an address of its own: the loader knows a file again by
// its number, so each is a file in memory, and takes the next free address, so a gap is left.
const Side *load_copy(const std::string &path, std::mt19937 *dice) {
    std::ifstream file(path, std::ios::binary);
    const std::string content((std::istreambuf_iterator<char>(file)), {});
    const int copy = memfd_create("halnorm_side", 0);
    if (!file ||
        write(copy, content.data(), content.size()) != static_cast<ssize_t>(content.size()))
        throw std::runtime_error(fmt::format("{}: cannot be copied", path));
    const size_t pages = 1 + (*dice)() % 256;
    mmap(nullptr, 4096 * pages, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return side_in(dlopen(fmt::format("/proc/self/fd/{}", copy).c_str(), RTLD_NOW | RTLD_LOCAL),
                   path);
}

// N x C, or N x C and any number of spatial extents.
bench::Shape shape_of(const std::string &text) {
    std::vector<int64_t> extents;
    for (const std::string &word : CLI::detail::split(text, 'x')) {
        int64_t extent = 0;
        if (!CLI::detail::lexical_cast(word, extent) || extent < 1)
            throw CLI::ValidationError(
                fmt::format("shape: was {}, should be like 8x64x56x56", text));
        extents.push_back(extent);
    }
    if (extents.size() < 2)
        throw CLI::ValidationError(fmt::format("shape: was {}, should be like 8x64x56x56", text));
    int64_t s = 1;
    for (size_t i = 2; i < extents.size(); i++)
        s *= extents[i];
    return {text, extents[0], extents[1], s};
}

std::string duration(double seconds) {
    const double us = seconds * 1e6;
    return us < 9.9995  ? fmt::format("{:.3f} us", us) :
           us < 999.95 ? fmt::format("{:.1f} us", us) :
                      fmt::format("{:.2f} ms", us / 1e3);
}

// Of each side; enough for an interval from order statistics that leaves two outliers out at either
// end.
constexpr int placements = 12;

json list_variants(const Side &side) {
    json all = json::array();
    bench::side::Variant v;
    for (int32_t i = 0; side.variant(i, &v); i++) {
        all.push_back({{"name", v.name},
                       {"why_unsupported", v.why_unsupported ? json(v.why_unsupported) : json()},
                       {"chosen", v.chosen}});
    }
    return all;
}

// One thread stays on its core: a move costs as much as many of the calls that are timed.
void stay_here() {
    cpu_set_t here;
    CPU_ZERO(&here);
    CPU_SET(sched_getcpu(), &here);
    sched_setaffinity(0, sizeof here, &here);
}

int compare_sides(const bench::Copies &before, const bench::Copies &after,
                  const bench::Setting &setting, const std::vector<bench::Shape> &shapes,
                  std::FILE *rows) {
    fmt::print("{:<18}{:>11}{:>12}{:>8}{:>15}{:>10}  {}\n", "shape", "before", "after", "speed",
               "95 % interval", "of floor", "verdict");
    int status = 0;
    for (const bench::Shape &shape : shapes) {
        const bench::Measured m = measure(before, after, setting, shape);
        if (!m.error.empty()) {
            fmt::print("{:<18}{}\n", shape.name, m.error);
            status = 1;
            continue;
        }
        const bench::Comparison c = bench::compare(m.pairs);
        fmt::print("{:<18}{:>11}{:>12}{:>8.3f}{:>15}{:>8.0f} %  {}\n", shape.name,
                   duration(c.before), duration(c.after), c.speed,
                   fmt::format("{:.3f} - {:.3f}", c.interval.low, c.interval.high),
                   100 * m.floor / c.after, bench::name(c.verdict));
        std::fflush(stdout);
        const json row = {{"shape", shape.name},     {"before", c.before},
                          {"after", c.after},        {"speed", c.speed},
                          {"low", c.interval.low},   {"high", c.interval.high},
                          {"floor", m.floor},        {"floor_sweep", m.floor_sweep},
                          {"pairs", m.pairs.size()}, {"verdict", bench::name(c.verdict)}};
        if (rows != nullptr)
            fmt::print(rows, "{}\n", row.dump());
    }
    return status;
}

}  // namespace

int main(int argc, char **argv) {
    CLI::App app("Compares two sides in one process.");
    app.require_subcommand(1);
    std::string before, after, pipeline, layout, dtype = "float32", out;
    std::vector<std::string> texts;
    bench::Setting setting;

    CLI::App &variants = *app.add_subcommand("variants", "the variants of a side, as JSON");
    variants.add_option("side", after)->required();

    CLI::App &compare = *app.add_subcommand("compare", "a table of both sides' times");
    compare.add_option("before", before)->required();
    compare.add_option("after", after)->required();
    compare.add_option("shapes", texts, "N x C x spatial extents")->required();
    compare.add_option("--before-variant", setting.before_variant)->required();
    compare.add_option("--after-variant", setting.after_variant)->required();
    compare.add_option("--pipeline", pipeline)
        ->required()
        ->check(CLI::IsMember({"inference", "training", "backward"}));
    compare.add_option("--layout", layout)->required()->check(CLI::IsMember({"nchw", "nhwc"}));
    compare.add_option("--dtype", dtype)->check(CLI::IsMember({"float32", "float64"}));
    compare.add_option("--act", setting.activation)->required();
    compare.add_option("--threads", setting.threads);
    compare.add_option("--seconds", setting.seconds, "that a row may take");
    compare.add_option("--rows", out, "a file that gets a line of JSON for each row");
    try {
        app.parse(argc, argv);
        if (variants.parsed()) {
            fmt::print("{}\n", list_variants(*load(after)).dump());
            return 0;
        }
        setting.nhwc = layout == "nhwc";
        setting.float64 = dtype == "float64";
        setting.backward = pipeline == "backward";
        std::vector<bench::Shape> shapes;
        for (const std::string &text : texts)
            shapes.push_back(shape_of(text));
        if (setting.threads == 1)
            stay_here();
        std::FILE *const rows = out.empty() ? nullptr : std::fopen(out.c_str(), "a");
        std::mt19937 dice;
        bench::Copies copies[2];
        for (int i = 0; i < placements; i++) {
            copies[0].push_back(load_copy(before, &dice));
            copies[1].push_back(load_copy(after, &dice));
        }
        return compare_sides(copies[0], copies[1], setting, shapes, rows);
    } catch (const CLI::ParseError &e) {
        return app.exit(e) == 0 ? 0 : 2;
    } catch (const std::exception &e) {
        fmt::print(stderr, "halnorm_try: {}\n", e.what());
        return 3;
    }
}
