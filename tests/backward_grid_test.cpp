// The backward pass over variants x layouts x dtypes, over the shapes of grid_shapes.h, ranks,
// strides, guard pages, and everything that a call may choose: statistics of the batch or moving
// ones, x or y, a second addend, which results are wanted, and whether one lies in dy's memory.
#include <gtest/gtest.h>

#include "backward_call.h"
#include "grid_shapes.h"
#include "options.h"
#include "random.h"
#include "variants.h"

namespace {

using namespace test;

struct Point {
    halnorm_layout layout;
    halnorm_dtype dtype;
    std::string variant;
};

std::vector<Point> points() {
    std::vector<Point> all;
    for (const std::string &variant : variants()) {
        for (halnorm_layout layout : {HALNORM_NCHW, HALNORM_NHWC}) {
            for (halnorm_dtype dtype : {HALNORM_FLOAT32, HALNORM_FLOAT64})
                all.push_back({layout, dtype, variant});
        }
    }
    return all;
}

std::string point_name(const testing::TestParamInfo<Point> &info) {
    const Point &p = info.param;
    return std::string(name(p.layout)) + "_" + name(p.dtype) + "__" + p.variant;
}

constexpr halnorm_activation invertible_ones[] = {HALNORM_ACT_NONE, HALNORM_ACT_LEAKY_RELU,
                                                  HALNORM_ACT_ELU};

// x, x and z, y; and where dx and dz go.
struct Choice {
    bool batch, from_y, add;
    bool dx, dz, dgamma, dbeta;
    Over over;
    bool gamma, beta, in_parts;
};

std::vector<Choice> choices() {
    std::vector<Choice> all;
    for (int bits = 0; bits < 1 << 8; bits++) {
        const auto bit = [&](int k) { return (bits >> k & 1) != 0; };
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

class GridBackward : public testing::TestWithParam<Point> {
protected:
    void SetUp() override {
        const std::string why = why_unsupported(GetParam().variant);
        if (!why.empty())
            GTEST_SKIP() << GetParam().variant << ": " << why;
        all_ = choices();
    }

    // Everything but the shape by a throw of dice.
    BackwardCase any_case(const Shape &shape, uint64_t seed) {
        const Point &p = GetParam();
        Random dice(seed);
        BackwardCase s = with(all_[dice.below(all_.size())], shape);
        const size_t a = dice.below(HALNORM_ACT_COUNT);
        // none and relu are most of what networks use, and take the shortest paths.
        s.activation = s.from_y           ? invertible_ones[a % 3] :
                       dice.below(3) == 0 ? HALNORM_ACT_NONE :
                       dice.below(3) == 0 ? HALNORM_ACT_RELU :
                                            static_cast<halnorm_activation>(a);
        s.rank = static_cast<int>(s.s == 1 ? 2 + dice.below(4) : 3 + dice.below(3));
        constexpr Spread gaps[] = {Spread::dense, Spread::dense, Spread::channel_gap,
                                   Spread::image_gap};
        s.x_spread = gaps[dice.below(4)];
        s.dy_spread = gaps[dice.below(4)];
        s.dx_spread = gaps[dice.below(4)];
        // The order of axes in memory is one for all; NHWC over NCHW memory folds for one image.
        if (dice.below(6) == 0 && (p.layout == HALNORM_NCHW || s.n == 1))
            s.x_spread = s.dy_spread = s.dx_spread = Spread::channels_last;
        s.placement.guard = dice.below(2) == 0 ? Guard::after : Guard::before;
        s.placement.offset = offsets[dice.below(3)];
        s.threads = dice.below(3) == 0 ? 2 : 1;
        return s;
    }

    BackwardCase with(const Choice &choice, const Shape &shape) {
        BackwardCase s;
        s.variant = GetParam().variant;
        s.layout = GetParam().layout;
        s.dtype = GetParam().dtype;
        s.batch = choice.batch;
        s.from_y = choice.from_y;
        s.add = choice.add;
        s.dx = choice.dx, s.dz = choice.dz, s.dgamma = choice.dgamma, s.dbeta = choice.dbeta;
        s.over = choice.over;
        s.gamma = choice.gamma, s.beta = choice.beta;
        s.n = shape.n, s.c = shape.c, s.s = shape.s;
        if (choice.in_parts)
            s.cuts = {0, s.n / 2, s.n};
        return s;
    }

    void run(int64_t most_elements, bool all_images, int64_t small) {
        uint64_t turn = 0;
        for (const Shape &shape : shapes(GetParam().layout, most_elements, all_images)) {
            const int times = shape.n * shape.c * shape.s <= small ? 6 : 1;
            for (int k = 0; k < times; k++, turn++) {
                BackwardCall(any_case(shape, turn), turn).expect_reference();
                if (failures() > 3)
                    return;  // one kind of mistake need not fill the screen
            }
        }
        RecordProperty("calls", std::to_string(turn));
    }

    std::vector<Choice> all_;
};

TEST_P(GridBackward, matches_reference) {
    if (options.reduced) {
        run(2500, false, 0);
    } else {
        run(60000, false, 1000);
    }
}

// Each combination of what a call may choose, with an activation by turn.
TEST_P(GridBackward, every_choice) {
    size_t turn = 0;
    for (const Choice &choice : all_) {
        if (options.reduced && turn % 13 != 0) {
            turn++;
            continue;
        }
        BackwardCase s = with(choice, {3, 5, turn % 5 == 0 ? 1 : 7});
        s.activation = s.from_y ? invertible_ones[turn % 3] :
                                  static_cast<halnorm_activation>(turn % HALNORM_ACT_COUNT);
        BackwardCall(s, turn).expect_reference();
        turn++;
        if (failures() > 3)
            return;
    }
}

class GridSweepBackward : public GridBackward {
};  // every shape with every number of images, and larger ones: minutes

TEST_P(GridSweepBackward, matches_reference) {
    run(2000000, true, 4000);
}

INSTANTIATE_TEST_SUITE_P(, GridBackward, testing::ValuesIn(points()), point_name);
INSTANTIATE_TEST_SUITE_P(, GridSweepBackward, testing::ValuesIn(points()), point_name);

}  // namespace
