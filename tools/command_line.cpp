#include "command_line.h"

#include <CLI/CLI.hpp>
#include <limits>
#include <memory>
#include <vector>

#include "error.h"
#include "help.h"
#include "number.h"

namespace halnorm_tool {
namespace {

// The values of the layer's options as they were typed: CLI11 takes the line apart, read_values
// understands them.
struct LayerTexts {
    std::optional<std::string> num_channels, act, act_alpha, momentum, epsilon, data_layout,
        moving_variance, threads;
};

// A command that runs the layer.
CLI::App *add_layer_command(CLI::App *program, const LayerCommandHelp &help, LayerOptions *options,
                            LayerTexts *texts) {
    CLI::App *const app = program->add_subcommand(help.name, help.description)
                              ->group("Commands")
                              ->footer(layer_footer + std::string(help.example));
    const auto value = [app](const char *name, const char *argument,
                             std::optional<std::string> *text, const std::string &description) {
        app->add_option(name, *text, description)->option_text(argument);
    };
    const auto flag = [app](const char *name, bool *set, const std::string &description) {
        app->add_flag(name, *set, description)->disable_flag_override();
    };
    const auto by_default = [](double number) { return " [default: " + to_text(number) + "]"; };
    const halnorm_config &defaults = options->config;

    app->add_option("IN", options->in, help.in)->required();
    app->add_option("OUT", options->out, help.out)->required();

    app->option_defaults()->group("Layer");
    value("--num-channels", "C", &texts->num_channels,
          "channels that x must have [default: those it has]");
    value("--data-layout", "LAYOUT", &texts->data_layout,
          "NCHW (channels are axis 1) or NHWC (the last axis)\n[default: NCHW]");
    value("--epsilon", "X", &texts->epsilon,
          "added to the variance" + by_default(defaults.epsilon));
    value("--act", "NAME", &texts->act,
          "activation [default: none]; one of\n" + activation_names());
    value("--act-alpha", "X", &texts->act_alpha,
          "slope of leaky_relu" +
              by_default(halnorm_activation_default_alpha(HALNORM_ACT_LEAKY_RELU)) +
              " and hardsigmoid" +
              by_default(halnorm_activation_default_alpha(HALNORM_ACT_HARDSIGMOID)) +
              ",\nalpha of elu" + by_default(halnorm_activation_default_alpha(HALNORM_ACT_ELU)));
    flag("--no-weight", &options->no_weight, "no weight: acts as 1, and IN must have none");
    flag("--no-bias", &options->no_bias, "no bias: acts as 0, and IN must have none");

    app->option_defaults()->group("Statistics");
    flag("--is-test", &options->is_test, "use the moving statistics, and leave them as they are");
    flag("--use-global-stats", &options->use_global_stats,
         "the same, whatever the next option says");
    flag("--trainable-statistics", &options->trainable_statistics,
         "with --is-test: use and update as without it");
    value("--momentum", "X", &texts->momentum,
          "weight of the old moving statistics" + by_default(defaults.momentum));
    value("--moving-variance", "ESTIMATOR", &texts->moving_variance,
          "of what enters the moving variance: population\n(M2 / m) or sample (M2 / (m - 1)) "
          "[default: population]");

    app->option_defaults()->group("Execution");
    flag("--in-place", &options->in_place, help.in_place);
    app->add_option("--variant", options->variant,
                    "kernels to run, of those that \"halnorm variants\" lists\n"
                    "[default: HALNORM_VARIANT, else the best]")
        ->option_text("NAME");
    value("--threads", "N", &texts->threads,
          "0 for all cores; the same result for any [default: 0]");
    return app;
}

template<typename Value>
struct Choice {
    const char *name;
    Value value;
};

template<typename Value>
void choose(const char *option, const std::optional<std::string> &text,
            const std::vector<Choice<Value>> &choices, Value *chosen) {
    if (!text)
        return;
    std::string names;
    for (const Choice<Value> &choice : choices) {
        if (*text == choice.name) {
            *chosen = choice.value;
            return;
        }
        names += (names.empty() ? "" : ", ") + std::string(choice.name);
    }
    throw Error(option, "was " + in_quotes(*text) + ", should be one of " + names,
                ExitStatus::usage);
}

void read_values(const LayerTexts &texts, LayerOptions *options) {
    halnorm_config &config = options->config;
    std::vector<Choice<halnorm_activation>> activations;
    for (int i = 0; i < HALNORM_ACT_COUNT; i++) {
        const auto activation = static_cast<halnorm_activation>(i);
        activations.push_back({halnorm_activation_name(activation), activation});
    }
    choose("--act", texts.act, activations, &config.activation);
    choose<halnorm_layout>("--data-layout", texts.data_layout,
                           {{"NCHW", HALNORM_NCHW}, {"NHWC", HALNORM_NHWC}}, &config.layout);
    choose<halnorm_variance_estimator>(
        "--moving-variance", texts.moving_variance,
        {{"population", HALNORM_VARIANCE_POPULATION}, {"sample", HALNORM_VARIANCE_SAMPLE}},
        &config.moving_variance_estimator);
    if (texts.act_alpha)
        config.activation_alpha = parse_finite("--act-alpha", *texts.act_alpha);
    if (texts.momentum)
        config.momentum = parse_finite("--momentum", *texts.momentum);
    if (texts.epsilon) {
        config.epsilon = parse_finite("--epsilon", *texts.epsilon);
        if (config.epsilon < 0)
            throw Error("--epsilon", "was " + in_quotes(*texts.epsilon) + ", should be at least 0");
    }
    if (texts.num_channels) {
        options->num_channels = parse_whole("--num-channels", *texts.num_channels, 1,
                                            std::numeric_limits<int64_t>::max());
    }
    if (texts.threads) {
        config.threads = static_cast<int32_t>(
            parse_whole("--threads", *texts.threads, 0, std::numeric_limits<int32_t>::max()));
    }
}

// What CLI11 could not place: an option that does not exist, or an argument too many.
void refuse_remaining(const CLI::App &app) {
    const std::vector<std::string> remaining = app.remaining();
    if (remaining.empty())
        return;
    const std::string &first = remaining[0];
    const bool is_option = first.size() > 1 && first[0] == '-';
    std::string names;
    const auto add = [&](const std::string &name) { names += (names.empty() ? "" : ", ") + name; };
    if (is_option) {
        for (const CLI::Option *option : app.get_options()) {
            if (option->nonpositional())
                add(option->get_name());
        }
        throw Error(one_line(first, 80), "was no option, should be one of " + names,
                    ExitStatus::usage);
    }
    for (const CLI::App *command : app.get_subcommands([](const CLI::App *) { return true; }))
        add(command->get_name());
    if (names.empty() || !app.get_subcommands().empty()) {
        throw Error(in_quotes(first), "was one argument too many, should not be there",
                    ExitStatus::usage);
    }
    throw Error(in_quotes(first), "was no command, should be one of " + names, ExitStatus::usage);
}

// CLI11's complaints about one option start with its name, a flag's without the dashes.
[[noreturn]] void refuse_mismatch(const CLI::App &app, const std::string &complaint) {
    for (const CLI::Option *option : app.get_options()) {
        const std::string name = option->get_name();
        const bool is_flag = option->get_expected_max() == 0;
        const std::string start = is_flag ? option->get_single_name() + " " : name + ":";
        if (complaint.compare(0, start.size(), start) != 0)
            continue;
        const char *text = "was given without a value, should have one";
        if (option->count() > 1)
            text = "was given more than once, should be given once";
        if (is_flag)
            text = "was given a value, should have none";
        throw Error(name, text, ExitStatus::usage);
    }
    throw Error("arguments", complaint, ExitStatus::usage);
}

}  // namespace

void parse_command_line(int argc, char **argv, CommandLine *line) {
    CLI::App app(program_description, "halnorm");
    app.formatter(std::make_shared<HelpFormatter>());
    app.set_help_flag("-h,--help", "print this help");
    app.set_version_flag("--version", "halnorm " + std::to_string(HALNORM_VERSION_MAJOR) + "." +
                                          std::to_string(HALNORM_VERSION_MINOR) + "." +
                                          std::to_string(HALNORM_VERSION_PATCH));
    app.get_version_ptr()->description("print the version");
    app.footer(program_footer);
    app.require_subcommand(0, 1);

    CLI::App *const variants = app.add_subcommand("variants", variants_description)
                                   ->group("Commands")
                                   ->footer(variants_footer);
    variants->add_flag("--json", line->json, "print a JSON array of objects, one a variant")
        ->disable_flag_override();

    // One of the two can be called, so they fill in the same options.
    LayerTexts texts;
    CLI::App *const forward = add_layer_command(&app, forward_help, &line->layer, &texts);
    CLI::App *const backward = add_layer_command(&app, backward_help, &line->layer, &texts);

    const auto command = [&]() -> const CLI::App & {
        for (const CLI::App *candidate : {variants, forward, backward}) {
            if (candidate->count() == 0)
                continue;
            line->speaker = "halnorm " + candidate->get_name();
            return *candidate;
        }
        return app;
    };
    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForHelp &) {
        line->text = app.help();
        return;
    } catch (const CLI::CallForVersion &version) {
        line->text = std::string(version.what()) + "\n";
        return;
    } catch (const CLI::ParseError &error) {
        refuse_remaining(command());
        refuse_remaining(app);
        if (dynamic_cast<const CLI::RequiredError *>(&error) != nullptr) {
            throw Error(line->layer.in.empty() ? "IN" : "OUT",
                        "was missing, should be the name of a safetensors file", ExitStatus::usage);
        }
        refuse_mismatch(command(), error.what());
    }
    command();
    if (app.got_subcommand(variants)) {
        line->command = Command::variants;
    } else if (app.got_subcommand(forward) || app.got_subcommand(backward)) {
        line->command = app.got_subcommand(forward) ? Command::forward : Command::backward;
        read_values(texts, &line->layer);
    } else {
        line->command = Command::usage;
        line->text = app.help();
    }
}

}  // namespace halnorm_tool
