// What the program says when it refuses: one line, "<argument or tensor>: was ..., should be ...".
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

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

// Text that came from outside (a file's name, a tensor's name, a value), in double quotes, with
// control characters and invalid UTF-8 escaped and long text shortened, so that no input can break
// the line or flood the terminal.
std::string in_quotes(std::string_view text);

// The same escapes without the quotes, shortened to about `limit` bytes.
std::string one_line(std::string_view text, size_t limit = std::string_view::npos);

// strerror's text for errno, "No such file or directory".
std::string system_error_text();

}  // namespace halnorm_tool
