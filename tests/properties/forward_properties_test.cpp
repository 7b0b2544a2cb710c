// Laws of the forward passes and their statistics.
#include "executors.h"
#include "sample.h"

namespace {

using namespace test;

std::vector<double> channel(const Call &call, const Tensor &tensor, size_t c) {
    const reference::Array order = call.shape();
    std::vector<double> values;
    for (size_t i = 0; i < tensor.size(); i++) {
        if (order.channel_of(i) == c)
            values.push_back(tensor.get(i));
    }
    return values;
}

// Everything that a call writes.
std::vector<unsigned char> results_of(const Sample &k, const Case &settings) {
    ForwardCall call(k, settings);
    run(call);
    return call.bits();
}

// Relative error of the inverse deviation, as of Call::expect_reference, twice.
double two_inv_std(const Sample &k) {
    const double m = static_cast<double>(k.count());
    return variance_relative(k.dtype, m) + 16 * 0x1p-53;
}

void move_x_and_z(const Call &from, const std::vector<size_t> &elements, Call *to) {
    to->x.set(gathered(from.x.values(), elements));
    if (from.z != nullptr)
        to->z->set(gathered(from.z->values(), elements));
}

// Both calls see the same values at different places.
void expect_moved(const Sample &k, const Sample &moved, const std::vector<size_t> &elements) {
    ForwardCall one(k), other(moved);
    move_x_and_z(one, elements, &other);
    const Exact exact(one);
    run(one);
    run(other);
    agree("y", other.y().values(), gathered(one.y().values(), elements),
          [&](size_t i) { return 2 * exact.tolerance[elements[i]]; });
}

TEST_P(Properties, permuting_images_and_pixels_permutes_y) {
    hold([](const Sample &k) { expect_moved(k, k, k.permuted()); });
}

TEST_P(Properties, nchw_and_nhwc_agree) {
    hold([](const Sample &k) {
        Sample nchw = k.layout == HALNORM_NCHW ? k : k.dense(), nhwc = k.dense();
        nchw.layout = HALNORM_NCHW;
        nhwc.layout = HALNORM_NHWC;
        expect_moved(nchw, nhwc, nhwc.elements_in(nchw));
    });
}

TEST_P(Properties, gaps_change_nothing_and_stay_as_they_are) {
    hold([](const Sample &k) {
        const Sample dense = k.dense();
        expect_moved(k, dense, dense.elements_in(k));
        ForwardCall call(k);
        const auto x = call.x.bits();
        run(call);
        RC_ASSERT(call.x.bits() == x);
        for (const Tensor *t : {&call.x, &call.y(), call.z.get(), &call.gamma, &call.beta,
                                &call.moving_mean, &call.moving_variance, &call.saved_mean,
                                &call.saved_inv_std})
            RC_ASSERT((t == nullptr || t->gaps_intact()));
    });
}

TEST_P(Properties, a_tensor_of_any_rank_is_its_reshape) {
    hold([](const Sample &k) {
        const auto bits = results_of(k, k.forward());
        for (int rank = k.s == 1 ? 2 : 3; rank <= 5; rank++) {
            // In NCHW of rank 2 the channels are innermost and in no gap.
            if ((rank == 2) != (k.rank == 2) && k.x_spread != Spread::dense)
                continue;
            Case reshaped = k.forward();
            reshaped.rank = rank;
            RC_ASSERT(results_of(k, reshaped) == bits);
        }
    });
}

TEST_P(Properties, a_channel_does_not_see_its_neighbours) {
    hold([](const Sample &k) {
        Random random(k.seed + 3);
        const size_t kept = random.below(static_cast<size_t>(k.c));
        const double others[] = {NAN, INFINITY, -1e30, 0, 12345};
        const double other = others[random.below(std::size(others))];
        ForwardCall call(k), changed(k);
        const reference::Array order = call.shape();
        for (size_t i = 0; i < changed.x.size(); i++) {
            if (order.channel_of(i) != kept)
                changed.x.set(i, other);
        }
        run(call);
        run(changed);
        RC_ASSERT(channel(changed, changed.y(), kept) == channel(call, call.y(), kept));
        RC_ASSERT(changed.moving_mean.get(kept) == call.moving_mean.get(kept));
        RC_ASSERT(changed.moving_variance.get(kept) == call.moving_variance.get(kept));
        RC_ASSERT(changed.saved_mean.get(kept) == call.saved_mean.get(kept));
        RC_ASSERT(changed.saved_inv_std.get(kept) == call.saved_inv_std.get(kept));
    });
}

// y = (exact y) + e with |e| <= t: its mean is off by the mean of t, its variance by
// 2 sqrt(variance) rms(t) + rms(t)^2.
TEST_P(Properties, y_has_mean_beta_and_variance_gamma_squared) {
    hold([](const Sample &sample) {
        Sample k = sample.two_elements();
        k.training = true;
        k.add = false;
        k.activation = HALNORM_ACT_NONE;
        ForwardCall call(k);
        const Exact exact(call);
        const reference::Statistics x = statistics(call.input());
        run(call);
        reference::Array y = call.shape();
        y.values = call.y().values();
        const reference::Statistics of_y = statistics(y);
        const double m = static_cast<double>(k.count());
        std::vector<double> t(of_y.mean.size(), 0), t2 = t;
        for (size_t i = 0; i < y.values.size(); i++) {
            t[y.channel_of(i)] += exact.tolerance[i] / m;
            t2[y.channel_of(i)] += exact.tolerance[i] * exact.tolerance[i] / m;
        }
        std::vector<double> beta, variance, expected;
        for (size_t c = 0; c < t.size(); c++) {
            const double gamma = k.gamma ? call.gamma.get(c) : 1, v = x.m2[c] / m;
            beta.push_back(k.beta ? call.beta.get(c) : 0);
            variance.push_back(of_y.m2[c] / m);
            expected.push_back(v == 0 ? 0 : gamma * gamma * v / (v + k.epsilon));
        }
        agree("mean of y", of_y.mean, beta, [&](size_t c) { return t[c]; });
        agree("variance of y", variance, expected,
              [&](size_t c) { return 2 * sqrt(expected[c] * t2[c]) + t2[c]; });
    });
}

// On a grid of 2^-10, below 2^14, so that x and x + shift are exact in float32.
TEST_P(Properties, a_shift_of_x_shifts_the_mean_only) {
    hold([](const Sample &sample) {
        Sample k = sample.two_elements();
        k.training = true;
        const double shift = static_cast<double>(Random(k.seed + 4).below(2001)) - 1000;
        ForwardCall call(k), shifted(k);
        for (size_t i = 0; i < call.x.size(); i++) {
            const double value = round(call.x.get(i) * 0x1p10) * 0x1p-10;
            call.x.set(i, value);
            shifted.x.set(i, value + shift);
        }
        const Exact exact(call), exact_shifted(shifted);
        run(call);
        run(shifted);
        agree("y", shifted.y().values(), call.y().values(),
              [&](size_t i) { return exact.tolerance[i] + exact_shifted.tolerance[i]; });
        std::vector<double> mean = call.saved_mean.values();
        for (double &value : mean)
            value += shift;
        const double m = static_cast<double>(k.count());
        const auto of_mean = [&](const Exact &e, size_t c) {
            const double inv_std = e.f.saved_inv_std[c];
            const double deviation = inv_std > 0 ? 1 / inv_std : 0;
            return mean_absolute(k.dtype, m, e.f.saved_mean[c], deviation);
        };
        agree("saved_mean", shifted.saved_mean.values(), mean, [&](size_t c) {
            return of_mean(exact, c) + of_mean(exact_shifted, c) + 0x1p-53 * fabs(mean[c]);
        });
        agree("saved_inv_std", shifted.saved_inv_std.values(), call.saved_inv_std.values(),
              [&](size_t c) { return two_inv_std(k) * exact.f.saved_inv_std[c]; });
    });
}

// By a power of two, which rounds nothing; epsilon goes with the variance.
TEST_P(Properties, a_scale_of_x_scales_the_deviation_only) {
    hold([](const Sample &sample) {
        Sample k = sample.two_elements();
        k.training = true;
        Random random(k.seed + 5);
        const double sign = random.below(2) == 0 ? 1 : -1;
        const double scale = sign * ldexp(1, static_cast<int>(random.below(21)) - 10);
        Sample other = k;
        other.epsilon = k.epsilon * scale * scale;
        other.gamma = true;
        ForwardCall call(k), scaled(other);
        for (size_t i = 0; i < call.x.size(); i++)
            scaled.x.set(i, scale * call.x.get(i));
        for (size_t c = 0; c < call.gamma.size(); c++)
            scaled.gamma.set(c, sign * (k.gamma ? call.gamma.get(c) : 1));
        const Exact exact(call);
        run(call);
        run(scaled);
        agree("y", scaled.y().values(), call.y().values(),
              [&](size_t i) { return 2 * exact.tolerance[i]; });
        std::vector<double> inv_std = call.saved_inv_std.values();
        for (double &value : inv_std)
            value /= fabs(scale);
        agree("saved_inv_std", scaled.saved_inv_std.values(), inv_std,
              [&](size_t c) { return two_inv_std(k) * inv_std[c]; });
    });
}

// With e the error of a mean in deviations, Chan's formula carries at most 4 e of M2 from the
// parts' means, which are also rounded to double.
TEST_P(Properties, statistics_of_parts_merge_to_those_of_the_whole) {
    hold([](const Sample &k) {
        const auto settings = [&](int64_t n) {
            Case part = k.dense().forward();
            part.pipeline = Pipeline::statistics;
            part.add = false;
            part.n = n;
            return part;
        };
        ForwardCall whole(k, settings(k.n));
        const std::vector<double> x = whole.x.values();
        const reference::Statistics exact = statistics(whole.input());
        run(whole);
        const std::vector<int64_t> cuts = k.cuts();
        const size_t channels = whole.gamma.size(), image = static_cast<size_t>(k.c * k.s);
        int64_t count = 0;
        std::vector<double> mean(channels), m2(channels);
        for (size_t p = 0; p + 1 < cuts.size(); p++) {
            Call part(settings(cuts[p + 1] - cuts[p]));
            for (size_t i = 0; i < part.x.size(); i++)
                part.x.set(i, x[static_cast<size_t>(cuts[p]) * image + i]);
            run(part);
            const std::vector<double> part_mean = part.saved_mean.values(),
                                      part_m2 = part.saved_inv_std.values();
            RC_ASSERT(halnorm_statistics_merge(k.c, &count, mean.data(), m2.data(), part.count,
                                               part_mean.data(), part_m2.data()) == HALNORM_OK);
        }
        RC_ASSERT(count == whole.count);
        const double m = static_cast<double>(count), merges = static_cast<double>(cuts.size());
        const auto of_mean = [&](size_t c) {
            return 2 * mean_absolute(k.dtype, m, exact.mean[c], sqrt(exact.m2[c] / m)) +
                   4 * merges * 0x1p-53 * fabs(exact.mean[c]);
        };
        agree("mean", mean, whole.saved_mean.values(), of_mean);
        agree("m2", m2, whole.saved_inv_std.values(), [&](size_t c) {
            return 2 * variance_relative(k.dtype, m) * exact.m2[c] +
                   4 * sqrt(m * exact.m2[c]) * of_mean(c) + m * of_mean(c) * of_mean(c);
        });
    });
}

// Each merge rounds the mean a few times, and between the means of parts lie differences that carry
// those roundings into M2, as above.
TEST_P(Properties, training_in_parts_is_training_of_the_whole) {
    hold([](const Sample &sample) {
        Sample k = sample;
        k.training = true;
        Case in_parts = k.forward();
        in_parts.cuts = k.cuts();
        ForwardCall whole(k), parts(k, in_parts);
        const Exact exact(whole);
        const reference::Statistics x = statistics(whole.input());
        const reference::Array order = whole.shape();
        const double m = static_cast<double>(k.count());
        const double merges = static_cast<double>(in_parts.cuts.size());
        const double slope = reference::steepest_slope(k.activation, k.alpha_value());
        run(whole);
        // run_parts puts the moving statistics back before each part, to what they were.
        parts.remember();
        run(parts);
        agree("y", parts.y().values(), whole.y().values(), [&](size_t i) {
            const size_t c = order.channel_of(i);
            const double mean = 4 * merges * 0x1p-53 * fabs(x.mean[c]);
            const double deviation = sqrt(x.m2[c] / m);
            const double variance = deviation > 0 ? 4 * mean / deviation : 0;
            const double v = mean * exact.f.inv_std[c] + variance / 2 * fabs(exact.f.xhat[i]);
            return 2 * exact.tolerance[i] + slope * fabs(exact.f.gamma[c]) * v;
        });
    });
}

// With momentum 0 the moving statistics are the batch's, rounded to the type of the data: u of the
// mean and of the variance more.
TEST_P(Properties, inference_with_the_statistics_of_the_batch_is_training) {
    hold([](const Sample &sample) {
        Sample k = sample.two_elements();
        k.training = true;
        k.momentum = 0;
        k.estimator = HALNORM_VARIANCE_POPULATION;
        ForwardCall training(k);
        const Exact exact(training);
        run(training);
        k.training = false;
        ForwardCall inference(k);
        inference.moving_mean.set(training.moving_mean.values());
        inference.moving_variance.set(training.moving_variance.values());
        const reference::Array order = training.shape();
        const double u = unit_roundoff(k.dtype);
        const double slope = reference::steepest_slope(k.activation, k.alpha_value());
        run(inference);
        agree("y", inference.y().values(), training.y().values(), [&](size_t i) {
            const size_t c = order.channel_of(i);
            const double gamma = fabs(exact.f.gamma[c]);
            const double mean = u * fabs(exact.f.saved_mean[c]) * exact.f.saved_inv_std[c];
            return 2 * exact.tolerance[i] +
                   slope * gamma * (mean * (1 + 16 * u) + u * fabs(exact.f.xhat[i]));
        });
    });
}

TEST_P(Properties, moving_statistics_approach_the_batch_by_momentum) {
    hold([](const Sample &sample) {
        Sample k = sample.two_elements();
        k.training = true;
        Case settings = k.forward();
        settings.momentum = 0;
        ForwardCall batch(k, settings), call(k);
        run(batch);
        const double u = unit_roundoff(k.dtype);
        for (int step = 0; step < 3; step++) {
            const auto check = [&](const char *what, const Tensor &moving, const Tensor &target,
                                   const std::vector<double> &old) {
                std::vector<double> expected;
                for (size_t c = 0; c < old.size(); c++)
                    expected.push_back(old[c] * k.momentum + target.get(c) * (1 - k.momentum));
                agree(what, moving.values(), expected, [&](size_t c) {
                    return moving_absolute(k.dtype, k.momentum, old[c], target.get(c),
                                           u * fabs(target.get(c)), expected[c]);
                });
            };
            const std::vector<double> mean = call.moving_mean.values(),
                                      variance = call.moving_variance.values();
            run(call);
            check("moving_mean", call.moving_mean, batch.moving_mean, mean);
            check("moving_variance", call.moving_variance, batch.moving_variance, variance);
        }
    });
}

TEST_P(Properties, in_place_is_out_of_place) {
    hold([](const Sample &sample) {
        Sample k = sample;
        k.y_spread = k.x_spread;
        const auto bits = results_of(k, k.forward());
        Case settings = k.forward();
        settings.in_place = true;
        RC_ASSERT(results_of(k, settings) == bits);
        settings.in_place = false;
        settings.over_z = k.add;
        RC_ASSERT(results_of(k, settings) == bits);
    });
}

TEST_P(Properties, any_number_of_threads_gives_the_same_bits) {
    hold([](const Sample &sample) {
        const Sample k = sample.large();
        Case settings = k.forward();
        const auto bits = results_of(k, settings);
        settings.threads = 2 + static_cast<int>(k.seed % 7);
        RC_ASSERT(results_of(k, settings) == bits);
        ReverseExecutor reverse;
        settings.executor = reverse.get();
        RC_ASSERT(results_of(k, settings) == bits);
    });
}

TEST_P(Properties, where_the_buffers_lie_does_not_matter) {
    hold([](const Sample &k) {
        Case aligned = k.forward();
        aligned.placement = {Guard::before, 0};
        RC_ASSERT(results_of(k, k.forward()) == results_of(k, aligned));
    });
}

TEST_P(Properties, no_gamma_is_one_and_no_beta_is_zero) {
    hold([](const Sample &k) {
        ForwardCall absent(k);
        Case settings = k.forward();
        settings.gamma = settings.beta = true;
        ForwardCall given(k, settings);
        for (size_t c = 0; c < given.gamma.size(); c++) {
            if (!k.gamma)
                given.gamma.set(c, 1);
            if (!k.beta)
                given.beta.set(c, 0);
        }
        run(absent);
        run(given);
        RC_ASSERT(given.bits() == absent.bits());
    });
}

TEST_P(Properties, relu_cuts_off_what_none_gives) {
    hold([](const Sample &sample) {
        Sample k = sample;
        k.activation = HALNORM_ACT_RELU;
        ForwardCall relu(k);
        k.activation = HALNORM_ACT_NONE;
        ForwardCall none(k);
        run(relu);
        run(none);
        std::vector<double> expected = none.y().values();
        for (double &value : expected)
            value = fmax(value, 0);
        RC_ASSERT(relu.y().values() == expected);
    });
}

HALNORM_FOR_EACH_VARIANT(Properties);

}  // namespace
