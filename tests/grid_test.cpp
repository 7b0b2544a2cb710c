// Every variant x pipeline x layout x dtype, over ranks, strides, affine or not, in place or not,
// guard pages, offsets, and shapes that reach each branch of a kernel: rows around one, two and
// four vectors of 2 to 16 elements, rows around the lengths at which the runtime cuts them,
// channels that fill no vector.
#include <algorithm>
#include <gtest/gtest.h>

#include "call.h"
#include "options.h"
#include "variants.h"

namespace {

using namespace test;

struct Point {
    Pipeline pipeline;
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
                    all.push_back({pipeline, layout, dtype, variant});
                }
            }
        }
    }
    return all;
}

std::string point_name(const testing::TestParamInfo<Point> &info) {
    const Point &p = info.param;
    return std::string(name(p.pipeline)) + "_" + name(p.layout) + "_" + name(p.dtype) + "__" +
           p.variant;
}

struct Shape {
    int64_t n, c, s;
};

// Rows in NCHW, channels in NHWC: 1, and L - 1, L, L + 1, 2 L - 1, 2 L, 4 L + 3 for vectors of L =
// 2 to 16; 7x7, 14x14, around 1024, 50x50, 56x56.
constexpr int64_t inner_extents[] = {1,  2,  3,  4,   5,    7,    8,    9,    11,
                                     15, 16, 17, 19,  31,   32,   33,   35,   67,
                                     49, 63, 64, 196, 1023, 1024, 1025, 2500, 3136};
constexpr int64_t channel_counts[] = {1, 3, 7, 16, 17, 64, 257};
constexpr int64_t image_counts[] = {1, 2, 3, 9, 33, 70};

std::vector<Shape> shapes(halnorm_layout layout, int64_t most_elements, bool all_images) {
    std::vector<Shape> list;
    size_t turn = 0;
    const auto add = [&](int64_t c, int64_t s) {
        for (size_t k = 0; k < std::size(image_counts); k++) {
            const int64_t n = image_counts[(turn + k) % std::size(image_counts)];
            if (n * c * s > most_elements)
                continue;
            list.push_back({n, c, s});
            if (!all_images)
                break;
        }
        turn++;
    };
    for (int64_t inner : inner_extents) {
        for (int64_t c : channel_counts)
            add(c, inner);
        if (layout == HALNORM_NHWC) {
            for (int64_t s : {1, 49, 100})
                add(inner, s);
        }
    }
    // Fully connected layers, whose rows fold where C is no multiple of a vector.
    for (int64_t c : {1, 2, 3, 10, 16, 31, 48, 100, 257, 1000}) {
        for (int64_t n : {4, 64, 1000}) {
            if (n * c <= most_elements)
                list.push_back({n, c, 1});
        }
    }
    return list;
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
constexpr int offsets[] = {0, 1, 3};

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

    static int failures() {
        return testing::UnitTest::GetInstance()->current_test_info()->result()->total_part_count();
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
