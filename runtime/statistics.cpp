#include "gpu.h"
#include "stages.h"
#include "status.h"

namespace halnorm {
namespace {

struct Pieces {
    SumsArrays sums;
    double *excess;
};

Pieces take_pieces(const Plan &plan, Workspace &workspace) {
    Pieces p;
    p.sums = take_sums(plan, workspace);
    p.excess = workspace.take<double>(static_cast<size_t>(plan.channels()) * sizeof(double));
    return p;
}

}  // namespace
}  // namespace halnorm

using namespace halnorm;

extern "C" {

halnorm_status halnorm_statistics_workspace(const halnorm_config *config, const halnorm_tensor *x,
                                            size_t *bytes) {
    return query_workspace(config, x, cut_reduction, bytes, take_pieces);
}

halnorm_status halnorm_statistics(const halnorm_config *config, const halnorm_tensor *x,
                                  int64_t *count, double *mean, double *m2, void *workspace,
                                  size_t workspace_bytes) {
    Plan plan;
    HALNORM_TRY(make_plan(config, of_x_alone(x, cut_reduction), true, &plan));
    if (count == nullptr || mean == nullptr || m2 == nullptr) {
        return Failure(HALNORM_ERROR_NULL) << (count == nullptr ? "count" :
                                               mean == nullptr  ? "mean" :
                                                                  "m2")
                                           << ": was NULL, should point to the result";
    }
    const size_t doubles = static_cast<size_t>(plan.channels()) * sizeof(double);
    enum {
        at_x,
        at_mean,
        at_m2,
        at_workspace,
        on_device,
        at_count = on_device,
        all
    };  // `count` is the host's
    Range ranges[all];
    ranges[at_x] = range_of("x", x, false);
    ranges[at_mean] = {"mean", mean, doubles, sizeof(double), true};
    ranges[at_m2] = {"m2", m2, doubles, sizeof(double), true};
    ranges[at_workspace] = {"workspace", workspace_bytes > 0 ? workspace : nullptr, workspace_bytes,
                            1, true};
    ranges[at_count] = {"count", count, sizeof *count, sizeof *count, true};
    HALNORM_TRY(check_ranges(ranges, all, nullptr, 0));
    Workspace lent(workspace, workspace_bytes);
    Pieces p = take_pieces(plan, lent);
    if (!plan.empty())
        HALNORM_TRY(lent.check());

    DeviceCall device(plan);
    HALNORM_TRY(device.begin(x->device, ranges, on_device, at_workspace));
    const auto at = [&](int i) { return const_cast<void *>(ranges[i].data); };
    const auto doubles_at = [&](int i) { return static_cast<double *>(at(i)); };
    *count = plan.count();
    if (plan.empty()) {
        fill_doubles(plan, doubles_at(at_mean), 0);
        fill_doubles(plan, doubles_at(at_m2), 0);
        return device.end(0);
    }
    if (device.has_copies()) {
        Workspace copy(at(at_workspace), workspace_bytes);
        p = take_pieces(plan, copy);
    }
    return device.end(
        reduce_all(plan, at(at_x), p.sums, {doubles_at(at_mean), doubles_at(at_m2), p.excess}));
}

halnorm_status halnorm_statistics_merge(int64_t num_channels, int64_t *count, double *mean,
                                        double *m2, int64_t other_count, const double *other_mean,
                                        const double *other_m2) {
    if (num_channels < 1) {
        return Failure(HALNORM_ERROR_PARAMETER)
               << "num_channels: was " << num_channels << ", should be 1 or more";
    }
    if (num_channels > INT64_MAX / static_cast<int64_t>(sizeof(double))) {
        return Failure(HALNORM_ERROR_TOO_LARGE)
               << "num_channels: was " << num_channels << ", beyond what memory can hold";
    }
    const size_t doubles = static_cast<size_t>(num_channels) * sizeof(double);
    const Range ranges[] = {
        {"other_mean", other_mean, doubles, sizeof(double), false},
        {"other_m2", other_m2, doubles, sizeof(double), false},
        {"count", count, sizeof *count, sizeof *count, true},
        {"mean", mean, doubles, sizeof(double), true},
        {"m2", m2, doubles, sizeof(double), true},
    };
    for (const Range &r : ranges) {
        if (r.data == nullptr)
            return Failure(HALNORM_ERROR_NULL) << r.name << ": was NULL, should be given";
    }
    HALNORM_TRY(check_ranges(ranges, 5, nullptr, 0));
    if (*count < 0 || other_count < 0) {
        return Failure(HALNORM_ERROR_PARAMETER)
               << (*count < 0 ? "count" : "other_count") << ": was "
               << (*count < 0 ? *count : other_count) << ", should be 0 or more";
    }
    if (other_count > INT64_MAX - *count) {
        return Failure(HALNORM_ERROR_TOO_LARGE)
               << "other_count: was " << other_count << ", should be " << INT64_MAX - *count
               << " or less beside a count of " << *count;
    }
    if (other_count == 0)
        return HALNORM_OK;
    const double a = static_cast<double>(*count), b = static_cast<double>(other_count);
    for (int64_t c = 0; c < num_channels; c++) {
        // Chan, Golub, LeVeque (1979), equation 2.1, with weights that cannot overflow.
        const double delta = other_mean[c] - mean[c], share = b / (a + b);
        mean[c] = a == 0 ? other_mean[c] : mean[c] + delta * share;
        m2[c] = a == 0 ? other_m2[c] : m2[c] + other_m2[c] + delta * delta * a * share;
    }
    *count += other_count;
    return HALNORM_OK;
}

}  // extern "C"
