// One line per case (the median of its repetitions), and in the end one table: each case's rate as
// a share of memcpy's in the same run.
#pragma once

#include <benchmark/benchmark.h>

#include <map>
#include <string>
#include <vector>

namespace bench {

class ShareReporter : public benchmark::ConsoleReporter {
public:
    // cpu_time: compare processor time instead of real time. Right for one thread on a machine that
    // others use too. The table has a row for each group and a column for each variant, in the
    // given order.
    ShareReporter(bool cpu_time, std::vector<std::string> groups, std::vector<std::string> variants)
        : ConsoleReporter(OO_Tabular), cpu_time_(cpu_time), groups_(std::move(groups)),
          variants_(std::move(variants)) {}
    void ReportRuns(const std::vector<Run> &runs) override;
    void Finalize() override;

private:
    struct Times {
        std::vector<double> seconds;  // per call, one for each repetition
        double bytes = 0;             // of least traffic per call
    };
    bool cpu_time_;
    std::vector<std::string> groups_, variants_;
    std::map<std::string, std::map<std::string, Times>> times_;  // group -> variant
};

}  // namespace bench
