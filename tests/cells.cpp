#include "cells.h"

#include <algorithm>
#include <set>
#include <sstream>

#include "variants.h"

namespace test {
namespace {

constexpr size_t open = SIZE_MAX;  // a factor without a value yet

// Choices of a value for each factor in which every pair of values of two factors occurs, if
// `allowed`, which also sees choices that are not complete. There must be a value that is allowed
// for any factor beside any others.
template<typename Allowed>
std::vector<std::vector<size_t>> covering(const std::vector<size_t> &levels, Allowed allowed,
                                          Random &dice) {
    struct Value {
        size_t factor, level;
    };
    std::vector<Value> values;
    std::vector<size_t> first;  // of each factor, among the values
    for (size_t f = 0; f < levels.size(); f++) {
        first.push_back(values.size());
        for (size_t level = 0; level < levels[f]; level++)
            values.push_back({f, level});
    }
    std::vector<std::vector<bool>> missing(values.size(), std::vector<bool>(values.size(), false));
    std::vector<std::pair<size_t, size_t>> pairs;
    for (size_t a = 0; a < values.size(); a++) {
        for (size_t b = 0; b < a; b++) {
            std::vector<size_t> choice(levels.size(), open);
            choice[values[a].factor] = values[a].level;
            choice[values[b].factor] = values[b].level;
            if (values[a].factor != values[b].factor && allowed(choice)) {
                missing[a][b] = missing[b][a] = true;
                pairs.push_back({a, b});
            }
        }
    }
    for (size_t i = pairs.size(); i > 1; i--)
        std::swap(pairs[i - 1], pairs[dice.below(i)]);

    std::vector<std::vector<size_t>> all;
    for (const auto &[a, b] : pairs) {
        if (!missing[a][b])
            continue;
        std::vector<size_t> choice(levels.size(), open);
        choice[values[a].factor] = values[a].level;
        choice[values[b].factor] = values[b].level;
        for (size_t f = 0; f < levels.size(); f++) {
            if (choice[f] != open)
                continue;
            // The value that is in the most missing pairs with those chosen before it.
            size_t best = 0, most = 0;
            const size_t start = dice.below(levels[f]);
            for (size_t k = 0; k < levels[f]; k++) {
                const size_t level = (start + k) % levels[f];
                choice[f] = level;
                if (!allowed(choice))
                    continue;
                size_t gain = 1;
                for (size_t g = 0; g < levels.size(); g++) {
                    if (g != f && choice[g] != open)
                        gain += missing[first[f] + level][first[g] + choice[g]];
                }
                if (gain > most)
                    best = level, most = gain;
            }
            choice[f] = best;
        }
        for (size_t f = 0; f < levels.size(); f++) {
            for (size_t g = 0; g < levels.size(); g++)
                missing[first[f] + choice[f]][first[g] + choice[g]] = false;
        }
        all.push_back(choice);
    }
    return all;
}

// NHWC over NCHW memory folds for one image only.
bool may_be_channels_last(const Point &point, const Shape &shape) {
    return point.layout == HALNORM_NCHW || shape.n == 1;
}

// None and relu are most of what networks use, and take the shortest paths.
halnorm_activation any_activation(Random &dice) {
    const size_t any = dice.below(HALNORM_ACT_COUNT);
    return dice.below(3) == 0 ? HALNORM_ACT_NONE :
           dice.below(3) == 0 ? HALNORM_ACT_RELU :
                                static_cast<halnorm_activation>(any);
}

void place(Setting &s, const Trial &t) {
    s.gap = t.padding;
    s.placement = t.placement;
    s.threads = t.threads;
}

void take(Setting &s, const Point &point, const Shape &shape) {
    s.variant = point.variant;
    s.layout = point.layout;
    s.dtype = point.dtype;
    s.n = shape.n, s.c = shape.c, s.s = shape.s;
}

std::vector<int64_t> values_of(std::initializer_list<int64_t> list) {
    const std::set<int64_t> once(list);
    return {once.begin(), once.end()};
}

}  // namespace

const char *name(Pass pass) {
    switch (pass) {
    case Pass::inference:
        return "inference";
    case Pass::training:
        return "training";
    case Pass::statistics:
        return "statistics";
    case Pass::backward:
        return "backward";
    case Pass::backward_moving:
        return "backward_moving";
    }
    return "?";
}

std::vector<Point> points(const std::vector<Pass> &passes) {
    std::vector<Point> all;
    for (const std::string &variant : variants()) {
        for (Pass pass : passes) {
            for (halnorm_layout layout : {HALNORM_NCHW, HALNORM_NHWC}) {
                for (halnorm_dtype dtype : {HALNORM_FLOAT32, HALNORM_FLOAT64})
                    all.push_back({pass, layout, dtype, variant});
            }
        }
    }
    return all;
}

void PrintTo(const Point &p, std::ostream *out) {
    *out << name(p.pass) << " " << name(p.layout) << " " << name(p.dtype) << " " << p.variant;
}

std::string point_name(const testing::TestParamInfo<Point> &info) {
    const Point &p = info.param;
    return std::string(name(p.pass)) + "_" + name(p.layout) + "_" + name(p.dtype) + "__" +
           p.variant;
}

std::vector<Cell> cells(const Point &point) {
    std::vector<Cell> all;
    const int choices = point.pass == Pass::statistics ? 1 : 8;
    for (int rank = 2; rank <= 5; rank++) {
        for (int bits = 0; bits < choices; bits++)
            all.push_back({point, rank, (bits & 2) == 0, (bits & 4) == 0, (bits & 1) != 0});
    }
    return all;
}

int64_t vector_length(const std::string &variant, halnorm_dtype dtype) {
    std::set<std::string> features;
    for (int32_t i = 0; i < halnorm_variant_count(); i++) {
        halnorm_variant_info info;
        if (halnorm_variant_get(i, &info) == HALNORM_OK && info.name == variant) {
            std::istringstream words(info.features);
            for (std::string word; words >> word;)
                features.insert(word);
        }
    }
    if (features.count("cuda") || features.count("opencl"))
        return 32;
    const int64_t bytes = features.count("avx512") ? 64 : features.count("avx") ? 32 : 16;
    return bytes / static_cast<int64_t>(size_of(dtype));
}

Extents extents(const Cell &cell) {
    const int64_t L = vector_length(cell.variant, cell.dtype);
    const std::vector<int64_t> inner =
        values_of({0, 1, L - 1, L, L + 1, 2 * L - 1, 2 * L, 4 * L + 3, 49, 3136});
    const std::vector<int64_t> channels = values_of({1, 2, 3, L - 1, L, L + 1, 64, 257});
    const std::vector<int64_t> both = values_of({1, 2, 3, L - 1, L, L + 1, 2 * L - 1, 2 * L,
                                                 4 * L + 3, 49, 64, 257, 3136});
    if (cell.rank == 2)
        return {{1}, both, {0, 1, 2, 3}};
    return {inner, cell.layout == HALNORM_NCHW ? channels : both, {1, 2, 3}};
}

std::vector<Trial> trials(const Cell &cell) {
    const Extents e = extents(cell);
    constexpr Spread gaps[] = {Spread::channel_gap, Spread::image_gap};
    const auto allowed = [&](const std::vector<size_t> &choice) {
        const int64_t s = choice[0] == open ? 1 : e.s[choice[0]];
        const int64_t c = choice[1] == open ? 1 : e.c[choice[1]];
        const int64_t n = choice[2] == open ? 1 : e.n[choice[2]];
        return s * c * n <= most_elements_of_a_trial;
    };
    // Different cells meet different triples.
    Random dice(static_cast<uint64_t>(cell.pass) * 1000 + static_cast<uint64_t>(cell.rank) * 100 +
                static_cast<uint64_t>(cell.gamma * 4 + cell.beta * 2 + cell.in_place));
    std::vector<Trial> all;
    for (const std::vector<size_t> &k :
         covering({e.s.size(), e.c.size(), e.n.size(), std::size(paddings), std::size(offsets),
                   std::size(gaps), 2, 2},
                  allowed, dice)) {
        Trial t;
        t.shape = {e.n[k[2]], e.c[k[1]], e.s[k[0]]};
        t.padding = paddings[k[3]];
        t.placement.offset = offsets[k[4]];
        t.spread = gaps[k[5]];
        t.placement.guard = k[6] == 0 ? Guard::after : Guard::before;
        t.threads = k[7] == 0 ? 1 : 2;
        if (dice.below(6) == 0 && may_be_channels_last(cell, t.shape))
            t.spread = Spread::channels_last;
        all.push_back(t);
    }
    return all;
}

Trial any_trial(const Point &point, const Shape &shape, Random &dice) {
    constexpr Spread gaps[] = {Spread::dense, Spread::channel_gap, Spread::image_gap};
    Trial t;
    t.shape = shape;
    t.padding = default_gap;
    t.spread = gaps[dice.below(3)];
    if (dice.below(6) == 0 && may_be_channels_last(point, shape))
        t.spread = Spread::channels_last;
    t.placement.guard = dice.below(2) == 0 ? Guard::after : Guard::before;
    t.placement.offset = offsets[dice.below(3)];
    t.threads = dice.below(3) == 0 ? 2 : 1;
    return t;
}

std::vector<Choice> backward_choices() {
    std::vector<Choice> all;
    for (int bits = 0; bits < 1 << 8; bits++) {
        const auto bit = [&](int k) { return (bits >> k & 1) != 0; };
        // x, x and z, y; and where dx and dz go.
        for (int source = 0; source < 3; source++) {
            for (Over over : {Over::nothing, Over::dx, Over::dz}) {
                const bool dx = bit(1), dz = bit(2);
                if (dz && source != 1)
                    continue;  // no z, no gradient by it
                if ((over == Over::dx && !dx) || (over == Over::dz && !dz))
                    continue;
                // Without any result there is nothing to do.
                if (!dx && !dz && !bit(3) && !bit(4))
                    continue;
                all.push_back({bit(0), source == 2, source == 1, dx, dz, bit(3), bit(4), over,
                               bit(5), bit(6), bit(7)});
            }
        }
    }
    return all;
}

BackwardCase backward_case(const Point &point, const Choice &choice, const Shape &shape) {
    BackwardCase s;
    take(s, point, shape);
    s.batch = choice.batch;
    s.from_y = choice.from_y;
    s.add = choice.add;
    s.dx = choice.dx, s.dz = choice.dz, s.dgamma = choice.dgamma, s.dbeta = choice.dbeta;
    s.over = choice.over;
    s.gamma = choice.gamma, s.beta = choice.beta;
    if (choice.in_parts)
        s.cuts = {0, s.n / 2, s.n};
    return s;
}

halnorm_activation invertible_activation(size_t number) {
    constexpr halnorm_activation all[] = {HALNORM_ACT_NONE, HALNORM_ACT_LEAKY_RELU,
                                          HALNORM_ACT_ELU};
    return all[number % std::size(all)];
}

Case forward_case(const Cell &cell, const Trial &t, bool add, Random &dice) {
    Case s;
    take(s, cell, t.shape);
    place(s, t);
    s.pipeline = cell.pass == Pass::inference ? Pipeline::inference :
                 cell.pass == Pass::training  ? Pipeline::training :
                                                Pipeline::statistics;
    s.rank = cell.rank;
    s.gamma = cell.gamma, s.beta = cell.beta, s.in_place = cell.in_place;
    s.add = add;
    s.over_z = add && !s.in_place && dice.below(3) == 0;
    s.activation = any_activation(dice);
    s.moving = cell.pass != Pass::training || dice.below(5) != 0;
    s.saved = dice.below(4) != 0;
    if (dice.below(4) == 0)
        s.estimator = HALNORM_VARIANCE_SAMPLE;
    if (dice.below(4) == 0)
        s.stores = HALNORM_STORES_STREAMING;
    // Both tensors, or one. The order of axes in memory is one for all.
    const bool alone = s.in_place || s.pipeline == Pipeline::statistics;
    const size_t padded = alone || t.spread == Spread::channels_last ? 0 : dice.below(3);
    s.x_spread = padded == 2 ? Spread::dense : t.spread;
    s.y_spread = padded == 1 ? Spread::dense : t.spread;
    return s;
}

BackwardCase backward_case(const Cell &cell, const Trial &t, Random &dice) {
    static const std::vector<Choice> all = backward_choices();
    const Choice *choice;
    do {
        choice = &all[dice.below(all.size())];
    } while (choice->batch != (cell.pass == Pass::backward) ||
             (choice->over == Over::dx) != cell.in_place || choice->gamma != cell.gamma ||
             choice->beta != cell.beta);
    BackwardCase s = backward_case(cell, *choice, t.shape);
    place(s, t);
    s.rank = cell.rank;
    const halnorm_activation any = any_activation(dice);
    s.activation = s.from_y ? invertible_activation(static_cast<size_t>(any)) : any;
    if (dice.below(4) == 0)
        s.stores = HALNORM_STORES_STREAMING;
    s.dy_spread = t.spread;
    for (Spread *spread : {&s.x_spread, &s.dx_spread}) {
        const bool padded = t.spread == Spread::channels_last || dice.below(3) != 0;
        *spread = padded ? t.spread : Spread::dense;
    }
    return s;
}

void PointTest::SetUp() {
    const std::string why = why_unsupported(GetParam().variant);
    if (!why.empty())
        GTEST_SKIP() << GetParam().variant << ": " << why;
}

}  // namespace test
