// The judgement of ./run try on times that are made up: a machine's noise in several kinds, with
// and without a difference between the sides. No clock is read; the numbers are the same
// everywhere.
#include <gtest/gtest.h>

#include <cmath>

#include "../random.h"
#include "bench/statistics.h"

namespace {

using namespace bench;
using test::Random;

// Times as a shared machine gives them, all of them as factors.
struct Machine {
    double speed = 1;      // before / after, the truth
    double jitter = 0;     // deviation of every time
    double placement = 0;  // deviation of a copy, for as long as it stays where it is
    double spikes = 0;     // share of batches that take up to five times as long
    double drift = 0;      // how much slower the machine is in the end
    double burst = 0;      // how much slower it is for a quarter of the run
};
constexpr size_t placements = 12;

std::vector<Pair> run(const Machine &m, size_t rounds, uint64_t seed) {
    Random dice(seed);
    double copies[2][placements];
    for (auto &side : copies) {
        for (double &copy : side)
            copy = std::exp(m.placement * dice.normal());
    }
    std::vector<Pair> pairs;
    const double total = static_cast<double>(rounds * placements);
    for (size_t round = 0; round < rounds; round++) {
        for (size_t k = 0; k < placements; k++) {
            const double when = static_cast<double>(pairs.size()) / total;
            double mood = 1 + m.drift * when;
            if (when > 0.4 && when < 0.65)
                mood *= 1 + m.burst;
            const auto time = [&](int side) {
                double t = 1e-3 * mood * copies[side][k] * std::exp(m.jitter * dice.normal());
                if (dice.uniform(0, 1) < m.spikes)
                    t *= dice.uniform(1, 5);
                return t;
            };
            const double before = time(0) * m.speed, after = time(1);
            pairs.push_back({k, before, after});
        }
    }
    return pairs;
}

// Of so many runs, the share that is judged to be `verdict`.
double share(Verdict verdict, const Machine &m, size_t rounds) {
    constexpr int runs = 1000;
    int count = 0;
    for (uint64_t seed = 1; seed <= runs; seed++)
        count += compare(run(m, rounds, seed)).verdict == verdict;
    return static_cast<double>(count) / runs;
}

TEST(Statistics, median) {
    EXPECT_EQ(median({3}), 3);
    EXPECT_EQ(median({5, 1, 3}), 3);
    EXPECT_EQ(median({5, 1, 3, 100}), 4);
}

// The ranks are those of the tables for the sign test.
TEST(Statistics, interval_lies_between_order_statistics) {
    const auto ranks = [](size_t n) {
        std::vector<double> values;
        for (size_t i = n; i > 0; i--)
            values.push_back(static_cast<double>(i));
        const Interval interval = median_interval(values);
        return std::pair<double, double>(interval.low, interval.high);
    };
    using Ranks = std::pair<double, double>;
    EXPECT_EQ(ranks(1), Ranks(1, 1));
    EXPECT_EQ(ranks(5), Ranks(1, 5));
    EXPECT_EQ(ranks(6), Ranks(1, 6));
    EXPECT_EQ(ranks(9), Ranks(2, 8));
    EXPECT_EQ(ranks(12), Ranks(3, 10));
    EXPECT_EQ(ranks(24), Ranks(7, 18));
    EXPECT_EQ(ranks(100), Ranks(40, 61));
}

TEST(Statistics, interval_holds_the_truth) {
    for (const double truth : {0.95, 1.0, 1.3}) {
        Machine m;
        m.speed = truth, m.jitter = 0.03, m.placement = 0.02, m.spikes = 0.1, m.drift = 0.3;
        int inside = 0;
        for (uint64_t seed = 1; seed <= 1000; seed++) {
            const Interval interval = compare(run(m, 5, seed)).interval;
            inside += interval.low <= truth && truth <= interval.high;
        }
        EXPECT_GE(inside, 950) << truth;
    }
}

TEST(Statistics, the_same_program_is_the_same) {
    Machine quiet, jittery, placed, spiky, drifting, disturbed, all;
    quiet.jitter = 0.002;
    jittery.jitter = 0.1;
    placed.placement = 0.03, placed.jitter = 0.003;
    spiky.spikes = 0.3, spiky.jitter = 0.01;
    drifting.drift = 1, drifting.jitter = 0.01;
    disturbed.burst = 1, disturbed.jitter = 0.01;
    all.jitter = 0.05, all.placement = 0.03, all.spikes = 0.2, all.drift = 0.5, all.burst = 0.5;
    for (const Machine &m : {quiet, jittery, placed, spiky, drifting, disturbed, all}) {
        for (const size_t rounds : {1, 2, 10, 40})
            EXPECT_GE(share(Verdict::same, m, rounds), 0.98) << rounds << " rounds";
    }
}

// Why a side is loaded several times: with each pair taken for a placement of its own, two copies
// that stay where they are would be told apart.
TEST(Statistics, pairs_alone_would_tell_two_copies_apart) {
    Machine m;
    m.placement = 0.03, m.jitter = 0.003;
    int different = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        std::vector<Pair> pairs = run(m, 10, seed), one_copy;
        for (const Pair &p : pairs) {
            if (p.placement == 0)
                one_copy.push_back({one_copy.size(), p.before, p.after});
        }
        different += compare(one_copy).verdict != Verdict::same;
    }
    EXPECT_GE(different, 30);
}

TEST(Statistics, a_difference_is_found) {
    Machine m;
    m.jitter = 0.03, m.placement = 0.01, m.spikes = 0.1, m.drift = 0.3, m.burst = 0.5;
    m.speed = 1.06;
    EXPECT_GE(share(Verdict::faster, m, 10), 0.95);
    m.speed = 1 / 1.06;
    EXPECT_GE(share(Verdict::slower, m, 10), 0.95);
}

TEST(Statistics, a_difference_that_is_not_worth_a_name_has_none) {
    Machine m;
    m.jitter = 0.001;
    for (const double speed : {1.015, 1 / 1.015}) {
        m.speed = speed;
        EXPECT_EQ(share(Verdict::same, m, 10), 1) << speed;
    }
}

// One side is 10 % slower for 60 % of the run: so is its median, in every placement.
TEST(Statistics, what_only_a_part_of_the_run_shows_is_no_result) {
    for (const double slower : {1.1, 1 / 1.1}) {
        Machine m;
        m.jitter = 0.002;
        std::vector<Pair> pairs = run(m, 10, 1);
        for (size_t i = 0; i < pairs.size() * 6 / 10; i++)
            pairs[i].after *= slower;
        const Comparison c = compare(pairs);
        EXPECT_TRUE(c.interval.low > 1.05 || c.interval.high < 0.95);
        EXPECT_EQ(c.verdict, Verdict::same);
    }
}

TEST(Statistics, few_placements_are_no_result) {
    std::vector<Pair> pairs;
    for (size_t k = 0; k < 5; k++)
        pairs.push_back({k, 2, 1});
    EXPECT_EQ(compare(pairs).verdict, Verdict::same);
    pairs.push_back({5, 2, 1});
    EXPECT_EQ(compare(pairs).verdict, Verdict::faster);
}

TEST(Statistics, times_are_medians) {
    const Comparison c = compare({{0, 1, 4}, {1, 2, 4}, {2, 30, 5}});
    EXPECT_EQ(c.before, 2);
    EXPECT_EQ(c.after, 4);
    EXPECT_EQ(c.speed, 0.5);
}

}  // namespace
