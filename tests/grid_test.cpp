// Every variant x pipeline x layout x dtype, over ranks, strides, affine or not, in place or not,
// guard pages, offsets, and the shapes of grid_shapes.h.
#include <algorithm>
#include <gtest/gtest.h>

#include "call.h"
#include "compare.h"
#include "grid_shapes.h"
#include "options.h"
#include "variants.h"

namespace {

using namespace test;

struct Point {
    Pipeline pipeline;
    bool add;  // a second addend
    halnorm_layout layout;
    halnorm_dtype dtype;
    std::string variant;
};

std::vector<Point> points() {
    std::vector<Point> all;
    for (const std::string &variant : variants()) {
        for (Pipeline pipeline : {Pipeline::inference, Pipeline::training, Pipeline::statistics}) {
            for (halnorm_layout layout : {HALNORM_NCHW, HALNORM_NHWC}) {
                for (halnorm_dtype dtype : {HALNORM_FLOAT32, HALNORM_FLOAT64}) {
                    all.push_back({pipeline, false, layout, dtype, variant});
                    if (pipeline != Pipeline::statistics)
                        all.push_back({pipeline, true, layout, dtype, variant});
                }
            }
        }
    }
    return all;
}

std::string point_name(const testing::TestParamInfo<Point> &info) {
    const Point &p = info.param;
    return std::string(name(p.pipeline)) + (p.add ? "_add_" : "_") + name(p.layout) + "_" +
           name(p.dtype) + "__" + p.variant;
}

struct Spreads {
    Spread x, y;
};
constexpr Spreads spreads[] = {
    {Spread::dense, Spread::dense},           {Spread::channel_gap, Spread::dense},
    {Spread::dense, Spread::dense},           {Spread::dense, Spread::channel_gap},
    {Spread::image_gap, Spread::image_gap},   {Spread::channels_last, Spread::channels_last},
    {Spread::channel_gap, Spread::image_gap},
};

class Grid : public testing::TestWithParam<Point> {
protected:
    void SetUp() override {
        const std::string why = why_unsupported(GetParam().variant);
        if (!why.empty())
            GTEST_SKIP() << GetParam().variant << ": " << why;
    }

    // Small shapes meet every combination of in place and affine; of all other aspects each call
    // gets the next choice.
    void run(int64_t most_elements, bool all_images, int64_t small) {
        const Point &p = GetParam();
        const std::vector<Shape> list = shapes(p.layout, most_elements, all_images);
        size_t turn = 0;
        for (const Shape &shape : list) {
            const bool every =
                shape.n * shape.c * shape.s <= small && p.pipeline != Pipeline::statistics;
            for (int option = 0; option < (every ? 8 : 1); option++, turn++) {
                const size_t choice = every ? static_cast<size_t>(option) : turn;
                run_one(shape, choice, turn);
                if (failures() > 3)
                    return;  // one kind of mistake need not fill the screen
            }
        }
        RecordProperty("calls", std::to_string(turn));
    }

private:
    void run_one(const Shape &shape, size_t choice, size_t turn) {
        const Point &p = GetParam();
        Case s;
        s.variant = p.variant;
        s.pipeline = p.pipeline;
        s.layout = p.layout;
        s.dtype = p.dtype;
        s.n = shape.n;
        s.c = shape.c;
        s.s = shape.s;
        s.rank = static_cast<int>(shape.s == 1 ? 2 + turn % 4 : 3 + turn % 3);
        s.in_place = p.pipeline != Pipeline::statistics && choice % 2 == 1;
        s.add = p.add;
        s.over_z = p.add && !s.in_place && turn % 3 == 0;
        if (p.add)
            s.activation = static_cast<halnorm_activation>(turn % HALNORM_ACT_COUNT);
        s.gamma = choice / 2 % 2 == 0;
        s.beta = choice / 4 % 2 == 0;
        s.moving = p.pipeline != Pipeline::training || turn % 5 != 4;
        s.saved = turn % 4 != 3;
        const Spreads &spread = spreads[turn % std::size(spreads)];
        // NHWC over NCHW memory folds for one image only.
        const bool foldable =
            spread.x != Spread::channels_last || p.layout == HALNORM_NCHW || shape.n == 1;
        s.x_spread = foldable ? spread.x : Spread::dense;
        s.y_spread = foldable ? spread.y : Spread::dense;
        s.placement.guard = turn % 2 == 0 ? Guard::after : Guard::before;
        s.placement.offset = offsets[turn / 2 % std::size(offsets)];
        s.threads = turn % 3 == 0 ? 2 : 1;
        Call(s, turn).expect_reference();
    }
};

class GridSweep : public Grid {
};  // every shape with every number of images, and larger ones: minutes

TEST_P(Grid, matches_reference) {
    if (options.reduced) {
        run(2500, false, 0);
    } else {
        run(60000, false, 2000);
    }
}

TEST_P(GridSweep, matches_reference) {
    run(2000000, true, 2000);
}

INSTANTIATE_TEST_SUITE_P(, Grid, testing::ValuesIn(points()), point_name);
INSTANTIATE_TEST_SUITE_P(, GridSweep, testing::ValuesIn(points()), point_name);

}  // namespace
