#include "common/program.h"

#include <fmt/format.h>

namespace digits {

int run_program(CLI::App *app, int argc, char **argv, const std::function<void()> &run) {
    try {
        app->parse(argc, argv);
    } catch (const CLI::ParseError &error) {
        return app->exit(error) == 0 ? 0 : 2;
    }
    try {
        run();
    } catch (const std::exception &error) {
        std::fflush(stdout);
        fmt::print(stderr, "{}: {}\n", app->get_name(), error.what());
        return 1;
    }
    return 0;
}

}  // namespace digits
