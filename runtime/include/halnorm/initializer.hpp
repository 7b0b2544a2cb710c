// initializer.hpp: how a vector of the layer starts. Part of halnorm.hpp.
//
// The same bits on every platform: random numbers are SplitMix64's, a uniform one is its upper 53
// bits, and normal ones come from Karney's algorithm N, which compares uniform numbers and calls
// neither log nor cos. What remains is IEEE addition, multiplication, division and square root in
// double, each rounded by itself, and at the end one rounding to the layer's dtype: a float32 layer
// has the rounded values of a float64 layer.
#ifndef HALNORM_INITIALIZER_HPP_
#define HALNORM_INITIALIZER_HPP_

#include <cfloat>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "halnorm/failure.hpp"

namespace halnorm {
inline namespace v0 {

// How a vector of C = num_channels elements starts. Made by the functions below, for
// options.param_attr and options.bias_attr; BatchNorm::create() checks it and refuses what is out
// of range with HALNORM_ERROR_PARAMETER, and values that are NULL or not C with HALNORM_ERROR_NULL
// or HALNORM_ERROR_SHAPE.
//
// A seed gives the same elements each time, and to every vector that has it; 0 is a seed like any
// other (Paddle's 0 asks for other numbers in each run).
struct Initializer {
    enum class Kind {
        standard,
        constant,
        uniform,
        normal,
        truncated_normal,
        xavier_uniform,
        xavier_normal,
        values
    };
    Kind kind = Kind::standard;  // weight and moving variance 1, bias and moving mean 0
    double a = 0, b = 0;         // constant: the value; uniform: low, high; normal: mean, std
    uint64_t seed = 0;
    const void *given = nullptr;  // values
    int64_t given_count = 0;
    halnorm_dtype given_dtype = HALNORM_FLOAT32;

    // All elements are `value`, which is finite in the layer's dtype.
    static Initializer constant(double value) { return make(Kind::constant, value, 0, 0); }
    // Evenly distributed from low to high; both finite, as is high - low, low <= high.
    static Initializer uniform(double low, double high, uint64_t seed = 0) {
        return make(Kind::uniform, low, high, seed);
    }
    // Normally distributed with that mean and standard deviation; both finite, std >= 0.
    static Initializer normal(double mean, double std, uint64_t seed = 0) {
        return make(Kind::normal, mean, std, seed);
    }
    // The same, drawn again where it is more than 2 std from the mean; the deviation that remains
    // is 0.8796 std.
    static Initializer truncated_normal(double mean, double std, uint64_t seed = 0) {
        return make(Kind::truncated_normal, mean, std, seed);
    }
    // Glorot and Bengio's: uniform between -+sqrt(6 / (fan_in + fan_out)), normal with std sqrt(2 /
    // (fan_in + fan_out)). fan_in and fan_out of a vector of length C are both C, as in Paddle.
    static Initializer xavier_uniform(uint64_t seed = 0) {
        return make(Kind::xavier_uniform, 0, 0, seed);
    }
    static Initializer xavier_normal(uint64_t seed = 0) {
        return make(Kind::xavier_normal, 0, 0, seed);
    }
    // A copy of `count` values, which has to be C; they are read by create() and may be anything.
    // Those of another dtype than the layer's are converted.
    static Initializer values(const float *values, int64_t count) {
        return make_values(values, count, HALNORM_FLOAT32);
    }
    static Initializer values(const double *values, int64_t count) {
        return make_values(values, count, HALNORM_FLOAT64);
    }

    // Whether fill() can make `count` elements of `dtype`. `argument` is whose initializer this is,
    // for the message: "param_attr".
    Status check(const char *argument, int64_t count, halnorm_dtype dtype) const;

    // Writes the elements; a standard start is `standard` everywhere. check() has to have passed.
    template<typename T>
    void fill(T *elements, int64_t count, double standard) const;

private:
    static Initializer make(Kind kind, double a, double b, uint64_t seed) {
        Initializer result;
        result.kind = kind;
        result.a = a;
        result.b = b;
        result.seed = seed;
        return result;
    }
    static Initializer make_values(const void *values, int64_t count, halnorm_dtype dtype) {
        Initializer result;
        result.kind = Kind::values;
        result.given = values;
        result.given_count = count;
        result.given_dtype = dtype;
        return result;
    }
};

// ---- Implementation
// -------------------------------------------------------------------------------------------------

namespace detail {

// Steele, Lea and Flood's SplitMix64 (OOPSLA 2014).
class Random {
public:
    explicit Random(uint64_t seed) : state_(seed) {}

    uint64_t bits() {
        uint64_t z = state_ += 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }

    // In [0, 1).
    double uniform() { return static_cast<double>(bits() >> 11) * (1.0 / 9007199254740992.0); }

    // C. F. F. Karney, Sampling exactly from the normal distribution (ACM TOMS 42, 2016),
    // algorithm N: |z| is k + x, the whole part accepted with exp(-k^2 / 2), the fraction with
    // exp(-x (2 k + x) / 2).
    double normal() {
        for (;;) {
            int k = 0;
            while (happens_with_exp_of_minus(0.5))
                k++;
            bool accepted = true;
            for (int i = k * (k - 1); accepted && i > 0; i--)
                accepted = happens_with_exp_of_minus(0.5);
            if (!accepted)
                continue;
            const double x = uniform();
            const double step = x * (2 * k + x) / (2 * k + 2);  // at most 1
            for (int i = k + 1; accepted && i > 0; i--)
                accepted = happens_with_exp_of_minus(step);
            if (accepted)
                return bits() >> 63 != 0 ? -(k + x) : k + x;
        }
    }

private:
    // True with probability exp(-p), 0 <= p <= 1: von Neumann's. Of p > u1 > u2 > ... the run has
    // length n or more with probability p^n / n!, so that it ends at an even length with exp(-p).
    bool happens_with_exp_of_minus(double p) {
        bool even = true;
        for (double u = uniform(); u < p; even = !even) {
            p = u;
            u = uniform();
        }
        return even;
    }

    uint64_t state_;
};

// volatile: a compiler may not make one instruction of it (fma), which rounds differently.
inline double rounded_product(double a, double b) {
    const volatile double product = a * b;
    return product;
}

}  // namespace detail

inline Status Initializer::check(const char *argument, int64_t count, halnorm_dtype dtype) const {
    const double largest = dtype == HALNORM_FLOAT32 ? static_cast<double>(FLT_MAX) : DBL_MAX;
    const auto check_value = [&](const char *name, double value) -> Status {
        if (std::fabs(value) <= largest)  // false for NaN
            return {};
        return detail::failure(HALNORM_ERROR_PARAMETER,
                               "%s.initializer: %s was %g, should be finite in %s", argument, name,
                               value, dtype == HALNORM_FLOAT32 ? "float32" : "float64");
    };
    const auto check_values = [&](const char *first, const char *second) {
        const Status status = check_value(first, a);
        return status.ok() ? check_value(second, b) : status;
    };
    switch (kind) {
    case Kind::standard:
    case Kind::xavier_uniform:
    case Kind::xavier_normal:
        return {};
    case Kind::constant:
        return check_value("value", a);
    case Kind::uniform: {
        const Status status = check_values("low", "high");
        if (!status.ok())
            return status;
        if (a > b) {
            return detail::failure(HALNORM_ERROR_PARAMETER,
                                   "%s.initializer: low was %g, should be at most high, %g",
                                   argument, a, b);
        }
        if (!(b - a <= DBL_MAX)) {
            return detail::failure(HALNORM_ERROR_PARAMETER,
                                   "%s.initializer: high - low was infinite, should be finite",
                                   argument);
        }
        return {};
    }
    case Kind::normal:
    case Kind::truncated_normal: {
        const Status status = check_values("mean", "std");
        if (!status.ok())
            return status;
        if (b < 0) {
            return detail::failure(HALNORM_ERROR_PARAMETER,
                                   "%s.initializer: std was %g, should be at least 0", argument, b);
        }
        return {};
    }
    case Kind::values:
        if (given == nullptr) {
            return detail::failure(HALNORM_ERROR_NULL,
                                   "%s.initializer: values was NULL, should point to %lld values",
                                   argument, static_cast<long long>(count));
        }
        if (given_count != count) {
            return detail::failure(
                HALNORM_ERROR_SHAPE,
                "%s.initializer: values was of length %lld, should be of num_channels, %lld",
                argument, static_cast<long long>(given_count), static_cast<long long>(count));
        }
        if (given_dtype != HALNORM_FLOAT32 && given_dtype != HALNORM_FLOAT64) {
            return detail::failure(
                HALNORM_ERROR_DTYPE,
                "%s.initializer: dtype of values was %d, should be float32 or float64", argument,
                static_cast<int>(given_dtype));
        }
        return {};
    }
    return detail::failure(HALNORM_ERROR_PARAMETER,
                           "%s.initializer: kind was %d, should be one of Initializer::Kind",
                           argument, static_cast<int>(kind));
}

template<typename T>
void Initializer::fill(T *elements, int64_t count, double standard) const {
    constexpr halnorm_dtype dtype = sizeof(T) == sizeof(float) ? HALNORM_FLOAT32 : HALNORM_FLOAT64;
    if (kind == Kind::values && given_dtype == dtype) {  // bit for bit, NaN included
        std::memcpy(elements, given, static_cast<size_t>(count) * sizeof(T));
        return;
    }
    detail::Random random(seed);
    const auto uniform = [&](double low, double high) {
        const double value = low + detail::rounded_product(high - low, random.uniform());
        return value < high ? value : high;
    };
    const auto normal = [&](double mean, double std) {
        return mean + detail::rounded_product(std, random.normal());
    };
    const auto truncated_normal = [&](double mean, double std) {
        double z = random.normal();
        while (std::fabs(z) > 2)
            z = random.normal();
        return mean + detail::rounded_product(std, z);
    };
    const double fans = 2 * static_cast<double>(count);  // fan_in + fan_out
    for (int64_t i = 0; i < count; i++) {
        double value = standard;
        switch (kind) {
        case Kind::standard:
            break;
        case Kind::constant:
            value = a;
            break;
        case Kind::uniform:
            value = uniform(a, b);
            break;
        case Kind::normal:
            value = normal(a, b);
            break;
        case Kind::truncated_normal:
            value = truncated_normal(a, b);
            break;
        case Kind::xavier_uniform:
            value = uniform(-std::sqrt(6 / fans), std::sqrt(6 / fans));
            break;
        case Kind::xavier_normal:
            value = normal(0, std::sqrt(2 / fans));
            break;
        case Kind::values:
            value = given_dtype == HALNORM_FLOAT32 ?
                        static_cast<double>(static_cast<const float *>(given)[i]) :
                        static_cast<const double *>(given)[i];
            break;
        }
        elements[i] = static_cast<T>(value);
    }
}

}  // namespace v0
}  // namespace halnorm

#endif  // HALNORM_INITIALIZER_HPP_
