// What gpu.cpp needs from a driver. Each is in a file of its own, which a build without its variant leaves out.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "halnorm/halnorm.h"

namespace halnorm {

struct GpuDriver {
    const char *(*why_not)();
    // Makes the device current for this thread until leave(): the caller's context and stream, or our own.
    void (*enter)(bool callers, void *stream);
    void (*leave)();
    void *(*allocate)(size_t bytes);
    void (*release)(void *memory);
    void (*upload)(void *to, const void *from, size_t bytes);
    void (*download)(void *to, const void *from, size_t bytes);
    void (*fill)(void *values, int64_t count, size_t element, uint64_t bits);
};

extern const GpuDriver cuda_driver, opencl_driver;

// The first thing that went wrong in this thread's call. Kernels report nothing themselves, so each function of a driver
// does nothing once there is a failure, and the call looks in the end. `what` is an entry point, `said` the driver's
// words; both in static memory.
void gpu_failed(const char *what, const char *said, int64_t code);
bool gpu_has_failed();

// Kernels are loaded at their first use and stay for the life of the process, one copy per device context.
class LoadedKernels {
public:
    using Load = void *(*)(const char *source, size_t bytes);  // nullptr where it failed
    // `source` is a kernel's own memory, so its address names it. `context` and `generation` name the device's context.
    void *find_or_load(void *context, uint64_t generation, const char *source, size_t bytes, Load load);

private:
    struct Entry;
    Entry *first_ = nullptr;
};

}  // namespace halnorm
