// Laws of the backward pass.
#include "executors.h"
#include "sample.h"

namespace {

using namespace test;

class BackwardProperties : public Properties {};

std::vector<unsigned char> results_of(const Sample &k, const BackwardCase &settings) {
    BackwardCall call(settings, k.seed);
    run(call);
    return call.bits();
}

// Results of both calls, those of `other` at elements[i] of `one`.
void expect_same(BackwardCall &one, BackwardCall &other, const std::vector<size_t> &elements) {
    const ExactBackward exact(one);
    run(one);
    run(other);
    agree("dx", other.dx().values(), gathered(one.dx().values(), elements),
          [&](size_t i) { return 2 * exact.t.dx[elements[i]]; });
    if (one.settings.dz) {
        agree("dz", other.dz().values(), gathered(one.dz().values(), elements),
              [&](size_t i) { return 2 * exact.t.dz[elements[i]]; });
    }
    agree("dgamma", other.dgamma.values(), one.dgamma.values(),
          [&](size_t c) { return 2 * exact.dgamma(c); });
    agree("dbeta", other.dbeta.values(), one.dbeta.values(),
          [&](size_t c) { return 2 * exact.dbeta(c); });
}

void expect_moved(const Sample &k, const Sample &moved, const std::vector<size_t> &elements) {
    GradientCall one(k), other(moved);
    other.x.set(gathered(one.x.values(), elements));
    other.dy.set(gathered(one.dy.values(), elements));
    if (one.z != nullptr)
        other.z->set(gathered(one.z->values(), elements));
    other.mean.set(one.mean.values());
    other.inv_std.set(one.inv_std.values());
    expect_same(one, other, elements);
}

TEST_P(BackwardProperties, permuting_images_and_pixels_permutes_dx) {
    hold([](const Sample &k) { expect_moved(k, k, k.permuted()); });
}

TEST_P(BackwardProperties, nchw_and_nhwc_agree) {
    hold([](const Sample &k) {
        Sample nchw = k.layout == HALNORM_NCHW ? k : k.dense(), nhwc = k.dense();
        nchw.layout = HALNORM_NCHW;
        nhwc.layout = HALNORM_NHWC;
        expect_moved(nchw, nhwc, nhwc.elements_in(nchw));
    });
}

TEST_P(BackwardProperties, gaps_change_nothing_and_stay_as_they_are) {
    hold([](const Sample &k) {
        const Sample dense = k.dense();
        expect_moved(k, dense, dense.elements_in(k));
        GradientCall call(k);
        const auto x = call.x.bits(), dy = call.dy.bits();
        run(call);
        RC_ASSERT(call.x.bits() == x);
        RC_ASSERT(call.dy.bits() == dy);
        for (const Tensor *t : {&call.x, &call.dy, &call.dx(), call.z.get(), call.separate_dz.get(),
                                &call.dgamma, &call.dbeta})
            RC_ASSERT((t == nullptr || t->gaps_intact()));
    });
}

TEST_P(BackwardProperties, a_channel_does_not_see_its_neighbours) {
    hold([](const Sample &k) {
        Random random(k.seed + 3);
        const size_t kept = random.below(static_cast<size_t>(k.c));
        const double others[] = {NAN, INFINITY, -1e30, 0, 12345};
        const double other = others[random.below(std::size(others))];
        GradientCall call(k), changed(k);
        const reference::Array order = call.input().x;
        for (size_t i = 0; i < changed.x.size(); i++) {
            if (order.channel_of(i) != kept) {
                changed.x.set(i, other);
                changed.dy.set(i, -other);
            }
        }
        run(call);
        run(changed);
        for (size_t i = 0; i < order.values.size(); i++) {
            if (order.channel_of(i) == kept)
                RC_ASSERT(changed.dx().get(i) == call.dx().get(i));
        }
        RC_ASSERT(changed.dgamma.get(kept) == call.dgamma.get(kept));
        RC_ASSERT(changed.dbeta.get(kept) == call.dbeta.get(kept));
    });
}

// sum(xhat) = 0 and sum(xhat^2) / m = var / (var + epsilon) = 1 - epsilon * inv_std^2, so that
// sum(dx) = 0 and sum(dx * xhat) = gamma * inv_std * dgamma * epsilon * inv_std^2, which is 0 where
// epsilon is. xhat is off by the rounding of the saved mean.
TEST_P(BackwardProperties, dx_has_no_mean_and_no_share_of_xhat) {
    hold([](const Sample &sample) {
        Sample k = sample.two_elements();
        k.training = true;
        GradientCall call(k);
        const ExactBackward exact(call);
        const reference::Array x = call.input().x;
        run(call);
        const size_t channels = call.mean.size();
        std::vector<double> sum(channels, 0), share = sum, expected = sum, of_sum = sum,
                                              of_share = sum, none = sum;
        for (size_t i = 0; i < x.values.size(); i++) {
            const size_t c = x.channel_of(i);
            const double xhat = (x.values[i] - call.mean.get(c)) * call.inv_std.get(c);
            sum[c] += call.dx().get(i);
            share[c] += call.dx().get(i) * xhat;
            of_sum[c] += exact.t.dx[i];
            of_share[c] += exact.t.dx[i] * fabs(xhat);
        }
        const double m = static_cast<double>(k.count());
        for (size_t c = 0; c < channels; c++) {
            const double inv_std = call.inv_std.get(c);
            const double scale = (k.gamma ? call.gamma.get(c) : 1) * inv_std;
            const double rest = scale * k.epsilon * inv_std * inv_std;
            const double moved = 2 * 0x1p-53 * fabs(call.mean.get(c)) * inv_std;
            const double dgamma = fabs(exact.r.dgamma[c]), dbeta = fabs(exact.r.dbeta[c]);
            expected[c] = rest * call.dgamma.get(c);
            of_sum[c] += fabs(scale) * moved * dgamma;
            of_share[c] += fabs(rest) * exact.dgamma(c) +
                           fabs(scale) * (moved * (2 * dgamma + dbeta) + m * 0x1p-53 * dgamma);
        }
        agree("sum(dx)", sum, none, [&](size_t c) { return of_sum[c]; });
        agree("sum(dx * xhat)", share, expected, [&](size_t c) { return of_share[c]; });
    });
}

// dy on a grid of 2^-10, so that sums are exact in float32.
TEST_P(BackwardProperties, gradients_are_linear_in_dy) {
    hold([](const Sample &k) {
        GradientCall a(k), b(k), both(k);
        Random random(k.seed + 6);
        for (size_t i = 0; i < a.dy.size(); i++) {
            const double first = round(random.uniform(-1, 1) * 0x1p10) * 0x1p-10;
            const double second = round(random.uniform(-1, 1) * 0x1p10) * 0x1p-10;
            a.dy.set(i, first);
            b.dy.set(i, second);
            both.dy.set(i, first - 4 * second);
        }
        const ExactBackward of_a(a), of_b(b), of_both(both);
        run(a);
        run(b);
        run(both);
        const auto combined = [](std::vector<double> first, const std::vector<double> &second) {
            for (size_t i = 0; i < first.size(); i++)
                first[i] -= 4 * second[i];
            return first;
        };
        agree("dx", both.dx().values(), combined(a.dx().values(), b.dx().values()),
              [&](size_t i) { return of_both.t.dx[i] + of_a.t.dx[i] + 4 * of_b.t.dx[i]; });
        agree("dgamma", both.dgamma.values(), combined(a.dgamma.values(), b.dgamma.values()),
              [&](size_t c) { return of_both.dgamma(c) + of_a.dgamma(c) + 4 * of_b.dgamma(c); });
        agree("dbeta", both.dbeta.values(), combined(a.dbeta.values(), b.dbeta.values()),
              [&](size_t c) { return of_both.dbeta(c) + of_a.dbeta(c) + 4 * of_b.dbeta(c); });
    });
}

// The sums of parts are added; each part has the statistics of the whole.
TEST_P(BackwardProperties, parts_of_a_batch_make_the_whole) {
    hold([](const Sample &k) {
        GradientCall whole(k);
        BackwardCase settings = k.backward();
        settings.cuts = k.cuts();
        BackwardCall parts(settings, k.seed);
        expect_same(whole, parts, k.elements_in(k));
    });
}

TEST_P(BackwardProperties, over_dy_is_beside_it) {
    hold([](const Sample &k) {
        BackwardCase settings = k.backward();
        const auto bits = results_of(k, settings);
        settings.over = Over::dx;
        RC_ASSERT(results_of(k, settings) == bits);
        if (k.add) {
            settings.over = Over::dz;
            RC_ASSERT(results_of(k, settings) == bits);
        }
    });
}

TEST_P(BackwardProperties, any_number_of_threads_gives_the_same_bits) {
    hold([](const Sample &sample) {
        const Sample k = sample.large();
        BackwardCase settings = k.backward();
        BackwardCall call(settings, k.seed);  // values of so many elements take long: once
        const auto bits_with = [&](int threads, const halnorm_executor *executor) {
            call.settings.threads = threads;
            call.settings.executor = executor;
            run(call);
            return call.bits();
        };
        const auto bits = bits_with(1, nullptr);
        RC_ASSERT(bits_with(2 + static_cast<int>(k.seed % 7), nullptr) == bits);
        ReverseExecutor reverse;
        RC_ASSERT(bits_with(1, reverse.get()) == bits);
    });
}

HALNORM_FOR_EACH_VARIANT(BackwardProperties);

}  // namespace
