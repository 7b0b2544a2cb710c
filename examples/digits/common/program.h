// What main() of each program does alike.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace digits {

// Parses the arguments and calls `run`. What it throws becomes a line on the standard error, after
// the program's name. Returns the exit status: 2 for a wrong argument, 1 for a failure.
int run_program(CLI::App *app, int argc, char **argv, const std::function<void()> &run);

}  // namespace digits
