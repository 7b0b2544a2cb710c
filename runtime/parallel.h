// The one hook through which work is spread over threads: the caller's executor, the built-in pool,
// or a plain loop.
#pragma once

#include <atomic>

#include "halnorm/halnorm.h"

namespace halnorm {

using Task = void (*)(void *argument, int64_t index);

// Calls task(argument, i) for each i in [0, tasks). `elements` is the size of the whole: small work
// stays on this thread.
void parallel_for(const halnorm_config &config, int64_t elements, int64_t tasks, Task task,
                  void *argument);

// How many threads share the tasks of a large call; 16 where the caller leaves that open.
int32_t likely_threads(const halnorm_config &config);

// What tasks that run side by side report: 0, or the code of one that failed.
class TaskCode {
public:
    void note(int code) {
        if (code != 0)
            code_.store(code, std::memory_order_relaxed);
    }
    int get() const { return code_.load(std::memory_order_relaxed); }

private:
    std::atomic<int> code_{0};
};

// Up to `threads` threads, this one included; 0 means all cores. Falls back to this thread alone
// where the pool is busy with another call or no thread can be made.
void pool_parallel_for(int32_t threads, int64_t tasks, Task task, void *argument);

}  // namespace halnorm
