// Inference of which all that needs no elements is done once: checks, plan and coefficients.
#include "forward.h"
#include "status.h"
#include "streaming.h"

using namespace halnorm;

// At the begin of the caller's memory; the coefficients follow.
struct halnorm_prepared {
    size_t bytes;  // of the memory
    halnorm_config config;
    halnorm_executor executor;
    halnorm_tensor x, z, y;  // without elements; z as x where there is none
    size_t bytes_of_x, bytes_of_z, bytes_of_y;
    bool add;
    bool placed;  // how y is stored depends on where the tensors lie
    Plan plan;
    Normalize normalize;
    Coefficients coefficients;
};

namespace halnorm {
namespace {

struct Pieces {
    halnorm_prepared *prepared;
    InferencePieces inference;
};

Pieces take_pieces(const Plan &plan, Workspace &memory) {
    Pieces p;
    p.prepared = static_cast<halnorm_prepared *>(memory.take(1, sizeof(halnorm_prepared)));
    p.inference = take_inference_pieces(plan, memory);
    return p;
}

halnorm_status plan_on_cpu(const halnorm_config *config, Operands operands, Plan *plan) {
    operands.prepares = true;
    HALNORM_TRY(make_plan(config, operands, false, plan));
    if (plan->on_cpu())
        return HALNORM_OK;
    return fail<Message::prepared_for_gpu>(plan->variant);
}

int run_here(const halnorm_prepared &p, const Plan &plan, const ForwardTensors &tensors) {
    return normalize_all(plan, tensors, p.normalize, p.coefficients);
}

// In a frame of its own, which small tensors need not have.
[[gnu::noinline]] int run_placed(const halnorm_prepared &p, const ForwardTensors &tensors) {
    halnorm_tensor x = p.x, y = p.y, z = p.z;
    x.data = const_cast<void *>(tensors.x);
    y.data = tensors.y;
    z.data = const_cast<void *>(tensors.z);
    ForwardArguments a = {};
    a.x = &x, a.y = &y, a.z = &z, a.add = p.add;
    Plan plan = p.plan;
    place_result(a.operands(nullptr), &plan);
    return run_here(p, plan, tensors);
}

}  // namespace

halnorm_status prepare_inference(const ForwardArguments &a, Normalize normalize,
                                 const halnorm_prepared **prepared) {
    if (prepared == nullptr)
        return fail<Message::prepared_pointer_null>();
    Plan plan;
    HALNORM_TRY(plan_on_cpu(a.config, a.operands(nullptr), &plan));
    HALNORM_TRY(check_moving_statistics(a));
    const size_t element = plan.element(), array = static_cast<size_t>(plan.channels()) * element;
    const Range ranges[] = {{Argument::gamma, a.gamma, array, element, false},
                            {Argument::beta, a.beta, array, element, false},
                            {Argument::moving_mean, a.moving_mean, array, element, false},
                            {Argument::moving_variance, a.moving_variance, array, element, false},
                            {Argument::memory, a.workspace_bytes > 0 ? a.workspace : nullptr,
                             a.workspace_bytes, 1, true}};
    HALNORM_TRY(check_ranges(ranges, sizeof ranges / sizeof *ranges, nullptr, 0));
    Workspace memory(a.workspace, a.workspace_bytes);
    const Pieces pieces = take_pieces(plan, memory);
    HALNORM_TRY(memory.check(Argument::memory));

    if (!plan.empty()) {
        const int code = run_inference_coefficients(plan, pieces.inference, a.gamma, a.beta,
                                                    a.moving_mean, a.moving_variance);
        if (code != 0)
            return kernel_status(plan, code);
    }
    halnorm_prepared &p = *pieces.prepared;
    p.bytes = a.workspace_bytes;
    p.x = *a.x;
    p.z = a.add ? *a.z : *a.x;
    p.y = *a.y;
    p.bytes_of_x = bytes_of(p.x);
    p.bytes_of_z = a.add ? bytes_of(p.z) : 0;
    p.bytes_of_y = bytes_of(p.y);
    p.add = a.add;
    p.placed = built::streaming && !plan.empty() && may_stream(plan, a.add ? 3 : 2);
    p.plan = plan;
    p.normalize = normalize;
    p.coefficients = pieces.inference.coefficients;
    p.config = *a.config;
    p.config.variant = nullptr;  // has been chosen
    if (a.config->executor != nullptr) {
        p.executor = *a.config->executor;
        p.config.executor = &p.executor;
    }
    p.plan.config = &p.config;
    *prepared = &p;
    return HALNORM_OK;
}

}  // namespace halnorm

extern "C" {

halnorm_status halnorm_prepare_inference_memory(const halnorm_config *config,
                                                const halnorm_tensor *x, size_t *bytes) {
    HALNORM_TRY(check_bytes(bytes));
    Plan plan;
    HALNORM_TRY(plan_on_cpu(config, of_x_alone(x, nullptr), &plan));
    Workspace memory(nullptr, 0);
    take_pieces(plan, memory);
    return memory.report(true, bytes);
}

halnorm_status halnorm_prepare_inference(const halnorm_config *config, const halnorm_tensor *x,
                                         const void *gamma, const void *beta,
                                         const void *moving_mean, const void *moving_variance,
                                         const halnorm_tensor *y, void *memory, size_t memory_bytes,
                                         const halnorm_prepared **prepared) {
    return prepare_inference({config, x, y, false, nullptr, gamma, beta,
                              const_cast<void *>(moving_mean), const_cast<void *>(moving_variance),
                              nullptr, nullptr, memory, memory_bytes},
                             run_normalize, prepared);
}

halnorm_status halnorm_run_prepared(const halnorm_prepared *prepared, const void *x, const void *z,
                                    void *y) {
    if (prepared == nullptr)
        return fail<Message::prepared_null>();
    const halnorm_prepared &p = *prepared;
    if (p.plan.empty())
        return kernel_status(p.plan, 0);
    if (x == nullptr || y == nullptr || (p.add && z == nullptr)) {
        const Argument name = x == nullptr ? Argument::x : y == nullptr ? Argument::y : Argument::z;
        return fail<Message::elements_null>(name);
    }
    if (!p.add && z != nullptr)
        return fail<Message::prepared_without_z>();
    enum { at_prepared, at_x, at_z, at_y, count };
    const size_t element = p.plan.element();
    const Range ranges[count] = {{Argument::prepared, prepared, p.bytes, 1, false},
                                 {Argument::x, x, p.bytes_of_x, element, false},
                                 {Argument::z, z, p.bytes_of_z, element, false},
                                 {Argument::y, y, p.bytes_of_y, element, true}};
    const InPlace pairs[] = {{at_x, at_y, &p.x, &p.y}, {at_z, at_y, &p.z, &p.y}};
    HALNORM_TRY(check_ranges(ranges, count, pairs, 2));
    const ForwardTensors tensors = {x, y, z};
    const bool placed = built::streaming && p.placed;
    return kernel_status(p.plan, placed ? run_placed(p, tensors) : run_here(p, p.plan, tensors));
}

}  // extern "C"
