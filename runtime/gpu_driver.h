// What gpu.cpp needs from a driver. Each is in a file of its own, which a build without its variant
// leaves out.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "halnorm/halnorm.h"

namespace halnorm {

struct GpuDriver {
    const char *(*why_not)();
    // Makes the device current for this thread until leave(): the caller's context and stream, or
    // our own.
    void (*enter)(bool callers, void *stream);
    void (*leave)();
    void *(*allocate)(size_t bytes);
    void (*release)(void *memory);
    void (*upload)(void *to, const void *from, size_t bytes);
    void (*download)(void *to, const void *from, size_t bytes);
    void (*copy)(void *to, const void *from, size_t bytes);  // within the device
    void (*fill)(void *values, int64_t count, size_t element, uint64_t bits);
};

extern const GpuDriver cuda_driver, opencl_driver;

// The first thing that went wrong in this thread's call. Kernels report nothing themselves, so each
// function of a driver does nothing once there is a failure, and the call looks in the end. `what`
// is an entry point, `said` the driver's words; both in static memory.
void gpu_failed(const char *what, const char *said, int64_t code);
bool gpu_has_failed();

}  // namespace halnorm
