#include "gpu_load.h"

namespace halnorm {

const char *Probed::why_not(const char *(*probe)()) {
    if (done.load(std::memory_order_acquire))
        return text;
    const Lock lock(&probing);
    if (!done.load(std::memory_order_relaxed)) {
        text = probe();
        done.store(true, std::memory_order_release);
    }
    return text;
}

void *LoadedKernels::find_or_load(void *context, uint64_t generation, const char *source,
                                  size_t bytes, Load load) {
    const Lock lock(&loading);
    for (size_t i = 0; i < count && i < room; i++) {
        const Entry &e = entries[i];
        if (e.source == source && e.context == context && e.generation == generation)
            return e.loaded;
    }
    void *const loaded = load(source, bytes);
    if (loaded != nullptr)
        entries[count++ % room] = {context, generation, source, loaded};
    return loaded;
}

}  // namespace halnorm
