#include "common/terminal.h"

#include <algorithm>
#include <clocale>
#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <langinfo.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace digits {
namespace {

std::string variable(const char *name) {
    const char *value = std::getenv(name);
    return value != nullptr ? value : "";
}

}  // namespace

Terminal Terminal::detect() {
    Terminal t;
    const bool is_terminal = isatty(STDOUT_FILENO) != 0;
    const std::string term = variable("TERM");
    const bool dumb = is_terminal && (term.empty() || term == "dumb");
    // What draws the characters is whatever reads the output; the locale is all that is known about
    // it.
    t.utf8 = std::setlocale(LC_CTYPE, "") != nullptr &&
             std::strcmp(nl_langinfo(CODESET), "UTF-8") == 0 && term != "dumb";
    t.live = is_terminal && !dumb;
    t.colour = t.live && variable("NO_COLOR").empty();
    winsize size = {};
    int columns = std::atoi(variable("COLUMNS").c_str());
    if (is_terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        columns = size.ws_col;
    t.width = std::clamp(columns > 0 ? columns : 80, 60, 100);
    return t;
}

std::string Terminal::styled(const std::string &text, Style style) const {
    if (!colour || style == Style::plain)
        return text;
    const char *const codes[] = {"0", "1", "2", "32", "1;31"};
    return fmt::format("\x1b[{}m{}\x1b[0m", codes[static_cast<int>(style)], text);
}

Progress::Progress(const Terminal &terminal, std::string what, int64_t steps)
    : terminal_(terminal), what_(std::move(what)), steps_(steps), start_(Clock::now()),
      next_(start_ + std::chrono::milliseconds(250)) {}

Progress::~Progress() {
    if (shown_)
        std::fputs("\r\x1b[K", stdout);
}

void Progress::step() {
    done_ = std::min(done_ + 1, steps_);
    const Clock::time_point now = Clock::now();
    if (!terminal_.live || now < next_)
        return;
    next_ = now + std::chrono::milliseconds(50);
    if (!shown_ && (now - start_) * steps_ / done_ < std::chrono::seconds(1))
        return;
    shown_ = true;
    constexpr int64_t cells = 30;
    const int64_t filled = steps_ > 0 ? cells * done_ / steps_ : cells;
    std::string bar;
    for (int64_t i = 0; i < cells; i++) {
        if (terminal_.utf8)
            bar += i < filled ? "█" : "░";
        else
            bar += i < filled ? '#' : '.';
    }
    fmt::print("\r\x1b[K  {} {} {}/{}", what_, bar, done_, steps_);
    std::fflush(stdout);
}

}  // namespace digits
