// The library's statuses as this program's errors.
#pragma once

#include <algorithm>
#include <string>

#include "error.h"
#include "halnorm/halnorm.h"

namespace halnorm_tool {

// Throws what the library complained of. It names the fields of the configuration, a user knows
// options.
inline void check(halnorm_status status) {
    if (status == HALNORM_OK)
        return;
    const std::string message = one_line(halnorm_last_error());
    const size_t colon = message.find(": ");
    if (colon == std::string::npos)
        throw Error(halnorm_status_name(status), message);
    std::string subject = message.substr(0, colon);
    const std::string field = "config.";
    if (subject.compare(0, field.size(), field) == 0) {
        subject = "--" + subject.substr(field.size());
        std::replace(subject.begin(), subject.end(), '_', '-');
    }
    const bool misnamed = status == HALNORM_ERROR_VARIANT_UNKNOWN && subject == "--variant";
    throw Error(subject, message.substr(colon + 2),
                misnamed ? ExitStatus::usage : ExitStatus::failure);
}

}  // namespace halnorm_tool
