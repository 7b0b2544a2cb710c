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
    p.excess = workspace.take_doubles(plan.channels());
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
        return fail<Message::result_null>(count == nullptr ? Argument::count :
                                          mean == nullptr  ? Argument::mean :
                                                             Argument::m2);
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
    ranges[at_x] = range_of(Argument::x, x, false);
    ranges[at_mean] = {Argument::mean, mean, doubles, sizeof(double), true};
    ranges[at_m2] = {Argument::m2, m2, doubles, sizeof(double), true};
    ranges[at_workspace] = {Argument::workspace, workspace_bytes > 0 ? workspace : nullptr,
                            workspace_bytes, 1, true};
    ranges[at_count] = {Argument::count, count, sizeof *count, sizeof *count, true};
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
    if (num_channels < 1)
        return fail<Message::few_channels>(num_channels);
    if (num_channels > INT64_MAX / static_cast<int64_t>(sizeof(double)))
        return fail<Message::many_channels>(num_channels);
    const size_t doubles = static_cast<size_t>(num_channels) * sizeof(double);
    const Range ranges[] = {
        {Argument::other_mean, other_mean, doubles, sizeof(double), false},
        {Argument::other_m2, other_m2, doubles, sizeof(double), false},
        {Argument::count, count, sizeof *count, sizeof *count, true},
        {Argument::mean, mean, doubles, sizeof(double), true},
        {Argument::m2, m2, doubles, sizeof(double), true},
    };
    for (const Range &r : ranges) {
        if (r.data == nullptr)
            return fail<Message::not_given>(r.name);
    }
    HALNORM_TRY(check_ranges(ranges, 5, nullptr, 0));
    if (*count < 0)
        return fail<Message::count_negative>(Argument::count, *count);
    if (other_count < 0)
        return fail<Message::count_negative>(Argument::other_count, other_count);
    if (other_count > INT64_MAX - *count)
        return fail<Message::count_too_large>(other_count, INT64_MAX - *count, *count);
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
