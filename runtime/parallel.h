// The one hook through which work is spread over threads: the caller's executor, the built-in pool,
// or a plain loop.
#pragma once

#include "halnorm/halnorm.h"

namespace halnorm {

using Task = void (*)(void *argument, int64_t index);

// Calls task(argument, i) for each i in [0, tasks). `elements` is the size of the whole: small work
// stays on this thread.
void parallel_for(const halnorm_config &config, int64_t elements, int64_t tasks, Task task,
                  void *argument);

// Up to `threads` threads, this one included; 0 means all cores. Falls back to this thread alone
// where the pool is busy with another call or no thread can be made.
void pool_parallel_for(int32_t threads, int64_t tasks, Task task, void *argument);

}  // namespace halnorm
