// failure.hpp: how the C++ layer says what it refuses. Part of halnorm.hpp.
#ifndef HALNORM_FAILURE_HPP_
#define HALNORM_FAILURE_HPP_

#include <cstdarg>
#include <cstdio>

#include "halnorm/tensor.hpp"

namespace halnorm {
inline namespace v0 {
namespace detail {

// A failed Status with printf's text, "<argument>: was ..., should be ...", in a buffer of the
// calling thread: valid until its next failed call.
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
inline Status
failure(halnorm_status code, const char *format, ...) {
    static thread_local char message[512];
    va_list arguments;
    va_start(arguments, format);
    static_cast<void>(std::vsnprintf(message, sizeof message, format, arguments));
    va_end(arguments);
    return {code, message};
}

}  // namespace detail
}  // namespace v0
}  // namespace halnorm

#endif  // HALNORM_FAILURE_HPP_
