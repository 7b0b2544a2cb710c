#include "forward.h"
#include "gpu.h"
#include "status.h"

namespace halnorm {

halnorm_status check_moving_statistics(const ForwardArguments &a) {
    if (a.moving_mean == nullptr)
        return fail<Message::values_null>(Argument::moving_mean);
    if (a.moving_variance == nullptr)
        return fail<Message::values_null>(Argument::moving_variance);
    return HALNORM_OK;
}

halnorm_status forward_inference(const ForwardArguments &a, Normalize normalize) {
    Plan plan;
    HALNORM_TRY(make_plan(a.config, a.operands(nullptr), true, &plan));
    HALNORM_TRY(check_moving_statistics(a));
    const size_t element = plan.element(), array = static_cast<size_t>(plan.channels()) * element;
    enum { at_x, at_z, at_gamma, at_beta, at_mean, at_variance, at_y, at_workspace, count };
    Range ranges[count];  // one by one: a list of initializers is zeroed as a whole first
    ranges[at_x] = range_of(Argument::x, a.x, false);
    ranges[at_z] = range_of(Argument::z, a.add ? a.z : nullptr, false);
    ranges[at_gamma] = {Argument::gamma, a.gamma, array, element, false};
    ranges[at_beta] = {Argument::beta, a.beta, array, element, false};
    ranges[at_mean] = {Argument::moving_mean, a.moving_mean, array, element, false};
    ranges[at_variance] = {Argument::moving_variance, a.moving_variance, array, element, false};
    ranges[at_y] = range_of(Argument::y, a.y, true);
    ranges[at_workspace] = {Argument::workspace, a.workspace_bytes > 0 ? a.workspace : nullptr,
                            a.workspace_bytes, 1, true};
    const InPlace pairs[] = {{at_x, at_y, a.x, a.y}, {at_z, at_y, a.z, a.y}};
    HALNORM_TRY(check_ranges(ranges, count, pairs, 2));
    if (plan.empty())
        return kernel_status(plan, 0);
    Workspace lent(a.workspace, a.workspace_bytes);
    InferencePieces p = take_inference_pieces(plan, lent);
    HALNORM_TRY(lent.check());

    DeviceCall device(plan);
    HALNORM_TRY(device.begin(a.x->device, ranges, count, at_workspace));
    const auto at = [&](int i) { return const_cast<void *>(ranges[i].data); };
    if (device.has_copies()) {
        Workspace copy(at(at_workspace), a.workspace_bytes);
        p = take_inference_pieces(plan, copy);
    }
    const int code = run_inference_coefficients(plan, p, at(at_gamma), at(at_beta), at(at_mean),
                                                at(at_variance));
    const ForwardTensors tensors = {at(at_x), at(at_y), at(at_z)};
    return device.end(code != 0 ? code : normalize_all(plan, tensors, normalize, p.coefficients));
}

}  // namespace halnorm

using namespace halnorm;

extern "C" {

halnorm_status halnorm_forward_inference_workspace(const halnorm_config *config,
                                                   const halnorm_tensor *x, size_t *bytes) {
    return query_workspace(config, x, nullptr, bytes, take_inference_pieces);
}

halnorm_status halnorm_forward_inference(const halnorm_config *config, const halnorm_tensor *x,
                                         const void *gamma, const void *beta,
                                         const void *moving_mean, const void *moving_variance,
                                         const halnorm_tensor *y, void *workspace,
                                         size_t workspace_bytes) {
    return forward_inference({config, x, y, false, nullptr, gamma, beta,
                              const_cast<void *>(moving_mean), const_cast<void *>(moving_variance),
                              nullptr, nullptr, workspace, workspace_bytes},
                             run_normalize);
}

}  // extern "C"
