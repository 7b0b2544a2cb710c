// What the standard output can show, and a progress bar.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace digits {

enum class Style { plain, bold, dim, good, bad };

struct Terminal {
    int width = 80;     // columns to use: 60 to 100
    bool utf8 = false;  // box drawing and blocks
    bool colour = false;
    bool live = false;  // a line can be redrawn

    static Terminal detect();
    std::string styled(const std::string &text, Style style) const;
};

// Shows itself only on a terminal, and only for what will take longer than a second; leaves no
// trace.
class Progress {
public:
    Progress(const Terminal &terminal, std::string what, int64_t steps);
    ~Progress();
    Progress(const Progress &) = delete;
    Progress &operator=(const Progress &) = delete;
    void step();

private:
    using Clock = std::chrono::steady_clock;
    const Terminal &terminal_;
    const std::string what_;
    const int64_t steps_;
    int64_t done_ = 0;
    bool shown_ = false;
    const Clock::time_point start_;
    Clock::time_point next_;
};

}  // namespace digits
