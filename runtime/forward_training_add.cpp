#include "forward.h"

using namespace halnorm;

extern "C" {

halnorm_status halnorm_forward_training_add(const halnorm_config *config, const halnorm_tensor *x,
                                            const halnorm_tensor *z, const void *gamma,
                                            const void *beta, void *moving_mean,
                                            void *moving_variance, const halnorm_tensor *y,
                                            double *saved_mean, double *saved_inv_std,
                                            void *workspace, size_t workspace_bytes) {
    return forward_batch({config, x, y, true, z, gamma, beta, moving_mean, moving_variance,
                          saved_mean, saved_inv_std, workspace, workspace_bytes},
                         run_normalize_add, reduce_and_normalize);
}

}  // extern "C"
