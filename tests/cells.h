// What a user may combine, as a grid of cells; for each cell, calls of many shapes and placements.
#pragma once

#include <gtest/gtest.h>
#include <iosfwd>
#include <string>
#include <vector>

#include "backward_call.h"
#include "call.h"
#include "grid_shapes.h"
#include "random.h"

namespace test {

// The pipelines, the backward pass by either kind of statistics among them.
enum class Pass { inference, training, statistics, backward, backward_moving };
constexpr Pass forward_passes[] = {Pass::inference, Pass::training, Pass::statistics};
const char *name(Pass pass);

struct Point {
    Pass pass;
    halnorm_layout layout;
    halnorm_dtype dtype;
    std::string variant;
};

struct Cell : Point {
    int rank;
    bool gamma, beta;  // given, or NULL
    bool in_place;     // y is x; backward: dx is dy
};

// All of the build's variants and both layouts and dtypes.
std::vector<Point> points(const std::vector<Pass> &passes);
// GoogleTest would print its bytes, padding included, which nobody has written.
void PrintTo(const Point &point, std::ostream *out);
std::string point_name(const testing::TestParamInfo<Point> &info);

// The cells of a point: rank 2 to 5, gamma and beta or not, in place or not. Statistics have
// neither.
std::vector<Cell> cells(const Point &point);

// Elements of a vector of the variant's; of a device's, threads of a warp. By what the variant
// needs, so that a new one has its place here too.
int64_t vector_length(const std::string &variant, halnorm_dtype dtype);

// How one call's tensors lie in memory.
struct Trial {
    Shape shape;
    int64_t padding;  // in elements, behind each plane or row, or each image too
    Spread spread;    // of what is padded
    Placement placement;
    int threads;
};

// What the trials of a cell are made of. Where there are no pixels (rank 2) the channels are the
// inner extent, so they take its values too, and an empty tensor has no images. NHWC's channels
// take them as well, being what lies innermost in memory.
struct Extents {
    std::vector<int64_t> s, c, n;
};
Extents extents(const Cell &cell);

constexpr int64_t paddings[] = {0, 1, 7};
constexpr int64_t most_elements_of_a_trial = 210000;  // 64 x 3136 and no more

// Trials in which every pair of values of s, c, n, padding, offset and the rest occurs, but for
// tensors of more than most_elements_of_a_trial: as few as a greedy search finds, at least 30.
std::vector<Trial> trials(const Cell &cell);

// A trial of that shape, by a throw of dice.
Trial any_trial(const Point &point, const Shape &shape, Random &dice);

// What a call of a backward pass may choose besides.
struct Choice {
    bool batch, from_y, add;
    bool dx, dz, dgamma, dbeta;
    Over over;
    bool gamma, beta, in_parts;
};
std::vector<Choice> backward_choices();
BackwardCase backward_case(const Point &point, const Choice &choice, const Shape &shape);
halnorm_activation invertible_activation(size_t number);

// The call of a cell; what neither the cell nor the trial says, by a throw of dice.
Case forward_case(const Cell &cell, const Trial &trial, bool add, Random &dice);
BackwardCase backward_case(const Cell &cell, const Trial &trial, Random &dice);

// A test for each point, skipped with the reason where this machine cannot run its variant.
class PointTest : public testing::TestWithParam<Point> {
protected:
    void SetUp() override;
};

}  // namespace test
