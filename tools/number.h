// Strict numbers for the command line: the whole text is the number, whatever the locale.
#pragma once

#include <cstdint>
#include <string>

namespace halnorm_tool {

// A finite decimal number. Text that is no number is a usage error; nan, inf and numbers beyond
// double are failures: numbers that make no layer.
double parse_finite(const std::string &option, const std::string &text);

// A whole number in [least, most]; outside of it is a failure, text that is no whole number a usage
// error.
int64_t parse_whole(const std::string &option, const std::string &text, int64_t least,
                    int64_t most);

// The shortest text that reads back as the same number.
std::string to_text(double number);

}  // namespace halnorm_tool
