#include "status.h"

#include <math.h>
#include <string.h>

#include "host.h"

namespace halnorm {
namespace {

HALNORM_PER_THREAD const char *last_variant = "";

#if HALNORM_MESSAGES
constexpr size_t capacity = 512;
HALNORM_PER_THREAD char message[capacity];
HALNORM_PER_THREAD size_t length = 0;

void append(const char *text, size_t size) {
    const size_t room = capacity - 1 - length;
    const size_t taken = size < room ? size : room;
    memcpy(message + length, text, taken);
    length += taken;
    message[length] = '\0';
}
#else
HALNORM_PER_THREAD halnorm_status last_failure = HALNORM_OK;
#endif

}  // namespace

#if HALNORM_MESSAGES
Failure::Failure(halnorm_status status) : status_(status) {
    length = 0;
    message[0] = '\0';
}

Failure &Failure::operator<<(const char *text) {
    append(text, strlen(text));
    return *this;
}

Failure &Failure::operator<<(int64_t number) {
    char digits[20];
    size_t first = sizeof digits;
    uint64_t magnitude =
        number < 0 ? 0 - static_cast<uint64_t>(number) : static_cast<uint64_t>(number);
    do {
        digits[--first] = static_cast<char>('0' + magnitude % 10);
        magnitude /= 10;
    } while (magnitude != 0);
    if (number < 0)
        append("-", 1);
    append(digits + first, sizeof digits - first);
    return *this;
}

// Six significant digits: enough to recognize the value in a message.
Failure &Failure::operator<<(double number) {
    if (number != number)
        return *this << "NaN";
    if (number < 0)
        *this << "-";
    double magnitude = fabs(number);
    if (isinf(magnitude))
        return *this << "inf";
    if (magnitude == 0)
        return *this << "0";
    int exponent = 0;
    while (magnitude >= 10)
        magnitude /= 10, exponent++;
    while (magnitude < 1)
        magnitude *= 10, exponent--;
    // NOLINTNEXTLINE(bugprone-incorrect-roundings): between 1e5 and 1e6, and lround is libm's
    int64_t digits = static_cast<int64_t>(magnitude * 1e5 + 0.5);
    if (digits == 1000000)
        digits = 100000, exponent++;
    int places = 5;
    while (places > 0 && digits % 10 == 0)
        digits /= 10, places--;
    int64_t unit = 1;
    for (int i = 0; i < places; i++)
        unit *= 10;
    *this << digits / unit;
    if (places > 0) {
        *this << ".";
        for (int64_t u = unit / 10; u > 0; u /= 10)
            *this << digits / u % 10;
    }
    if (exponent != 0)
        *this << "e" << static_cast<int64_t>(exponent);
    return *this;
}
#else
Failure::Failure(halnorm_status status) : status_(status) {
    last_failure = status;
}
#endif

void set_last_variant(const char *name) {
    last_variant = name;
}

}  // namespace halnorm

extern "C" {

const char *halnorm_last_error(void) {
#if HALNORM_MESSAGES
    return halnorm::message;
#else
    return halnorm::last_failure == HALNORM_OK ? "" : halnorm_status_name(halnorm::last_failure);
#endif
}

const char *halnorm_last_variant(void) {
    return halnorm::last_variant;
}

const char *halnorm_status_name(halnorm_status status) {
    switch (status) {
    case HALNORM_OK:
        return "HALNORM_OK";
    case HALNORM_ERROR_NULL:
        return "HALNORM_ERROR_NULL";
    case HALNORM_ERROR_RANK:
        return "HALNORM_ERROR_RANK";
    case HALNORM_ERROR_SHAPE:
        return "HALNORM_ERROR_SHAPE";
    case HALNORM_ERROR_STRIDE:
        return "HALNORM_ERROR_STRIDE";
    case HALNORM_ERROR_OVERLAP:
        return "HALNORM_ERROR_OVERLAP";
    case HALNORM_ERROR_ALIGNMENT:
        return "HALNORM_ERROR_ALIGNMENT";
    case HALNORM_ERROR_DTYPE:
        return "HALNORM_ERROR_DTYPE";
    case HALNORM_ERROR_PARAMETER:
        return "HALNORM_ERROR_PARAMETER";
    case HALNORM_ERROR_TOO_LARGE:
        return "HALNORM_ERROR_TOO_LARGE";
    case HALNORM_ERROR_WORKSPACE:
        return "HALNORM_ERROR_WORKSPACE";
    case HALNORM_ERROR_VARIANT_UNKNOWN:
        return "HALNORM_ERROR_VARIANT_UNKNOWN";
    case HALNORM_ERROR_VARIANT_UNSUPPORTED:
        return "HALNORM_ERROR_VARIANT_UNSUPPORTED";
    case HALNORM_ERROR_DEVICE:
        return "HALNORM_ERROR_DEVICE";
    case HALNORM_ERROR_KERNEL:
        return "HALNORM_ERROR_KERNEL";
    case HALNORM_ERROR_UNSUPPORTED:
        return "HALNORM_ERROR_UNSUPPORTED";
    case HALNORM_ERROR_FILE:
        return "HALNORM_ERROR_FILE";
    }
    return "unknown halnorm_status";
}

}  // extern "C"
