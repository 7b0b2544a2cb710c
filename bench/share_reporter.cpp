#include "share_reporter.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace bench {
namespace {

double median(std::vector<double> v) {
    std::sort(v.begin(), v.end());
    return v[v.size() / 2];
}

}  // namespace

void ShareReporter::ReportRuns(const std::vector<Run> &runs) {
    std::vector<Run> shown;
    for (const Run &run : runs) {
        const bool repeated = run.repetitions > 1;
        if (run.error_occurred || !repeated || run.aggregate_name == "median")
            shown.push_back(run);
        if (run.run_type != Run::RT_Iteration || run.error_occurred)
            continue;
        const std::string &name = run.run_name.function_name;
        const size_t slash = name.rfind('/');
        if (slash == std::string::npos || run.iterations == 0)
            continue;
        const std::string group = name.substr(0, slash), variant = name.substr(slash + 1);
        Times &times = times_[group][variant];
        const double seconds = cpu_time_ ? run.cpu_accumulated_time : run.real_accumulated_time;
        times.seconds.push_back(seconds / static_cast<double>(run.iterations));
        const auto rate = run.counters.find("bytes_per_second");
        if (rate != run.counters.end()) {
            // The rate is of real time whichever the times are.
            times.bytes = rate->second.value * run.real_accumulated_time /
                          static_cast<double>(run.iterations);
        }
    }
    if (!shown.empty())
        ConsoleReporter::ReportRuns(shown);
}

void ShareReporter::Finalize() {
    ConsoleReporter::Finalize();
    if (times_.empty())
        return;
    std::fflush(nullptr);
    std::printf("\nShare of memcpy's rate in this run (100 %% = as many bytes of the least traffic "
                "per second)\n%-44s%12s",
                "case", "memcpy GB/s");
    for (const std::string &v : variants_)
        std::printf("%12s", v.c_str());
    std::printf("\n");
    std::map<std::string, std::pair<double, int>> logs;  // variant -> sum of logarithms, count
    for (const std::string &group : groups_) {
        auto &row = times_[group];
        if (row.count("memcpy") == 0)
            continue;  // filtered out
        const Times &memcpy_times = row["memcpy"];
        const double copy = memcpy_times.bytes / median(memcpy_times.seconds);
        std::printf("%-44s%12.1f", group.c_str(), copy / 1e9);
        for (const std::string &v : variants_) {
            if (row.count(v) == 0) {
                std::printf("%12s", "-");
                continue;
            }
            const double share = row[v].bytes / median(row[v].seconds) / copy;
            logs[v].first += std::log(share);
            logs[v].second++;
            std::printf("%10.0f %%", 100 * share);
        }
        std::printf("\n");
    }
    std::printf("%-44s%12s", "geometric mean", "");
    for (const std::string &v : variants_) {
        std::printf("%10.0f %%",
                    logs[v].second > 0 ? 100 * std::exp(logs[v].first / logs[v].second) : 0.0);
    }
    std::printf("\n");
}

}  // namespace bench
