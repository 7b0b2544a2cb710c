// Every cell of the grid, variant x pipeline x layout x dtype x rank x affine x in place: the
// trials of cells.h, in which the extents around the variant's vectors meet all else, and the
// cell's share of the shapes of grid_shapes.h, of which each point gets all. cells/cells.py runs it
// and counts.
#include <algorithm>
#include <gtest/gtest.h>
#include <set>

#include "cells.h"
#include "compare.h"
#include "variants.h"

namespace {

using namespace test;

class Cells : public PointTest {
protected:
    void SetUp() override {
        RecordProperty("cells", std::to_string(cells(GetParam()).size()));
        RecordProperty("why_unsupported", why_unsupported(GetParam().variant));
        PointTest::SetUp();
    }

    void call(const Cell &cell, const Trial &trial) {
        Random dice(turn_);
        if (cell.pass == Pass::backward || cell.pass == Pass::backward_moving) {
            BackwardCall(backward_case(cell, trial, dice), turn_).expect_reference();
        } else {
            const bool add = cell.pass != Pass::statistics && dice.below(4) == 0;
            Call(forward_case(cell, trial, add, dice), turn_).expect_reference();
        }
        turn_++;
    }

    uint64_t turn_ = 0;
};

TEST_P(Cells, match_reference) {
    const std::vector<Cell> all = cells(GetParam());
    std::vector<std::vector<Trial>> of_cell;
    for (const Cell &cell : all)
        of_cell.push_back(trials(cell));
    // With every number of images, and of larger tensors with one.
    constexpr int64_t large = 60000;
    std::vector<Shape> shared = shapes(GetParam().layout, large, true);
    for (const Shape &shape : shapes(GetParam().layout, 1000000, false)) {
        if (shape.n * shape.c * shape.s > large)
            shared.push_back(shape);
    }
    size_t next = 0;
    Random dice(1);
    for (const Shape &shape : shared) {
        while (all[next % all.size()].rank == 2 && shape.s != 1)
            next++;
        of_cell[next++ % all.size()].push_back(any_trial(GetParam(), shape, dice));
    }
    for (size_t k = 0; k < all.size(); k++) {
        for (const Trial &trial : of_cell[k]) {
            call(all[k], trial);
            if (failures() > 3)
                return;  // one kind of mistake need not fill the screen
        }
    }
    RecordProperty("calls", std::to_string(turn_));
}

const std::vector<Point> all_points = points({Pass::inference, Pass::training, Pass::statistics,
                                              Pass::backward, Pass::backward_moving});

INSTANTIATE_TEST_SUITE_P(, Cells, testing::ValuesIn(all_points), point_name);

// ---- The trials themselves ----

using Values = std::set<int64_t>;

void expect_pairs(const std::vector<Trial> &all, int64_t (*a)(const Trial &), const Values &as,
                  int64_t (*b)(const Trial &), const Values &bs, bool sizes) {
    std::set<std::pair<int64_t, int64_t>> seen;
    for (const Trial &t : all)
        seen.insert({a(t), b(t)});
    for (int64_t i : as) {
        for (int64_t j : bs) {
            if (!sizes || i * j <= most_elements_of_a_trial) {
                EXPECT_TRUE(seen.count({i, j})) << i << " with " << j;
            }
        }
    }
}

// The lists are written down once more here, so that none can lose a value unseen.
TEST(CellTrials, meet_every_pair_of_extents_and_placements) {
    size_t count = 0;
    for (const Point &point : all_points) {
        for (const Cell &cell : cells(point)) {
            SCOPED_TRACE(point_name({point, 0}) + " rank " + std::to_string(cell.rank));
            count++;
            const int64_t L = vector_length(cell.variant, cell.dtype);
            const Values inner = {0, 1, L - 1, L, L + 1, 2 * L - 1, 2 * L, 4 * L + 3, 49, 3136};
            Values s = inner, c = {1, 2, 3, L - 1, L, L + 1, 64, 257}, n = {1, 2, 3};
            if (cell.rank == 2) {
                s = {1}, n = {0, 1, 2, 3};
                c.insert(inner.begin(), inner.end());
                c.erase(0);
            }
            const std::vector<Trial> all = trials(cell);
            EXPECT_GE(all.size(), 30u);
            const auto of_s = [](const Trial &t) { return t.shape.s; };
            const auto of_c = [](const Trial &t) { return t.shape.c; };
            const auto of_n = [](const Trial &t) { return t.shape.n; };
            const auto of_padding = [](const Trial &t) { return t.padding; };
            const auto of_offset = [](const Trial &t) {
                return static_cast<int64_t>(t.placement.offset);
            };
            expect_pairs(all, of_s, s, of_c, c, true);
            expect_pairs(all, of_s, s, of_n, n, true);
            expect_pairs(all, of_c, c, of_n, n, true);
            for (int64_t (*extent)(const Trial &) : {+of_s, +of_c, +of_n}) {
                const Values &values = extent == +of_s ? s : extent == +of_c ? c : n;
                expect_pairs(all, extent, values, of_padding, {0, 1, 7}, false);
                expect_pairs(all, extent, values, of_offset, {0, 1, 3}, false);
            }
            expect_pairs(all, of_padding, {0, 1, 7}, of_offset, {0, 1, 3}, false);
            if (HasFailure())
                return;
        }
    }
    EXPECT_EQ(count, variants().size() * (4 * 4 * 32 + 4 * 4));
}

}  // namespace
