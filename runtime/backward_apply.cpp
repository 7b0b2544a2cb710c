#include "backward.h"

namespace halnorm {
namespace {

int apply_totals(BackwardCall &call) {
    const int code = run_input_coefficients(call, 0, call.plan.channels());
    return code != 0 ? code : map_gradients(call);
}

}  // namespace
}  // namespace halnorm

using namespace halnorm;

extern "C" {

halnorm_status halnorm_backward_apply_workspace(const halnorm_config *config,
                                                const halnorm_backward_args *args, size_t *bytes) {
    return query_backward(config, args, {BackwardPart::apply, nullptr, nullptr, 0}, bytes);
}

halnorm_status halnorm_backward_apply(const halnorm_config *config,
                                      const halnorm_backward_args *args, int64_t count,
                                      const double *sum_g, const double *sum_g_xhat,
                                      void *workspace, size_t workspace_bytes) {
    return backward_pass(
        config, args,
        {BackwardPart::apply, const_cast<double *>(sum_g), const_cast<double *>(sum_g_xhat), count},
        apply_totals, workspace, workspace_bytes);
}

}  // extern "C"
