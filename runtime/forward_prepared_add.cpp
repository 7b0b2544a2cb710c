#include "forward.h"

using namespace halnorm;

extern "C" {

halnorm_status halnorm_prepare_inference_add(const halnorm_config *config, const halnorm_tensor *x,
                                             const halnorm_tensor *z, const void *gamma,
                                             const void *beta, const void *moving_mean,
                                             const void *moving_variance, const halnorm_tensor *y,
                                             void *memory, size_t memory_bytes,
                                             const halnorm_prepared **prepared) {
    return prepare_inference({config, x, y, true, z, gamma, beta, const_cast<void *>(moving_mean),
                              const_cast<void *>(moving_variance), nullptr, nullptr, memory,
                              memory_bytes},
                             run_normalize_add, prepared);
}

}  // extern "C"
