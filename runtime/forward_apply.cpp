#include "forward.h"

namespace halnorm {
namespace {

int apply(BatchCall &call) {
    const int code = call.run_coefficients(0, call.plan.channels());
    return code != 0 ? code : normalize_all(call);
}

}  // namespace
}  // namespace halnorm

using namespace halnorm;

extern "C" {

halnorm_status halnorm_forward_apply_workspace(const halnorm_config *config,
                                               const halnorm_tensor *x, size_t *bytes) {
    return query_forward_batch(config, x, true, bytes);
}

halnorm_status halnorm_forward_apply(const halnorm_config *config, const halnorm_tensor *x,
                                     const halnorm_tensor *z, int64_t count, const double *mean,
                                     const double *m2, const void *gamma, const void *beta,
                                     void *moving_mean, void *moving_variance,
                                     const halnorm_tensor *y, double *saved_mean,
                                     double *saved_inv_std, void *workspace,
                                     size_t workspace_bytes) {
    return forward_batch({config, x, y, z != nullptr, z, gamma, beta, moving_mean, moving_variance,
                          saved_mean, saved_inv_std, workspace, workspace_bytes, true, count, mean,
                          m2},
                         z != nullptr ? run_normalize_add : run_normalize, apply);
}

}  // extern "C"
