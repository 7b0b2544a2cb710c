#include "gpu_load.h"

namespace halnorm {

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
