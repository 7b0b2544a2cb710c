// Text of messages that quote what came from outside.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace halnorm_state {

// Text that came from outside (a file's name, a tensor's name, a value), in double quotes, with
// control characters and invalid UTF-8 escaped and long text shortened, so that no input can break
// the line or flood the terminal.
std::string in_quotes(std::string_view text);

// The same escapes without the quotes, shortened to about `limit` bytes.
std::string one_line(std::string_view text, size_t limit = std::string_view::npos);

bool is_utf8(std::string_view text);

// strerror's text for errno, "No such file or directory".
std::string system_error_text();

}  // namespace halnorm_state
