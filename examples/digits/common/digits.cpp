#include "common/digits.h"

#include <charconv>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <stdexcept>

namespace digits {
namespace {

constexpr int darkest = 16;

// The next number of `text`, which `end` or a comma ends; throws std::invalid_argument.
int take_number(const char *&text, const char *end, int highest) {
    int value = -1;
    const auto [next, error] = std::from_chars(text, end, value);
    if (error != std::errc() || value < 0 || value > highest || (next != end && *next != ',')) {
        throw std::invalid_argument("not a number in range");
    }
    text = next == end ? end : next + 1;
    return value;
}

void add(const std::string &line, Digits *digits) {
    const char *text = line.data(), *const end = text + line.size();
    for (int i = 0; i < pixels; i++) {
        const int value = take_number(text, end, darkest);
        digits->images.push_back(static_cast<float>(value) / darkest);
    }
    digits->labels.push_back(take_number(text, end, 9));
    if (text != end)
        throw std::invalid_argument("too long");
}

}  // namespace

Digits load(const std::string &path) {
    std::ifstream file(path);
    if (!file) {
        throw std::runtime_error(fmt::format(
            "{}: was not readable, should be the digits; --data FILE says where they are", path));
    }
    Digits digits;
    std::string line;
    for (int64_t number = 1; std::getline(file, line); number++) {
        if (!line.empty() && line.back() == '\r')
            line.pop_back();
        try {
            add(line, &digits);
        } catch (const std::invalid_argument &) {
            throw std::runtime_error(
                fmt::format("{}:{}: should be {} numbers from 0 to {} and a digit, with commas",
                            path, number, pixels, darkest));
        }
    }
    if (digits.count() < 2) {
        throw std::runtime_error(
            fmt::format("{}: held {} digits, should hold 2 or more", path, digits.count()));
    }
    return digits;
}

std::string default_path(const char *argv0) {
    std::error_code error;
    std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
    if (error)
        program = argv0;
    return (program.parent_path() / "digits.csv").string();
}

}  // namespace digits
