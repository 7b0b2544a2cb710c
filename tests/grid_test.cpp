// The forward pipelines x layouts x dtypes x variants over the shapes of grid_shapes.h. Ranks,
// strides, affine or not, in place or not, a second addend, guard pages and offsets go round from
// call to call; that every combination meets every extent is cells_test.cpp's.
#include <algorithm>
#include <gtest/gtest.h>

#include "cells.h"
#include "compare.h"
#include "options.h"

namespace {

using namespace test;

class Grid : public PointTest {
protected:
    // Small shapes meet every combination of in place and affine.
    void run(int64_t most_elements, int64_t small) {
        const Point &p = GetParam();
        const std::vector<Cell> all = cells(p);
        size_t calls = 0;
        for (bool add : {false, true}) {
            if (add && p.pass == Pass::statistics)
                continue;
            size_t turn = 0;
            for (const Shape &shape : shapes(p.layout, most_elements, false)) {
                const bool every =
                    shape.n * shape.c * shape.s <= small && p.pass != Pass::statistics;
                for (int k = 0; k < (every ? 8 : 1); k++, turn++, calls++) {
                    Random dice(turn);
                    Cell cell = all[turn % all.size()];
                    cell.rank = static_cast<int>(shape.s == 1 ? 2 + turn % 4 : 3 + turn % 3);
                    const Trial trial = any_trial(p, shape, dice);
                    Call(forward_case(cell, trial, add, dice), turn).expect_reference();
                    if (failures() > 3)
                        return;  // one kind of mistake need not fill the screen
                }
            }
        }
        RecordProperty("calls", std::to_string(calls));
    }
};

TEST_P(Grid, matches_reference) {
    if (options.reduced) {
        run(2500, 0);
    } else {
        run(60000, 2000);
    }
}

INSTANTIATE_TEST_SUITE_P(,
                         Grid,
                         testing::ValuesIn(points({std::begin(forward_passes),
                                                   std::end(forward_passes)})),
                         point_name);

}  // namespace
