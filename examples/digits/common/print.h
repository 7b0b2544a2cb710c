// What the programs print alike.
#pragma once

#include <cstdint>
#include <string>

#include "common/digits.h"
#include "common/terminal.h"

namespace digits {

void title(const Terminal &terminal, const std::string &text);
void note(const Terminal &terminal, const std::string &text);

std::string grouped(int64_t number);  // "1 797"
std::string per_cent(double part);    // "97 %"

// What it is about, and the first of each digit.
void print_header(const Terminal &terminal, const Digits &digits);

}  // namespace digits
