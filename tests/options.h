// What the test programs take besides GoogleTest's own flags.
#pragma once

#include <string>

namespace test {

struct Options {
    bool reduced = false;     // --reduced: fewer and smaller cases, for emulated machines
    bool guard_pages = true;  // --no-guard-pages: what lies there may be read
    std::string
        expected_chosen;  // --expect-chosen=NAME: the variant that this machine has to choose
    std::string program;  // argv[0]
};
extern Options options;

}  // namespace test
