#include "statistics.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace bench {
namespace {

constexpr double outside = 0.05;  // 1 - the confidence

// Of each placement, the median of before / after.
std::vector<double> speeds(const Pair *first, const Pair *last) {
    std::map<size_t, std::vector<double>> ratios;
    for (const Pair *p = first; p != last; p++)
        ratios[p->placement].push_back(p->before / p->after);
    std::vector<double> medians;
    for (const auto &placement : ratios)
        medians.push_back(median(placement.second));
    return medians;
}

// 1: at least as much faster as is worth a name, -1: slower, 0: neither.
int side(double speed) {
    return speed > 1 + worth_a_name ? 1 : speed < 1 / (1 + worth_a_name) ? -1 : 0;
}

}  // namespace

double median(std::vector<double> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    if (values.size() % 2 == 1)
        return *middle;
    return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

// The median lies below the k-th smallest value (from 0) where at most k of n values are below it,
// each being so with probability 1/2.
Interval median_interval(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const size_t n = values.size();
    size_t k = 0;
    double below = std::pow(0.5, static_cast<double>(n)), term = below;
    while (2 * (k + 1) < n) {
        term *= static_cast<double>(n - k) / static_cast<double>(k + 1);
        if (below + term > outside / 2)
            break;
        below += term;
        k++;
    }
    // k is 0 both where one more would be too many and where none is few enough: all of the range.
    return {values[k], values[n - 1 - k]};
}

const char *name(Verdict verdict) {
    return verdict == Verdict::faster ? "faster" : verdict == Verdict::slower ? "slower" : "same";
}

Comparison compare(const std::vector<Pair> &pairs) {
    std::vector<double> before, after;
    for (const Pair &p : pairs) {
        before.push_back(p.before);
        after.push_back(p.after);
    }
    const Pair *const first = pairs.data(), *const middle = first + pairs.size() / 2,
                      *const last = first + pairs.size();
    const std::vector<double> all = speeds(first, last);
    Comparison c = {median(before), median(after), median(all), median_interval(all),
                    Verdict::same};
    const int way = side(c.interval.low) == side(c.interval.high) ? side(c.interval.low) : 0;
    if (way != 0 && all.size() >= 6 && side(median(speeds(first, middle))) == way &&
        side(median(speeds(middle, last))) == way)
        c.verdict = way > 0 ? Verdict::faster : Verdict::slower;
    return c;
}

}  // namespace bench
