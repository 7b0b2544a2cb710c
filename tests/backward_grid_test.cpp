// The backward pass over layouts x dtypes x variants, over the shapes of grid_shapes.h, ranks,
// strides, guard pages, and everything that a call may choose: statistics of the batch or moving
// ones, x or y, a second addend, which results are wanted, and whether one lies in dy's memory.
#include <gtest/gtest.h>

#include "cells.h"
#include "options.h"

namespace {

using namespace test;

class GridBackward : public PointTest {
protected:
    void run(int64_t most_elements, int64_t small) {
        std::vector<Cell> all;
        for (Pass pass : {Pass::backward, Pass::backward_moving}) {
            Point p = GetParam();
            p.pass = pass;
            const std::vector<Cell> some = cells(p);
            all.insert(all.end(), some.begin(), some.end());
        }
        uint64_t turn = 0;
        for (const Shape &shape : shapes(GetParam().layout, most_elements, false)) {
            const int times = shape.n * shape.c * shape.s <= small ? 6 : 1;
            for (int k = 0; k < times; k++, turn++) {
                Random dice(turn);
                Cell cell = all[dice.below(all.size())];
                cell.rank = static_cast<int>(shape.s == 1 ? 2 + dice.below(4) : 3 + dice.below(3));
                const Trial trial = any_trial(cell, shape, dice);
                BackwardCall(backward_case(cell, trial, dice), turn).expect_reference();
                if (failures() > 3)
                    return;  // one kind of mistake need not fill the screen
            }
        }
        RecordProperty("calls", std::to_string(turn));
    }
};

TEST_P(GridBackward, matches_reference) {
    if (options.reduced) {
        run(2500, 0);
    } else {
        run(60000, 1000);
    }
}

// Each combination of what a call may choose, with an activation by turn.
TEST_P(GridBackward, every_choice) {
    size_t turn = 0;
    for (const Choice &choice : backward_choices()) {
        if (options.reduced && turn % 13 != 0) {
            turn++;
            continue;
        }
        BackwardCase s = backward_case(GetParam(), choice, {3, 5, turn % 5 == 0 ? 1 : 7});
        s.activation = s.from_y ? invertible_activation(turn) :
                                  static_cast<halnorm_activation>(turn % HALNORM_ACT_COUNT);
        BackwardCall(s, turn).expect_reference();
        turn++;
        if (failures() > 3)
            return;
    }
}

INSTANTIATE_TEST_SUITE_P(, GridBackward, testing::ValuesIn(points({Pass::backward})), point_name);

}  // namespace
