#include "fuzz.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <iterator>
#include <math.h>
#include <stdlib.h>

#include "executors.h"
#include "tolerance.h"
#include "variants.h"

namespace fuzz {
namespace {

using namespace test;

const std::vector<std::string> &processor_variants() {
    static const std::vector<std::string> names = [] {
        std::vector<std::string> some;
        for (const std::string &name : supported_variants()) {
            if (!runs_on_a_device(name))
                some.push_back(name);
        }
        return some;
    }();
    return names;
}

}  // namespace

void start() {
    unsetenv("HALNORM_VARIANT");
    unsetenv("HALNORM_VERBOSE");
    testing::GTEST_FLAG(break_on_failure) = true;
}

void take_setting(Input &in, Setting *s) {
    static ReverseExecutor reverse;
    s->variant = in.one_of(processor_variants());
    s->layout = in.one_of({HALNORM_NCHW, HALNORM_NHWC});
    s->dtype = in.one_of({HALNORM_FLOAT32, HALNORM_FLOAT64});
    // Small ones mostly, and rows and channels around those lengths at which something is cut.
    constexpr int64_t most = 1500;
    s->c = in.flag() ? in.number(1, 70) : in.one_of<int64_t>({1, 2, 3, 4, 64, 257, 1025, 1040});
    s->s = in.flag() ? in.number(1, 70) : in.one_of<int64_t>({1, 2, 49, 64, 196, 1024, 1025, 2500});
    if (s->c * s->s > most)
        s->s = most / s->c;
    s->n = in.number(1, std::max<int64_t>(1, std::min<int64_t>(40, most / (s->c * s->s))));
    s->rank = static_cast<int>(in.number(s->s == 1 ? 2 : 3, 5));
    s->gamma = in.flag();
    s->beta = in.flag();
    s->placement.guard = in.one_of({Guard::after, Guard::before});
    s->placement.offset = static_cast<int>(in.number(0, 5));
    s->activation = static_cast<halnorm_activation>(in.number(0, HALNORM_ACT_COUNT - 1));
    s->alpha = in.flag() ? static_cast<double>(NAN) : static_cast<double>(in.number(-64, 64)) / 32;
    s->epsilon = in.one_of({1e-5, 1e-3, 0.0, 1.0, 1e-12});
    s->momentum = in.flag() ? 0.9 : static_cast<double>(in.number(-64, 64)) / 32;
    s->estimator = in.one_of({HALNORM_VARIANCE_POPULATION, HALNORM_VARIANCE_SAMPLE});
    s->threads = in.one_of({1, 1, 1, 1, 1, 2, 3, 0});
    s->executor = in.number(0, 7) == 1 ? reverse.get() : nullptr;
    s->stores = in.one_of(
        {HALNORM_STORES_AUTOMATIC, HALNORM_STORES_STREAMING, HALNORM_STORES_ORDINARY});
}

Spread take_spread(Input &in, const Setting &s) {
    const Spread spread = in.one_of(
        {Spread::dense, Spread::channel_gap, Spread::image_gap, Spread::channels_last});
    // NHWC over NCHW memory folds for one image only.
    const bool folds = spread != Spread::channels_last || s.layout == HALNORM_NCHW || s.n == 1;
    return folds ? spread : Spread::dense;
}

std::vector<int64_t> take_cuts(Input &in, const Setting &s) {
    if (in.number(0, 3) != 3)
        return {};
    const int64_t first = in.number(0, s.n), second = in.number(first, s.n);
    return {0, first, second, s.n};
}

Values::Values(Input &in, halnorm_dtype dtype, bool special, bool near)
    : dtype_(dtype), special_(special), center_(in.one_of({0.0, 1.0, -3.0, 100.0, -10000.0})),
      step_(in.one_of({0x1p-4, 0x1p-12, 0x1p+4, 1.0, 0.1})) {
    center_ = near ? 0 : center_ * step_ * 16;
    bytes_ = in.ConsumeRemainingBytes<uint8_t>();
}

// The bytes over and over, each time as other numbers.
unsigned Values::byte() {
    if (bytes_.empty())
        return 0;
    const size_t i = next_++;
    return (bytes_[i % bytes_.size()] + static_cast<unsigned>(i / bytes_.size()) * 41) & 255;
}

bool Values::is_special(unsigned byte, double *value) const {
    const double least = least_subnormal(dtype_), normal = least_normal(dtype_);
    const double list[] = {NAN, INFINITY, -INFINITY, -0.0, least, -least, normal, 0x1p-60};
    const bool is = special_ && byte >= 128 - std::size(list) && byte < 128;
    if (is)
        *value = list[127 - byte];
    return is;
}

double Values::next(size_t channel) {
    const unsigned b = byte();
    double value = 0;
    if (is_special(b, &value))
        return value;
    const int steps = static_cast<int8_t>(b);
    // 1e4 deviations and more, where the others are of a few steps.
    const double distance = steps == -128 ? 0x1p+16 : steps == -127 ? -0x1p+12 : steps;
    return center_ * static_cast<double>(1 + channel % 3) + distance * step_;
}

double Values::small() {
    const unsigned b = byte();
    double value = 0;
    return is_special(b, &value) ? value : static_cast<int8_t>(b) / 32.0;
}

double Values::variance() {
    const unsigned b = byte();
    double value = 0;
    return is_special(b, &value) ? value : b / 32.0;
}

}  // namespace fuzz
