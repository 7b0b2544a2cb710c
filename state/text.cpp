#include "text.h"

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>

namespace halnorm_state {
namespace {

// Length of the valid UTF-8 sequence that text starts with, 0 where there is none.
size_t utf8_length(std::string_view text) {
    const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
    const uint8_t lead = byte(0);
    size_t length = 0;
    uint32_t code = 0;
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead <= 0xdf)
        length = 2, code = lead & 0x1fu;
    if (lead >= 0xe0 && lead <= 0xef)
        length = 3, code = lead & 0x0fu;
    if (lead >= 0xf0 && lead <= 0xf4)
        length = 4, code = lead & 0x07u;
    if (length == 0 || text.size() < length)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((byte(i) & 0xc0u) != 0x80u)
            return 0;
        code = code << 6 | (byte(i) & 0x3fu);
    }
    const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
    const bool outside = code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff);
    return overlong || outside ? 0 : length;
}

// Control characters of ASCII and of Latin-1, and the two line separators of Unicode.
bool breaks_a_line(std::string_view sequence) {
    const auto lead = static_cast<uint8_t>(sequence[0]);
    if (sequence.size() == 1)
        return lead < 0x20 || lead == 0x7f;
    if (sequence.size() == 2)
        return lead == 0xc2 && static_cast<uint8_t>(sequence[1]) < 0xa0;
    return sequence == "\u2028" || sequence == "\u2029";
}

std::string escaped(std::string_view text, size_t limit, bool quotes) {
    std::string result;
    while (!text.empty()) {
        if (result.size() > limit)
            return result + "...";
        const size_t length = utf8_length(text);
        const std::string_view sequence = text.substr(0, length == 0 ? 1 : length);
        text.remove_prefix(sequence.size());
        if (quotes && (sequence == "\"" || sequence == "\\")) {
            result += '\\';
            result += sequence;
        } else if (length != 0 && !breaks_a_line(sequence)) {
            result += sequence;
        } else if (sequence == "\n") {
            result += "\\n";
        } else {
            for (const char c : sequence) {
                char hex[8];
                static_cast<void>(std::snprintf(
                    hex, sizeof hex, "\\x%02x", static_cast<unsigned>(static_cast<uint8_t>(c))));
                result += hex;
            }
        }
    }
    return result;
}

}  // namespace

std::string in_quotes(std::string_view text) {
    constexpr size_t limit = 120;
    return '"' + escaped(text, limit, true) + '"';
}

std::string one_line(std::string_view text, size_t limit) {
    return escaped(text, limit, false);
}

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        const size_t length = utf8_length(text);
        if (length == 0)
            return false;
        text.remove_prefix(length);
    }
    return true;
}

std::string system_error_text() {
    return std::strerror(errno);
}

}  // namespace halnorm_state
