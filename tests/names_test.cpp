// Names of vectors: generated or given, unique among the program's living layers; and the other
// fields of param_attr and bias_attr.
#include <gtest/gtest.h>
#include <math.h>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "halnorm/halnorm.hpp"
#include "layers.h"

namespace {

using namespace test;
using halnorm::BatchNorm;
using halnorm::BatchNormOptions;
using halnorm::ParamAttr;
using halnorm::Regularizer;

BatchNormOptions named(const char *weight) {
    BatchNormOptions options = with_channels(2);
    options.param_attr = weight;
    return options;
}

TEST(Names, AreTakenAsLongAsTheirLayerLives) {
    auto first = std::make_unique<BatchNorm>(make(named("names.w")));
    BatchNorm second;
    expect_refused(BatchNorm::create(named("names.w"), &second), HALNORM_ERROR_PARAMETER,
                   {"param_attr.name: was \"names.w\"", "living layer"});
    EXPECT_FALSE(second);
    BatchNormOptions elsewhere = with_channels(2);
    elsewhere.moving_variance_name = "names.w";
    expect_refused(BatchNorm::create(elsewhere, &second), HALNORM_ERROR_PARAMETER,
                   {"moving_variance_name: was \"names.w\""});

    BatchNorm moved = std::move(*first);  // a move keeps it
    first.reset();
    expect_refused(BatchNorm::create(named("names.w"), &second), HALNORM_ERROR_PARAMETER,
                   {"\"names.w\""});
    EXPECT_STREQ(moved.weight().name, "names.w");
    moved = BatchNorm();
    EXPECT_TRUE(BatchNorm::create(named("names.w"), &second).ok());
}

TEST(Names, OfALayerThatIsReplacedAreFree) {
    BatchNorm layer = make(named("replaced.w"));
    BatchNormOptions options = named(layer.weight().name);  // the text goes with the old layer
    EXPECT_TRUE(BatchNorm::create(options, &layer).ok());
    EXPECT_STREQ(layer.weight().name, "replaced.w");
    BatchNorm other;
    EXPECT_FALSE(BatchNorm::create(named("replaced.w"), &other).ok());
}

TEST(Names, OfLayersThatWereRefusedAreFree) {
    BatchNormOptions options = named("refused.w");
    options.bias_attr = halnorm::Initializer::uniform(1, 0);
    BatchNorm layer;
    EXPECT_FALSE(BatchNorm::create(options, &layer).ok());
    EXPECT_TRUE(BatchNorm::create(named("refused.w"), &layer).ok());
}

// Three layers in every order of their ends.
TEST(Names, AreFreedInAnyOrder) {
    const int orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    const char *const names[] = {"order.0", "order.1", "order.2"};
    for (const auto &order : orders) {
        BatchNorm layers[3], other;
        for (int i = 0; i < 3; i++)
            layers[i] = make(named(names[i]));
        for (int k = 0; k < 3; k++) {
            layers[order[k]] = BatchNorm();
            for (int i = 0; i < 3; i++) {
                const bool is_free = !layers[i];
                EXPECT_EQ(BatchNorm::create(named(names[i]), &other).ok(), is_free);
            }
            other = BatchNorm();
        }
    }
}

// A given name that a later layer would generate.
TEST(Names, GeneratedOnesAvoidGivenOnes) {
    unsigned number = 0;
    const std::string now = make(with_channels(1)).weight().name;
    ASSERT_EQ(sscanf(now.c_str(), "batch_norm_%u.w_0", &number), 1) << now;
    const std::string next = "batch_norm_" + std::to_string(number + 2) + ".b_0";
    BatchNorm given = make(named(next.c_str()));
    BatchNorm generated = make(with_channels(1));
    EXPECT_NE(generated.bias().name, next);

    // And within one layer.
    ASSERT_EQ(sscanf(generated.weight().name, "batch_norm_%u", &number), 1);
    const std::string own = "batch_norm_" + std::to_string(number + 1) + ".w_1";
    BatchNorm mixed = make(named(own.c_str()));
    EXPECT_EQ(mixed.weight().name, own);
    EXPECT_NE(mixed.moving_mean().name, own);
}

TEST(Names, AreUniqueAcrossThreads) {
    constexpr size_t users = 8, rounds = 200;
    std::vector<std::vector<BatchNorm>> layers(users);
    std::vector<int> owned(users);
    std::vector<std::thread> threads;
    for (size_t user = 0; user < users; user++) {
        threads.emplace_back([&, user] {
            for (size_t i = 0; i < rounds; i++) {
                BatchNorm generated, shared;
                if (BatchNorm::create(with_channels(1), &generated).ok() && i % 4 == 0)
                    layers[user].push_back(std::move(generated));
                owned[user] += BatchNorm::create(named("threads.w"), &shared).ok();
                if (shared && i + 1 == rounds)
                    layers[user].push_back(std::move(shared));
            }
        });
    }
    for (std::thread &thread : threads)
        thread.join();
    std::set<std::string> names;
    size_t count = 0;
    int ever = 0;
    for (size_t user = 0; user < users; user++) {
        ever += owned[user];
        for (BatchNorm &layer : layers[user]) {
            for (const halnorm::Vector &v :
                 {layer.weight(), layer.bias(), layer.moving_mean(), layer.moving_variance()}) {
                names.insert(v.name);
                count++;
            }
        }
    }
    EXPECT_EQ(names.size(), count);
    EXPECT_GT(ever, 0);
}

TEST(ParamAttr, AllFieldsAreKeptForAnOptimizer) {
    const float values[] = {5, 6};
    BatchNormOptions options = named("attr.w");
    options.param_attr.initializer = halnorm::Initializer::values(values, 2);
    options.param_attr.learning_rate = 0.5;
    options.param_attr.regularizer = Regularizer::l2;
    options.param_attr.regularizer_coefficient = 1e-4;
    options.param_attr.trainable = false;
    options.bias_attr.do_model_average = false;
    options.bias_attr.need_clip = false;
    options.do_model_average_for_mean_and_var = false;
    const BatchNorm layer = make(options);
    const ParamAttr &weight = layer.weight_attr(), &bias = layer.bias_attr();
    EXPECT_TRUE(weight.present);
    EXPECT_STREQ(weight.name, "attr.w");
    EXPECT_NE(weight.name, options.param_attr.name) << "a copy";
    EXPECT_EQ(weight.initializer.kind, halnorm::Initializer::Kind::values);
    EXPECT_EQ(weight.initializer.given, nullptr);
    EXPECT_EQ(weight.learning_rate, 0.5);
    EXPECT_EQ(weight.regularizer, Regularizer::l2);
    EXPECT_EQ(weight.regularizer_coefficient, 1e-4);
    EXPECT_FALSE(weight.trainable);
    EXPECT_TRUE(weight.do_model_average && weight.need_clip);
    EXPECT_EQ(bias.name, nullptr);
    EXPECT_EQ(bias.learning_rate, 1);
    EXPECT_EQ(bias.regularizer, Regularizer::none);
    EXPECT_FALSE(bias.do_model_average || bias.need_clip);
    EXPECT_TRUE(bias.trainable);
    EXPECT_FALSE(layer.do_model_average_for_mean_and_var());
}

TEST(ParamAttr, AbsentOnesSaySo) {
    BatchNormOptions options = with_channels(2);
    options.param_attr = false;
    BatchNorm layer = make(options);
    EXPECT_FALSE(layer.weight_attr().present);
    EXPECT_TRUE(layer.bias_attr().present);
    EXPECT_TRUE(layer.do_model_average_for_mean_and_var());
    const BatchNorm empty;
    EXPECT_FALSE(empty.weight_attr().present || empty.bias_attr().present);
    EXPECT_FALSE(empty.do_model_average_for_mean_and_var());
}

TEST(ParamAttr, BadFieldsAreRefused) {
    const struct {
        std::vector<std::string> words;
        void (*change)(ParamAttr &);
    } cases[] = {
        {{"learning_rate: was nan"},
         [](ParamAttr &a) { a.learning_rate = static_cast<double>(NAN); }},
        {{"learning_rate: was inf"},
         [](ParamAttr &a) { a.learning_rate = static_cast<double>(INFINITY); }},
        {{"learning_rate: was -1", "at least 0"}, [](ParamAttr &a) { a.learning_rate = -1; }},
        {{"regularizer_coefficient: was nan"},
         [](ParamAttr &a) { a.regularizer_coefficient = static_cast<double>(NAN); }},
        {{"regularizer_coefficient: was -0.5"},
         [](ParamAttr &a) { a.regularizer_coefficient = -0.5; }},
        {{"regularizer: was 7"}, [](ParamAttr &a) { a.regularizer = static_cast<Regularizer>(7); }},
        {{"name: was empty"}, [](ParamAttr &a) { a.name = ""; }},
        {{"name: was given to a vector that is absent"},
         [](ParamAttr &a) { a.name = "a", a.present = false; }},
    };
    for (const auto &bad : cases) {
        BatchNorm layer;
        BatchNormOptions options = with_channels(2);
        bad.change(options.param_attr);
        expect_refused(BatchNorm::create(options, &layer), HALNORM_ERROR_PARAMETER, bad.words);
        expect_refused(BatchNorm::create(options, &layer), HALNORM_ERROR_PARAMETER, {"param_attr"});
        options.param_attr = true;
        bad.change(options.bias_attr);
        expect_refused(BatchNorm::create(options, &layer), HALNORM_ERROR_PARAMETER, bad.words);
        expect_refused(BatchNorm::create(options, &layer), HALNORM_ERROR_PARAMETER, {"bias_attr"});
    }
}

}  // namespace
