// Failures: a status, and a message in the calling thread's buffer. No allocation, no stdio.
#pragma once

// 0: the message is the name of the status, and what it would have said is not in the program.
#ifndef HALNORM_MESSAGES
#define HALNORM_MESSAGES 1
#endif

#include "halnorm/halnorm.h"

namespace halnorm {

// Builds the thread's last error: Failure(HALNORM_ERROR_SHAPE) << "x: shape[1] is " << 3 << ";
// should be " << 4. Converts to its status. Text beyond the buffer is cut off.
class Failure {
public:
    [[gnu::cold]] explicit Failure(halnorm_status status);  // what leads here is unlikely
#if HALNORM_MESSAGES
    Failure &operator<<(const char *text);
    Failure &operator<<(int64_t number);
    Failure &operator<<(double number);
#else
    Failure &operator<<(const char *) { return *this; }
    Failure &operator<<(int64_t) { return *this; }
    Failure &operator<<(double) { return *this; }
#endif
    operator halnorm_status() const { return status_; }

private:
    halnorm_status status_;
};

void set_last_variant(const char *name);

}  // namespace halnorm

// Returns from the enclosing function with the status of `call` unless it is HALNORM_OK.
#define HALNORM_TRY(call)                         \
    do {                                          \
        const halnorm_status try_status = (call); \
        if (try_status != HALNORM_OK)             \
            return try_status;                    \
    } while (0)
