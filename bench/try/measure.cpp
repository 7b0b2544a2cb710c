#include "measure.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <random>

#include "../floor.h"

namespace bench {
namespace {

// A batch lasts long enough that reading the clock does not matter, and not so long that the
// machine's moods change within a pair.
constexpr double batch_seconds = 300e-6;
// Calls before a batch, until the caches are as the call itself leaves them: the sides and the other
// placements have filled them with theirs. After one, the same library on both sides was 0.58 to
// 1.7 times as fast as itself by who came first (training of 8x64x56x56), after eight 1.00 (Xeon
// with 2 MB of L2, 2026-11-29). A call that takes longer than all of them leaves its tensors in
// memory.
constexpr double most_warm_up_calls = 8, warm_up_seconds = 8e-3;
// An interval this narrow answers the question.
constexpr double narrow = 0.005;
constexpr size_t most_rounds = 100;
// Which pages memory gets decides how often lines evict each other, so each pair of copies has
// tensors of its own, as far as so many bytes go.
constexpr size_t placement_bytes = 256 << 20;

double now() {
    using clock = std::chrono::steady_clock;
    return std::chrono::duration<double>(clock::now().time_since_epoch()).count();
}

struct Free {
    void operator()(void *p) const { std::free(p); }
};
using Memory = std::unique_ptr<void, Free>;

Memory allocate(size_t bytes) {
    return Memory(std::aligned_alloc(4096, bytes / 4096 * 4096 + 4096));
}

class Buffers {
public:
    Buffers(const Setting &setting, const Shape &shape) : float64_(setting.float64) {
        const int64_t count = shape.n * shape.c * shape.s;
        case_.activation = setting.activation.c_str();
        case_.nhwc = setting.nhwc;
        case_.float64 = setting.float64;
        case_.threads = setting.threads;
        case_.n = shape.n, case_.c = shape.c, case_.s = shape.s;
        case_.x = values(count, 4, -1.7);
        case_.y = values(count, 0, 0);
        case_.dy = setting.backward ? values(count, 2, -1) : case_.x;
        for (void **p : {&case_.gamma, &case_.beta, &case_.moving_mean, &case_.moving_variance,
                         &case_.dgamma, &case_.dbeta})
            *p = values(shape.c, 0.5, 0.75);
        float64_ = true;
        case_.saved_mean = static_cast<double *>(values(shape.c, 0.1, 0.25));
        case_.saved_inv_std = static_cast<double *>(values(shape.c, 0.1, 0.8));
    }

    size_t bytes() const { return bytes_; }
    side::Case with(const std::string &variant) const {
        side::Case c = case_;
        c.variant = variant.c_str();
        return c;
    }
    void lend_workspace(size_t bytes) {
        memory_.push_back(allocate(bytes));
        case_.workspace = memory_.back().get();
        case_.workspace_bytes = bytes;
    }

private:
    void *values(int64_t count, double scale, double offset) {
        const size_t bytes = static_cast<size_t>(count) * (float64_ ? 8 : 4);
        memory_.push_back(allocate(bytes));
        bytes_ += bytes;
        void *const data = memory_.back().get();
        for (int64_t i = 0; i < count; i++) {
            const double v = offset + scale * static_cast<double>((i * 7919) % 1009) / 1009;
            if (float64_)
                static_cast<double *>(data)[i] = v;
            else
                static_cast<float *>(data)[i] = static_cast<float>(v);
        }
        return data;
    }

    bool float64_;
    size_t bytes_ = 0;
    std::vector<Memory> memory_;
    side::Case case_ = {};
};

// Something that is timed: a call of one side, or a sweep.
using Timed = std::function<void()>;

double seconds_per_call(const Timed &call, int64_t times) {
    const double began = now();
    for (int64_t i = 0; i < times; i++)
        call();
    return (now() - began) / static_cast<double>(times);
}

struct Batch {
    int64_t warm_up, calls;

    double seconds_per_call(const Timed &call) const {
        bench::seconds_per_call(call, warm_up);
        return bench::seconds_per_call(call, calls);
    }
};

Batch batch_of(const Timed &call) {
    seconds_per_call(call, 2);
    int64_t times = 1;
    double seconds = seconds_per_call(call, times);
    while (seconds * static_cast<double>(times) < batch_seconds / 4) {
        times *= 4;
        seconds = seconds_per_call(call, times);
    }
    // One at least: the other copies have taken its code out of the caches.
    return {static_cast<int64_t>(std::clamp(warm_up_seconds / seconds, 1.0, most_warm_up_calls)),
            std::max<int64_t>(1, static_cast<int64_t>(batch_seconds / seconds))};
}

}  // namespace

Measured measure(const Copies &before, const Copies &after, const Setting &setting,
                 const Shape &shape) {
    Measured result;
    std::vector<Buffers> placements;
    placements.emplace_back(setting, shape);
    const struct {
        const Copies &copies;
        const std::string &variant;
    } sides[] = {{before, setting.before_variant}, {after, setting.after_variant}};
    size_t workspace = 0;
    for (const auto &s : sides) {
        const side::Case c = placements.front().with(s.variant);
        const char *error = nullptr;
        workspace = std::max(workspace, s.copies.front()->workspace(&c, &error));
        if (error != nullptr) {
            result.error = error;
            return result;
        }
    }
    const size_t fitting = placement_bytes / placements.front().bytes();
    const size_t count = std::clamp<size_t>(fitting, 1, before.size());
    while (placements.size() < count)
        placements.emplace_back(setting, shape);
    for (Buffers &buffers : placements)
        buffers.lend_workspace(workspace);

    std::vector<Timed> calls[2];
    for (int i = 0; i < 2; i++) {
        for (const side::Side *copy : sides[i].copies) {
            const side::Case c = placements[calls[i].size() % count].with(sides[i].variant);
            calls[i].push_back(
                [call = copy->call, &result,
                 prepared = std::shared_ptr<void>(copy->prepare(&c), copy->release)] {
                    if (const char *error = call(prepared.get()))
                        result.error = error;
                });
        }
    }
    const side::Case c = placements.front().with(setting.after_variant);
    const size_t bytes = static_cast<size_t>(c.n * c.c * c.s) * (c.float64 ? 8 : 4);
    const std::vector<Sweep> &sweeps = floor_sweeps(setting.backward ? 2 : 1);
    std::vector<Timed> sweep_calls;
    std::vector<Batch> sweep_batches;
    std::vector<std::vector<double>> sweep_times(sweeps.size());
    for (const Sweep &sweep : sweeps) {
        sweep_calls.push_back([run = sweep.run, c, bytes] { run(c.x, c.dy, c.y, bytes); });
        sweep_batches.push_back(batch_of(sweep_calls.back()));
    }
    // Of the faster side, so that neither batch is short.
    const Batch batches[] = {batch_of(calls[0][0]), batch_of(calls[1][0])};
    const Batch batch = batches[batches[1].calls > batches[0].calls];

    std::mt19937 dice(static_cast<std::mt19937::result_type>(bytes));
    const double began = now();
    for (size_t round = 0; round < most_rounds && result.error.empty(); round++) {
        for (size_t k = 0; k < before.size() && result.error.empty(); k++) {
            Pair pair = {k, 0, 0};
            const bool before_first = dice() % 2 == 0;
            for (const bool is_before : {before_first, !before_first}) {
                const Timed &call = calls[is_before ? 0 : 1][k];
                (is_before ? pair.before : pair.after) = batch.seconds_per_call(call);
            }
            result.pairs.push_back(pair);
            const size_t i = result.pairs.size() % sweeps.size();
            sweep_times[i].push_back(sweep_batches[i].seconds_per_call(sweep_calls[i]));
        }
        const Interval interval = compare(result.pairs).interval;
        if (interval.high - interval.low < narrow || now() - began > setting.seconds)
            break;
    }
    for (size_t i = 0; i < sweeps.size() && result.error.empty(); i++) {
        const double time = median(sweep_times[i]);
        if (i == 0 || time < result.floor) {
            result.floor = time;
            result.floor_sweep = sweeps[i].name;
        }
    }
    return result;
}

}  // namespace bench
