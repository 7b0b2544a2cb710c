#include "activate.h"
#include "normalize.h"
#include "streaming.h"

namespace halnorm {
namespace {

int run(const Plan &plan, const ForwardTensors &tensors, const Slice &slice,
        const Coefficients &coefficients, const ActivationScalars &a) {
    return for_each_piece(plan, slice, tensors.y, 1, normalize_add_streaming_kernels,
                          [&](const Region &r, const Slice &piece, bool streaming) {
                              TensorView x(plan, r, 0, tensors.x, piece);
                              TensorView y(plan, r, 1, tensors.y, piece);
                              TensorView z(plan, r, 2, tensors.z, piece);
                              CoefficientViews c(plan, coefficients, piece);
                              const auto *table = streaming ? normalize_add_streaming_kernels :
                                                              normalize_add_kernels;
                              return call_normalize_add(plan, r, table, x, z, c, a, plan.ahead, y);
                          });
}

}  // namespace

int run_normalize_add(const Plan &plan, const ForwardTensors &tensors, const Slice &slice,
                      const Coefficients &coefficients) {
    return then_activate(plan, tensors, slice, coefficients, run);
}

}  // namespace halnorm
