// The command line of the program: what was asked for, with every value checked as far as it can be
// without the files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "halnorm/halnorm.h"

namespace halnorm_tool {

enum class Command {
    print,  // a help text or the version, which was asked for
    usage,  // the help text, because nothing was asked for
    variants,
    forward,
    backward
};

// Of forward and backward.
struct LayerOptions {
    std::string in;
    std::string out;
    halnorm_config config = halnorm_default_config(1);  // all but num_channels and variant
    std::optional<int64_t> num_channels;                // without one: x's
    std::optional<std::string> variant;
    bool no_weight = false;
    bool no_bias = false;
    bool in_place = false;
    bool is_test = false;
    bool use_global_stats = false;
    bool trainable_statistics = false;

    bool uses_moving_statistics() const {
        return (is_test && !trainable_statistics) || use_global_stats;
    }
};

struct CommandLine {
    Command command = Command::print;
    std::string text;  // of print and usage
    bool json = false;
    LayerOptions layer;               // of forward and backward
    std::string speaker = "halnorm";  // who reports errors: "halnorm forward"
};

// Fills in *line step by step, so that the speaker is known where an Error is thrown.
void parse_command_line(int argc, char **argv, CommandLine *line);

}  // namespace halnorm_tool
