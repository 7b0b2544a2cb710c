// A driver's library and kernels in its memory, for gpu_cuda.cpp and gpu_opencl.cpp.
#pragma once

#include <atomic>
#include <dlfcn.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>

namespace halnorm {

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

template<typename F>
bool find(void *library, const char *name, F **function) {
    *function = reinterpret_cast<F *>(dlsym(library, name));
    return *function != nullptr;
}

// Whether there is a device, found out once.
struct Probed {
    // nullptr, or why there is none, as `probe` said at the first call.
    const char *why_not(const char *(*probe)());

    const char *text;
    std::atomic<bool> done;
    std::atomic_flag probing;
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
