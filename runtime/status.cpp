#include "status.h"

#include <stdarg.h>

#include "host.h"

namespace halnorm {
namespace {

HALNORM_PER_THREAD const char *last_variant = "";
HALNORM_PER_THREAD LastFailure failure = {};

}  // namespace

const LastFailure &last_failure() {
    return failure;
}

void set_last_variant(const char *name) {
    last_variant = name;
}

halnorm_status keep_failure(int code, ...) {
    failure.message = static_cast<Message>(code & 0xff);
    va_list values;
    va_start(values, code);
    for (int i = 0; i < (code >> 8 & 7); i++)
        failure.values[i] = va_arg(values, int64_t);
    va_end(values);
    return static_cast<halnorm_status>(code >> 11);
}

int64_t value_of_gap(CallersText text) {
    *failure.text = '\0';
    strncat(failure.text, text.text, sizeof failure.text - 1);
    return 0;
}

}  // namespace halnorm

extern "C" {

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
