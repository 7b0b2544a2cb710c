#include "files.h"

#include <csignal>
#include <unistd.h>

namespace halnorm_tool {
namespace {

// What a signal that ends the process has to remove first.
const char *volatile unfinished_file = nullptr;

extern "C" void remove_unfinished_file(int signal) {
    if (unfinished_file != nullptr)
        unlink(unfinished_file);
    static_cast<void>(raise(signal));  // SA_RESETHAND: this time it ends the process
}

void handle_signals() {
    for (const int signal : {SIGHUP, SIGINT, SIGTERM}) {
        struct sigaction old;
        if (sigaction(signal, nullptr, &old) != 0 || old.sa_handler != SIG_DFL)
            continue;  // as under nohup
        struct sigaction action = {};
        action.sa_handler = remove_unfinished_file;
        action.sa_flags = static_cast<int>(SA_RESETHAND);
        sigaction(signal, &action, nullptr);
    }
}

}  // namespace

void write(const std::string &argument, const std::string &path,
           const std::vector<OutputTensor> &tensors) {
    handle_signals();
    check(halnorm_state::write_safetensors(argument, path, tensors,
                                           [](const char *file) { unfinished_file = file; }));
}

}  // namespace halnorm_tool
