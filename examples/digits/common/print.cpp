#include "common/print.h"

#include <algorithm>
#include <fmt/format.h>

#include "halnorm/halnorm.h"

namespace digits {

void title(const Terminal &terminal, const std::string &text) {
    fmt::print("\n{}\n", terminal.styled(text, Style::bold));
}

void note(const Terminal &terminal, const std::string &text) {
    fmt::print("{}\n", terminal.styled(text, Style::dim));
}

std::string grouped(int64_t number) {
    std::string text = std::to_string(number);
    for (size_t i = text.size(); i > 3; i -= 3)
        text.insert(i - 3, " ");
    return text;
}

std::string per_cent(double part) {
    return fmt::format("{:.0f} %", 100 * part);
}

void print_header(const Terminal &terminal, const Digits &digits) {
    fmt::print("{}\n",
               terminal.styled(
                   fmt::format("halnorm {}.{}.{}: batch normalization of {} handwritten digits",
                               HALNORM_VERSION_MAJOR, HALNORM_VERSION_MINOR, HALNORM_VERSION_PATCH,
                               grouped(digits.count())),
                   Style::bold));
    // The first of each digit, two rows of pixels per line.
    const int shown = terminal.width >= 92 ? 10 : 8;
    const char *const halves[] = {" ", "▄", "▀", "█"};
    const char shades[] = " .:-=+*#@";
    fmt::print("\n");
    for (size_t row = 0; row < side; row += 2) {
        std::string line = " ";
        for (int label = 0; label < shown; label++) {
            const auto found = std::find(digits.labels.begin(), digits.labels.end(), label);
            if (found == digits.labels.end())
                continue;
            const size_t start =
                static_cast<size_t>(found - digits.labels.begin()) * pixels + row * side;
            line += " ";
            for (size_t column = 0; column < side; column++) {
                const float upper = digits.images[start + column],
                            lower = digits.images[start + side + column];
                if (terminal.utf8)
                    line += halves[(upper >= .45f ? 2 : 0) + (lower >= .45f ? 1 : 0)];
                else
                    line += shades[static_cast<size_t>((upper + lower) * 4)];
            }
        }
        line.erase(line.find_last_not_of(' ') + 1);
        fmt::print("{}\n", line);
    }
}

}  // namespace digits
