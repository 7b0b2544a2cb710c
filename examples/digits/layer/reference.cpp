#include "layer/reference.h"

#include <cmath>

#include "common/digits.h"

namespace digits {

Statistics statistics(const float *x, int64_t n, int channels) {
    const size_t count = static_cast<size_t>(channels);
    const double m = static_cast<double>(n * pixels);
    Statistics result{std::vector<double>(count), std::vector<double>(count)};
    const auto each = [&](const auto &visit) {
        const float *value = x;
        for (int64_t i = 0; i < n; i++) {
            for (size_t c = 0; c < count; c++) {
                for (int p = 0; p < pixels; p++)
                    visit(c, static_cast<double>(*value++));
            }
        }
    };
    each([&](size_t c, double value) { result.mean[c] += value; });
    for (double &mean : result.mean)
        mean /= m;
    each([&](size_t c, double value) {
        result.variance[c] += (value - result.mean[c]) * (value - result.mean[c]);
    });
    for (double &variance : result.variance)
        variance /= m;
    return result;
}

Moving::Moving(int channels)
    : mean(static_cast<size_t>(channels), 0), variance(mean.size(), 1), mean_bound(mean.size(), 0),
      variance_bound(mean.size(), 0) {}

void Moving::update(const Statistics &batch, double momentum) {
    for (size_t c = 0; c < mean.size(); c++) {
        mean[c] = mean[c] * momentum + batch.mean[c] * (1 - momentum);
        variance[c] = variance[c] * momentum + batch.variance[c] * (1 - momentum);
        // What was there fades, the batch's own error enters, and the result is rounded to float32.
        mean_bound[c] =
            mean_bound[c] * momentum +
            digits::mean_bound(batch.mean[c], std::sqrt(batch.variance[c])) * (1 - momentum) +
            unit * std::fabs(mean[c]);
        variance_bound[c] = variance_bound[c] * momentum +
                            digits::variance_bound(batch.variance[c]) * (1 - momentum) +
                            unit * variance[c];
    }
}

void Check::compare(double actual, double expected, double allowed) {
    const double difference = std::fabs(actual - expected);
    const bool first = values++ == 0, closer = difference / allowed <= share();
    if (!first && (closer || std::isnan(share())))
        return;
    error = difference;
    bound = allowed;
}

double y_bound(double y) {
    return 16 * unit * (1 + std::fabs(y));
}

double mean_bound(double mean, double deviation) {
    return 8 * unit * deviation + 2 * 0x1p-53 * std::fabs(mean);
}

double variance_bound(double variance) {
    return 16 * unit * variance;
}

void compare_normalized(const float *x, const float *y, int64_t n, const Statistics &s,
                        Check *check) {
    for (int64_t i = 0; i < n; i++) {
        for (size_t c = 0; c < s.mean.size(); c++) {
            const double deviation = std::sqrt(s.variance[c] + epsilon);
            for (int p = 0; p < pixels; p++) {
                const double expected = (static_cast<double>(*x++) - s.mean[c]) / deviation;
                check->compare(static_cast<double>(*y++), expected, y_bound(expected));
            }
        }
    }
}

}  // namespace digits
