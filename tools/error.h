// What the program says when it refuses: one line, "<argument or tensor>: was ..., should be ...".
#pragma once

#include <stdexcept>
#include <string>

#include "text.h"

namespace halnorm_tool {

enum class ExitStatus { success = 0, failure = 1, usage = 2 };

// Thrown by whatever finds the problem; main prints it and exits with its status.
class Error : public std::runtime_error {
public:
    Error(const std::string &subject, const std::string &text,
          ExitStatus status = ExitStatus::failure)
        : std::runtime_error(subject + ": " + text), status_(status) {}

    ExitStatus status() const { return status_; }

private:
    ExitStatus status_;
};

using halnorm_state::in_quotes;
using halnorm_state::one_line;
using halnorm_state::system_error_text;

}  // namespace halnorm_tool
