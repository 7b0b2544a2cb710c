// Which of two programs is faster, from times that a shared machine has spoiled. Two things stand
// between a time and the truth:
//
//   What else the machine does. Times come in pairs, one of each side in turn: what happens to one
//   mostly happens to the other, so the ratio within a pair is steadier than any time.
//
//   Where code and tensors lie. Two copies of one program differ by up to 4 % for calls of a
//   microsecond, for as long as they stay where they are (branch predictors and caches go by
//   addresses), and no number of pairs shows it. So each side is loaded several times, each time
//   with tensors of its own, and the interval comes from the spread between these placements, not
//   between pairs.
//
// No distribution is assumed.
#pragma once

#include <cstddef>
#include <vector>

namespace bench {

double median(std::vector<double> values);  // of at least one

struct Interval {
    double low, high;
};

// 95 % or a little more: between two order statistics, by the binomial distribution. All of the
// range where there are too few values for that (below 6).
Interval median_interval(std::vector<double> values);

struct Pair {
    size_t placement;      // which copy of both sides it was, and which tensors
    double before, after;  // seconds per call
};

enum class Verdict { slower, same, faster };
const char *name(Verdict verdict);

// A difference that is worth a name.
constexpr double worth_a_name = 0.02;

struct Comparison {
    double before, after;  // medians
    double speed;          // before / after: above 1, the change is faster
    Interval interval;     // of speed
    Verdict verdict;
};

// Of pairs in the order of time. speed is the median over placements of the median of their pairs'
// ratios. Faster or slower only where the whole interval lies beyond worth_a_name, and where both
// halves of the run, taken alone, show as much: what a disturbance in one of them did is no result.
Comparison compare(const std::vector<Pair> &pairs);

}  // namespace bench
