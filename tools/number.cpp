#include "number.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string_view>

#include "error.h"

namespace halnorm_tool {
namespace {

// from_chars knows no plus sign; one before a digit or a point is harmless.
std::string_view without_plus(std::string_view text) {
    const bool plus = text.size() > 1 && text[0] == '+' && text[1] != '-' && text[1] != '+';
    return plus ? text.substr(1) : text;
}

template<typename Number>
std::errc read_all(std::string_view text, Number *number) {
    const char *const end = text.data() + text.size();
    // NOLINTNEXTLINE(bugprone-suspicious-stringview-data-usage): it is told the end
    const std::from_chars_result result = std::from_chars(text.data(), end, *number);
    return result.ptr == end ? result.ec : std::errc::invalid_argument;
}

}  // namespace

double parse_finite(const std::string &option, const std::string &text) {
    const std::string_view body = without_plus(text);
    const std::string complaint = "was " + in_quotes(text) + ", should be a finite number";
    double number = 0;
    const std::errc outcome = read_all(body, &number);
    if (outcome == std::errc::result_out_of_range) {
        // Too large or too small: strtod tells them apart, and rounds the small ones.
        number = std::strtod(std::string(body).c_str(), nullptr);
    } else if (outcome != std::errc()) {
        throw Error(option, complaint, ExitStatus::usage);
    }
    if (!std::isfinite(number))
        throw Error(option, complaint);
    return number;
}

int64_t parse_whole(const std::string &option, const std::string &text, int64_t least,
                    int64_t most) {
    int64_t number = 0;
    const std::errc outcome = read_all(without_plus(text), &number);
    const bool whole = outcome == std::errc() || outcome == std::errc::result_out_of_range;
    if (outcome == std::errc() && number >= least && number <= most)
        return number;
    std::string range = std::to_string(least) + " to " + std::to_string(most);
    if (most == std::numeric_limits<int64_t>::max())
        range = "at least " + std::to_string(least);
    throw Error(option, "was " + in_quotes(text) + ", should be a whole number, " + range,
                whole ? ExitStatus::failure : ExitStatus::usage);
}

std::string to_text(double number) {
    char text[32];
    const std::to_chars_result result = std::to_chars(text, text + sizeof text, number);
    return std::string(text, result.ptr);
}

}  // namespace halnorm_tool
