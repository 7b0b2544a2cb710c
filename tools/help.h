// How the help reads: its long texts, and a formatter that keeps CLI11's layout but not its type
// names.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace halnorm_tool {

extern const char program_description[];
extern const char program_footer[];
extern const char variants_description[];
extern const char variants_footer[];

// Of the commands that run the layer: where their help differs, and the rest of their footer, which
// ends with the example.
struct LayerCommandHelp {
    const char *name, *description, *example, *in, *out, *in_place;
};
extern const char layer_footer[];
extern const LayerCommandHelp forward_help;
extern const LayerCommandHelp backward_help;

class HelpFormatter : public CLI::Formatter {
public:
    HelpFormatter();
    std::string make_help(const CLI::App *app, std::string name,
                          CLI::AppFormatMode mode) const override;
    std::string make_usage(const CLI::App *app, std::string name) const override;
    // A command's line in the program's help: the first line of its description.
    std::string make_subcommand(const CLI::App *command) const override;
    std::string make_option_opts(const CLI::Option *option) const override;
};

// "none, relu, relu6, ...", broken into lines for an option's description.
std::string activation_names();

}  // namespace halnorm_tool
