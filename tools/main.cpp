// The program `halnorm`: parses the command line, runs the command, turns every failure into one
// line and an exit status.
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <string>

#include "backward.h"
#include "command_line.h"
#include "error.h"
#include "forward.h"
#include "variants.h"

namespace {

using namespace halnorm_tool;

void print(const std::string &text) {
    const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
    if (!written || std::fflush(stdout) != 0) {
        throw Error("standard output", "was not writable (" + system_error_text() + "), should be");
    }
}

ExitStatus run(const CommandLine &line) {
    switch (line.command) {
    case Command::print:
        print(line.text);
        break;
    case Command::usage:
        static_cast<void>(std::fputs(line.text.c_str(), stderr));
        return ExitStatus::usage;
    case Command::variants:
        print(list_variants(line.json));
        break;
    case Command::forward:
        run_forward(line.layer);
        break;
    case Command::backward:
        run_backward(line.layer);
        break;
    }
    return ExitStatus::success;
}

void complain(const std::string &speaker, const std::string &message) {
    static_cast<void>(std::fprintf(stderr, "%s: %s\n", speaker.c_str(), message.c_str()));
}

}  // namespace

int main(int argc, char **argv) {
    // A file beyond the size limit is then an error of write() like a full disk, not the end of the
    // process.
    static_cast<void>(std::signal(SIGXFSZ, SIG_IGN));
    halnorm_enable_gpu();
    CommandLine line;
    ExitStatus status = ExitStatus::failure;
    try {
        parse_command_line(argc, argv, &line);
        status = run(line);
    } catch (const Error &error) {
        complain(line.speaker, error.what());
        status = error.status();
    } catch (const std::bad_alloc &) {
        complain(line.speaker, "memory: was not enough, should hold the tensors of IN and OUT");
    } catch (const std::exception &error) {
        complain(line.speaker, one_line(error.what()));
    }
    return static_cast<int>(status);
}
