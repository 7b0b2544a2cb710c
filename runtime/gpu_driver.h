// What gpu.cpp needs from a driver. Each is in a file of its own, which a build without its variant
// leaves out.
#pragma once

#include <atomic>
#include <sched.h>
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

// One thread at a time: what is done once, and what is loaded. Works in programs without a thread
// library.
class Lock {
public:
    explicit Lock(std::atomic_flag *flag) : flag_(flag) {
        while (flag_->test_and_set(std::memory_order_acquire))
            sched_yield();
    }
    ~Lock() { flag_->clear(std::memory_order_release); }
    Lock(const Lock &) = delete;

private:
    std::atomic_flag *flag_;
};

// Kernels are loaded at their first use and stay for the life of the process, one copy per context
// of a device. Of a process that goes through many contexts the oldest are forgotten, as there is
// no memory but this.
struct LoadedKernels {
    using Load = void *(*)(const char *source, size_t bytes);  // nullptr where it failed
    // `source` is a kernel's own memory, so its address names it. `context` and `generation` name
    // the device's context.
    void *find_or_load(void *context, uint64_t generation, const char *source, size_t bytes,
                       Load load);

    static constexpr size_t room = 128;
    struct Entry {
        void *context;
        uint64_t generation;
        const char *source;
        void *loaded;
    } entries[room];
    size_t count;  // ever loaded
    std::atomic_flag loading;
};

}  // namespace halnorm
