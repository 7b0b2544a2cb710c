// Failures: a status, and what halnorm_last_error makes a sentence of. No allocation, no stdio.
#pragma once

#include <string.h>

#include "halnorm/halnorm.h"
#include "messages.h"

namespace halnorm {

struct LastFailure {
    Message message;
    int64_t values[5];  // of the message's gaps, in turn
    char text[64];      // of a CallersText
};

// The calling thread's.
const LastFailure &last_failure();
void set_last_variant(const char *name);

template<typename T>
int64_t value_of_gap(T value) {
    return static_cast<int64_t>(value);
}
inline int64_t value_of_gap(const char *text) {
    return static_cast<int64_t>(reinterpret_cast<uintptr_t>(text));
}
inline int64_t value_of_gap(ArgumentList list) {
    return static_cast<int64_t>(list.packed);
}
inline int64_t value_of_gap(double value) {
    int64_t bits = 0;
    memcpy(&bits, &value, sizeof value);
    return bits;
}
int64_t value_of_gap(CallersText text);

// `code`: a status, the number of values and a message, as one number that fits an instruction. The
// values are int64_t. (A function of each number of values would be as much code as all calls.)
[[gnu::cold]] halnorm_status keep_failure(int code, ...);

// Leaves a message as the thread's last error; the message's status, to return.
template<Message message, typename... Values>
halnorm_status fail(Values... values) {
    constexpr int index = static_cast<int>(message), count = sizeof...(values);
    constexpr when_compiled::Entry entry = when_compiled::messages[index];
    constexpr char letters[] = {when_compiled::letter<Values>..., '\0'};
    static_assert(when_compiled::fill(entry.sentence, letters),
                  "the values are not what the sentence has gaps for");
    static_assert(count <= sizeof LastFailure::values / sizeof *LastFailure::values,
                  "LastFailure has room for all values");
    return keep_failure(entry.status << 11 | count << 8 | index, value_of_gap(values)...);
}

}  // namespace halnorm

// Returns from the enclosing function with the status of `call` unless it is HALNORM_OK.
#define HALNORM_TRY(call)                         \
    do {                                          \
        const halnorm_status try_status = (call); \
        if (try_status != HALNORM_OK)             \
            return try_status;                    \
    } while (0)
