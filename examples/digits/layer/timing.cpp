#include "layer/timing.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "common/status.h"
#include "layer/convolution.h"

namespace digits {
namespace {

using Clock = std::chrono::steady_clock;
constexpr double round_seconds =
    2e-3;  // long enough for the clock, short enough that all three meet the same machine

double seconds_per_call(const std::function<void()> &call, int64_t calls) {
    const Clock::time_point start = Clock::now();
    for (int64_t i = 0; i < calls; i++)
        call();
    return std::chrono::duration<double>(Clock::now() - start).count() / static_cast<double>(calls);
}

struct Subject {
    std::function<void()> call;
    int64_t calls = 1;
    std::vector<double> times = {};

    void calibrate() {
        call();  // allocates what has to be
        const double once = std::max(seconds_per_call(call, 3), 1e-9);
        calls = std::clamp<int64_t>(static_cast<int64_t>(round_seconds / once), 1, 1000000);
    }
    double median() {
        std::nth_element(times.begin(), times.begin() + timing_rounds / 2, times.end());
        return times[timing_rounds / 2];
    }
};

}  // namespace

Timing measure(const Experiment &experiment, const Settings &settings, int64_t images,
               const std::function<void()> &step) {
    const size_t elements = static_cast<size_t>(images) * filters * pixels;
    const size_t bytes = elements * sizeof(float);
    // A vector's memory starts 16 bytes into a cache line; a network's buffers are aligned.
    halnorm::Workspace memory;
    expect_ok(memory.reserve(2 * bytes));
    float *const x = static_cast<float *>(memory.data()), *const y = x + elements;
    std::copy_n(experiment.maps.begin(), elements, x);
    std::fill_n(y, elements, 0.f);
    const halnorm::InputTensor in = halnorm::tensor(x, {images, filters, side, side});
    const halnorm_tensor out = halnorm::tensor(y, {images, filters, side, side});
    halnorm::BatchNorm trained;
    expect_ok(halnorm::BatchNorm::create(options(settings), &trained));
    halnorm::Workspace workspace;

    const volatile float *sink = y;  // memcpy that nobody reads is left out
    Subject copy{[&] { std::memcpy(y, x, bytes), (void)*sink; }};
    Subject inference{[&] { expect_ok(experiment.layer.infer(in, out, workspace)); }};
    Subject training{[&] { expect_ok(trained.forward(in, out)); }};
    for (Subject *subject : {&copy, &inference, &training})
        subject->calibrate();
    for (int round = 0; round < timing_rounds; round++) {
        for (Subject *subject : {&copy, &inference, &training}) {
            subject->times.push_back(seconds_per_call(subject->call, subject->calls));
        }
        step();
    }
    return {images, 2 * static_cast<double>(bytes), copy.median(), inference.median(),
            training.median()};
}

}  // namespace digits
