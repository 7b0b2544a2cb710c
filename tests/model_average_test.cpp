// ModelAverage against a second writing of its formula, and its order of calls.
#include <gtest/gtest.h>
#include <math.h>
#include <memory>
#include <vector>

#include "halnorm/halnorm.hpp"
#include "halnorm/model_average.hpp"
#include "layers.h"
#include "random.h"

namespace {

using namespace test;
using halnorm::BatchNorm;
using halnorm::BatchNormOptions;
using halnorm::ModelAverage;
using halnorm::ModelAverageOptions;

ModelAverage averaging(double rate = 0.15, int64_t min = 10000, int64_t max = 10000) {
    ModelAverageOptions options;
    options.average_window_rate = rate;
    options.min_average_window = min;
    options.max_average_window = max;
    ModelAverage average;
    const halnorm::Status status = ModelAverage::create(options, &average);
    EXPECT_TRUE(status.ok()) << status.message;
    return average;
}

// All values of the past: the window is the present one and the one before it.
class Naive {
public:
    Naive(double rate, int64_t min, int64_t max) : rate_(rate), min_(min), max_(max) {}

    void step(double value) {
        all_.push_back(value);
        const auto updates = static_cast<double>(all_.size());
        const auto accumulated = static_cast<int64_t>(all_.size() - begin_);
        if (accumulated >= min_ &&
            static_cast<double>(accumulated) >= fmin(static_cast<double>(max_), updates * rate_)) {
            before_ = begin_;
            begin_ = all_.size();
            closed_++;
        }
    }
    double average() const {
        double sum = 0;
        for (size_t i = before_; i < all_.size(); i++)
            sum += all_[i];
        return sum / static_cast<double>(all_.size() - before_);
    }
    size_t size() const { return all_.size() - before_; }
    int closed() const { return closed_; }

private:
    const double rate_;
    const int64_t min_, max_;
    std::vector<double> all_;
    size_t before_ = 0, begin_ = 0;
    int closed_ = 0;
};

struct Window {
    double rate;
    int64_t min, max;
    int steps, closed;  // how often the window closes
};

class ModelAverageWindows : public testing::TestWithParam<Window> {};

TEST_P(ModelAverageWindows, AgreeWithTheNaiveSum) {
    const Window &w = GetParam();
    ModelAverage average = averaging(w.rate, w.min, w.max);
    Naive naive(w.rate, w.min, w.max);
    double wide = 0;
    float narrow = 0;
    ASSERT_TRUE(average.add("wide", &wide, 1).ok());
    ASSERT_TRUE(average.add("narrow", &narrow, 1).ok());
    Random random(static_cast<uint64_t>(w.steps));
    for (int i = 1; i <= w.steps; i++) {
        narrow = static_cast<float>(random.uniform(-1, 2));
        wide = static_cast<double>(narrow);
        ASSERT_TRUE(average.step().ok());
        naive.step(wide);
        if (i % 777 != 0 && i > 20 && i != w.steps)
            continue;
        const double kept = wide, wanted = naive.average();
        ASSERT_TRUE(average.apply().ok());
        // Each addition of numbers up to 2 rounds to within half an ulp of the sum.
        const double tolerance = 2 * static_cast<double>(naive.size()) * 0x1p-52;
        ASSERT_NEAR(wide, wanted, tolerance) << "after " << i;
        ASSERT_NEAR(static_cast<double>(narrow), wanted, tolerance + 0x1p-24 * fabs(wanted));
        ASSERT_TRUE(average.restore().ok());
        ASSERT_EQ(wide, kept);
        ASSERT_EQ(static_cast<double>(narrow), kept);
    }
    EXPECT_EQ(naive.closed(), w.closed);
}

INSTANTIATE_TEST_SUITE_P(, ModelAverageWindows,
                         testing::Values(Window{0.15, 10000, 10000, 40000, 4},
                                         Window{1, 20000, 50000, 70000, 2},
                                         Window{1, 3, 5, 100, 20}, Window{0, 1, 1, 10, 10},
                                         Window{0.15, 2, 10000, 1000, 31},
                                         Window{0.5, 10, 64, 2000, 34}));

TEST(ModelAverage, TakesWhatTheLayerSays) {
    const auto averaged = [](const BatchNormOptions &options) {
        BatchNorm layer = make(options);
        ModelAverage average = averaging();
        EXPECT_TRUE(average.add(layer).ok());
        const halnorm::Vector vectors[] = {layer.weight(), layer.bias(), layer.moving_mean(),
                                           layer.moving_variance()};
        const auto set = [&](float value) {
            for (const halnorm::Vector &v : vectors) {
                for (int64_t c = 0; c < v.size; c++)
                    v.as<float>()[c] = value + static_cast<float>(c);
            }
        };
        set(1);
        EXPECT_TRUE(average.step().ok());
        set(4);
        EXPECT_TRUE(average.step().ok());
        set(16);
        EXPECT_TRUE(average.step().ok());
        BatchNorm moved = std::move(layer);
        (void)average.apply();  // nothing to average is an error
        std::string taken;
        for (const halnorm::Vector &v : vectors)
            taken += v.data == nullptr ? '-' : v.as<float>()[1] == 8 ? '1' : '0';
        EXPECT_EQ(average.restore().ok(), taken.find('1') != std::string::npos);
        for (const halnorm::Vector &v : vectors)
            EXPECT_EQ(v.data == nullptr ? 17 : v.as<float>()[1], 17);
        return taken;
    };
    BatchNormOptions options = with_channels(2);
    EXPECT_EQ(averaged(options), "1111");
    options.param_attr.do_model_average = false;
    EXPECT_EQ(averaged(options), "0111");
    options.bias_attr = false;
    EXPECT_EQ(averaged(options), "0-11");
    options.do_model_average_for_mean_and_var = false;
    EXPECT_EQ(averaged(options), "0-00");
    options.param_attr.do_model_average = true;
    EXPECT_EQ(averaged(options), "1-00");
}

TEST(ModelAverage, RestoresBits) {
    ModelAverage average = averaging();
    float values[2] = {NAN, -0.0f};
    const std::vector<float> before(values, values + 2);
    ASSERT_TRUE(average.add("values", values, 2).ok());
    ASSERT_TRUE(average.step().ok());
    ASSERT_TRUE(average.apply().ok());
    EXPECT_TRUE(isnan(values[0]));
    values[1] = 3;
    ASSERT_TRUE(average.restore().ok());
    EXPECT_TRUE(same_bits(before, std::vector<float>(values, values + 2)));
}

TEST(ModelAverage, CallsOutOfOrderAreRefusedAndChangeNothing) {
    ModelAverage average = averaging();
    expect_refused(average.apply(), HALNORM_ERROR_PARAMETER, {"without parameters"});
    double value = 1, late = 5;
    ASSERT_TRUE(average.add("value", &value, 1).ok());
    expect_refused(average.apply(), HALNORM_ERROR_PARAMETER, {"value: ", "before any step"});
    expect_refused(average.restore(), HALNORM_ERROR_PARAMETER, {"not applied"});
    ASSERT_TRUE(average.step().ok());
    value = 3;
    ASSERT_TRUE(average.add("late", &late, 1).ok());
    expect_refused(average.apply(), HALNORM_ERROR_PARAMETER, {"late: ", "before any step"});
    EXPECT_EQ(value, 3);
    ASSERT_TRUE(average.step().ok());
    late = 9;
    ASSERT_TRUE(average.step().ok());
    ASSERT_TRUE(average.apply().ok());
    EXPECT_TRUE(average.is_applied());
    EXPECT_EQ(value, (1. + 3 + 3) / 3);
    EXPECT_EQ(late, 7) << "(5 + 9) / 2: counts from the step after add()";
    expect_refused(average.apply(), HALNORM_ERROR_PARAMETER, {"applied at apply()"});
    expect_refused(average.step(), HALNORM_ERROR_PARAMETER, {"applied at step()"});
    double more = 0;
    expect_refused(average.add("more", &more, 1), HALNORM_ERROR_PARAMETER, {"applied at add()"});
    EXPECT_EQ(value, (1. + 3 + 3) / 3);
    ASSERT_TRUE(average.restore().ok());
    EXPECT_EQ(value, 3);
    expect_refused(average.restore(), HALNORM_ERROR_PARAMETER, {"not applied"});
}

TEST(ModelAverage, BadInputsAreRefused) {
    ModelAverage average = averaging(), same;
    const double nan = static_cast<double>(NAN), infinity = static_cast<double>(INFINITY);
    const struct {
        ModelAverageOptions options;
        const char *word;
    } cases[] = {
        {{nan, 1, 1}, "average_window_rate: was nan"},
        {{-0.1, 1, 1}, "average_window_rate: was -0.1"},
        {{infinity, 1, 1}, "average_window_rate: was inf"},
        {{0.1, 0, 1}, "min_average_window: was 0"},
        {{0.1, 2, 1}, "max_average_window: was 1, should be at least min_average_window, 2"},
    };
    for (const auto &bad : cases)
        expect_refused(ModelAverage::create(bad.options, &same), HALNORM_ERROR_PARAMETER,
                       {bad.word});
    EXPECT_FALSE(same);
    EXPECT_EQ(ModelAverage::create({}, nullptr).code, HALNORM_ERROR_NULL);

    float values[4] = {};
    expect_refused(average.add(nullptr, values, 1), HALNORM_ERROR_NULL, {"name"});
    expect_refused(average.add("v", static_cast<float *>(nullptr), 1), HALNORM_ERROR_NULL, {"v: "});
    expect_refused(average.add("v", values, 0), HALNORM_ERROR_SHAPE, {"v: count was 0"});
    expect_refused(average.add("v", values, -1), HALNORM_ERROR_SHAPE, {"v: count was -1"});
    expect_refused(average.add("v", values, INT64_MAX), HALNORM_ERROR_WORKSPACE, {"v: count"});
    ASSERT_TRUE(average.add("v", values + 1, 2).ok());
    expect_refused(average.add("w", values, 2), HALNORM_ERROR_OVERLAP, {"w: ", "memory of v"});
    expect_refused(average.add("w", values + 2, 1), HALNORM_ERROR_OVERLAP, {"w: "});
    EXPECT_TRUE(average.add("w", values, 1).ok());
    EXPECT_TRUE(average.add("w", values + 3, 1).ok());

    BatchNorm layer = make(with_channels(2)), empty;
    EXPECT_EQ(average.add(empty).code, HALNORM_ERROR_NULL);
    ASSERT_TRUE(average.add(layer).ok());
    EXPECT_EQ(average.add(layer).code, HALNORM_ERROR_OVERLAP);
    for (ModelAverage *none : {&same}) {
        EXPECT_EQ(none->add(layer).code, HALNORM_ERROR_NULL);
        EXPECT_EQ(none->step().code, HALNORM_ERROR_NULL);
        EXPECT_EQ(none->apply().code, HALNORM_ERROR_NULL);
        EXPECT_EQ(none->restore().code, HALNORM_ERROR_NULL);
    }
}

// A parameter that cannot be added takes none of the layer's.
TEST(ModelAverage, AddingALayerIsAllOrNothing) {
    BatchNorm layer = make(with_channels(2));
    ModelAverage average = averaging();
    ASSERT_TRUE(average.add("mean", layer.moving_mean().as<float>(), 2).ok());
    expect_refused(average.add(layer), HALNORM_ERROR_OVERLAP,
                   {layer.moving_mean().name, "memory of mean"});
    EXPECT_TRUE(average.add("weight", layer.weight().as<float>(), 2).ok());
}

TEST(ModelAverage, HoldsManyParameters) {
    std::vector<float> values(20000, 2);
    auto average = std::make_unique<ModelAverage>(averaging());
    for (size_t i = 0; i < 2000; i++)
        ASSERT_TRUE(average->add("value", &values[i * 10], 10).ok());
    ASSERT_TRUE(average->step().ok());
    ModelAverage moved = std::move(*average);
    average.reset();
    ASSERT_TRUE(moved.apply().ok());
    EXPECT_EQ(values, std::vector<float>(values.size(), 2));
}

}  // namespace
