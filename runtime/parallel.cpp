#include "parallel.h"

namespace halnorm {
namespace {

// Waking the pool's threads costs some ten microseconds, which is what one core needs for about
// this many elements.
constexpr int64_t serial_elements = int64_t{64} * 1024;

}  // namespace

int32_t likely_threads(const halnorm_config &config) {
    if (config.executor == nullptr && (config.threads == 1 || !HALNORM_THREADS))
        return 1;
    return config.executor == nullptr && config.threads > 0 ? config.threads : 16;
}

void parallel_for(const halnorm_config &config, int64_t elements, int64_t tasks, Task task,
                  void *argument) {
    const bool small = tasks <= 1 || elements < serial_elements;
    if (!small && config.executor != nullptr) {
        config.executor->parallel_for(config.executor->context, tasks, task, argument);
        return;
    }
#if HALNORM_THREADS
    if (!small && config.threads != 1) {
        pool_parallel_for(config.threads, tasks, task, argument);
        return;
    }
#endif
    for (int64_t i = 0; i < tasks; i++)
        task(argument, i);
}

}  // namespace halnorm
