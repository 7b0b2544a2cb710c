#include "help.h"

#include "halnorm/halnorm.h"

namespace halnorm_tool {

const char program_description[] =
    "Batch normalization, as paddle.nn.BatchNorm computes it, on files of tensors.\n";

const char program_footer[] =
    R"(Environment:
  HALNORM_VARIANT=NAME          run the kernels of this variant
  HALNORM_VERBOSE=1             say on standard error which variant runs, and why

Exit status:
  0  success
  1  a file, a tensor or a value that does not fit; one line on standard error says which
  2  a command line that cannot be understood

Example:
  halnorm variants
  halnorm forward in.safetensors out.safetensors --act relu
  halnorm backward in.safetensors out.safetensors --act relu

halnorm COMMAND --help says more about a command.)";

const char variants_description[] = "List the kernels in this build\n"
                                    "\n"
                                    "One variant a line, best first: whether this machine can run "
                                    "it, which one is chosen, and why.\n";

const char variants_footer[] =
    R"(Of the JSON objects name, arch and reason are strings, features is an array of strings, and
supported, chosen and experimental are booleans. HALNORM_VARIANT=NAME forces the choice.

Exit status: 0 success, 1 HALNORM_VARIANT names no variant that this machine can run, 2 usage.

Example:
  halnorm variants --json)";

const char layer_footer[] =
    R"(Files are safetensors. Data types: F32 and F64, the same for all tensors.

Exit status: 0 success; 1 a file, a tensor or a value that does not fit, and 2 a command line
that cannot be understood: then one line on standard error says what it was and what it should
be, and OUT is not written.

Example:
  )";

const LayerCommandHelp forward_help = {
    "forward",
    R"(Run the layer on one file of tensors

Normalizes each channel of x, scales and shifts it and applies an activation:
  y = act(weight * (x - mean) / sqrt(variance + epsilon) + bias)
with the mean and variance of the batch, which also update the moving statistics:
  moving = moving * momentum + batch * (1 - momentum)
or, with --is-test or --use-global-stats, with the moving statistics as they are.
)",
    "halnorm forward in.safetensors out.safetensors --data-layout NHWC --act leaky_relu "
    "--act-alpha 0.1",
    "x, of rank 2 to 5, and where wanted weight, bias,\n"
    "moving_mean and moving_variance, one value a channel\n"
    "[defaults: 1, 0, 0, 1]",
    "y, moving_mean, moving_variance and, where the batch's\n"
    "statistics were used, saved_mean and saved_inv_std;\n"
    "an existing file is replaced when the new one is whole",
    "let y overwrite x in memory; the same result",
};

const LayerCommandHelp backward_help = {
    "backward",
    R"(Run the layer and its gradients on one file of tensors

Runs the layer on x as "halnorm forward" does, then computes the gradients by x, weight and bias
from dy, the gradient by y. With g = dy * act'(.), xhat = (x - mean) / sqrt(variance + epsilon) and
sums over the m elements of each channel:
  dbias = sum(g)
  dweight = sum(g * xhat)
  dx = weight / sqrt(variance + epsilon) * (g - dbias / m - xhat * dweight / m)
with the mean and variance of the batch. With --is-test or --use-global-stats they are the moving
statistics, which do not depend on x:
  dx = weight / sqrt(variance + epsilon) * g
)",
    "halnorm backward in.safetensors out.safetensors --act relu",
    "x, of rank 2 to 5; dy, of x's shape; and where wanted\n"
    "weight, bias, moving_mean and moving_variance,\n"
    "one value a channel [defaults: 1, 0, 0, 1]",
    "dx, dweight and dbias (not with --no-weight, --no-bias),\n"
    "y, and what the forward pass left: moving_mean,\n"
    "moving_variance and, where the batch's statistics were\n"
    "used, saved_mean and saved_inv_std;\n"
    "an existing file is replaced when the new one is whole",
    "let dx overwrite dy in memory; the same result",
};

HelpFormatter::HelpFormatter() {
    column_width(32);
    label("Positionals", "Arguments");
}

std::string HelpFormatter::make_help(const CLI::App *app, std::string name,
                                     CLI::AppFormatMode mode) const {
    std::string help = Formatter::make_help(app, name, mode);
    for (size_t at = 0; (at = help.find("\n\n\n", at)) != std::string::npos;)
        help.erase(at, 1);
    return help;
}

std::string HelpFormatter::make_subcommand(const CLI::App *command) const {
    const std::string description = command->get_description();
    std::stringstream out;
    CLI::detail::format_help(out, command->get_name(),
                             description.substr(0, description.find('\n')), get_column_width());
    return out.str();
}

std::string HelpFormatter::make_usage(const CLI::App *app, std::string name) const {
    const bool has_commands = !app->get_subcommands([](const CLI::App *) { return true; }).empty();
    std::string usage = "Usage: " + name;
    if (has_commands)
        return usage + " COMMAND [OPTIONS]\n";
    for (const CLI::Option *option : app->get_options()) {
        if (option->get_positional())
            usage += " " + option->get_name(true);
    }
    return usage + " [OPTIONS]\n";
}

std::string HelpFormatter::make_option_opts(const CLI::Option *option) const {
    if (option->get_positional() || option->get_option_text().empty())
        return "";
    return " " + option->get_option_text();
}

std::string activation_names() {
    constexpr size_t line_length = 56;
    std::string names;
    size_t line_start = 0;
    for (int i = 0; i < HALNORM_ACT_COUNT; i++) {
        const std::string name = halnorm_activation_name(static_cast<halnorm_activation>(i));
        if (i > 0)
            names += ",";
        const bool fits = names.size() + name.size() - line_start < line_length;
        if (i > 0)
            names += fits ? " " : "\n";
        if (!fits)
            line_start = names.size();
        names += name;
    }
    return names;
}

}  // namespace halnorm_tool
