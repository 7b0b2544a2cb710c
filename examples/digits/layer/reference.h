// Batch normalization in double precision, the obvious way, and how far float32 may be from it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace digits {

// x is (n, channels, pixels).
struct Statistics {
    std::vector<double> mean, variance;
};
Statistics statistics(const float *x, int64_t n, int channels);

// Moving statistics as the layer keeps them, with a bound of what float32 may have added to them.
struct Moving {
    explicit Moving(int channels);
    void update(const Statistics &batch, double momentum);
    std::vector<double> mean, variance, mean_bound, variance_bound;
};

// The value that came closest to its bound, or went beyond it by most.
struct Check {
    std::string what, formula;
    int64_t values = 0;
    double error = 0, bound = 1;

    double share() const { return error / bound; }
    bool holds() const { return share() <= 1; }  // false for NaN too
    void compare(double actual, double expected, double allowed);
};

constexpr double epsilon = 1e-5, unit = 0x1p-24;  // unit: half of float32's machine epsilon

// Bounds in units of `unit`, as docs/semantics.md promises them.
double y_bound(double y);  // 16 u (1 + |y|)
double mean_bound(double mean, double deviation);
double variance_bound(double variance);  // 16 u variance: 1e-6 of it

// Compares y with (x - mean) / sqrt(variance + epsilon).
void compare_normalized(const float *x, const float *y, int64_t n, const Statistics &statistics,
                        Check *check);

}  // namespace digits
