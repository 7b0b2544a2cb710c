#include "network/sgd.h"

#include <gtest/gtest.h>

namespace {

using namespace digits;
using halnorm::Regularizer;

// Every number here is a sum of few powers of two, so that the results are exact.
struct Subject {
    double values[2] = {4, -2};
    double gradient[2] = {1, 0.5};
    halnorm::ParamAttr attr;

    Parameter<double> parameter() { return {values, gradient, 2, attr}; }
};

void expect_values(const Subject &subject, double first, double second) {
    EXPECT_EQ(subject.values[0], first);
    EXPECT_EQ(subject.values[1], second);
}

TEST(DigitsSgd, velocity_keeps_its_momentum) {
    Subject s;
    SgdOptions options;
    options.momentum = 0.5;
    Sgd<double> sgd(options, {s.parameter()});
    sgd.step(1);
    expect_values(s, 4 - 1, -2 - 0.5);
    sgd.step(1);
    expect_values(s, 4 - 1 - 1.5, -2 - 0.5 - 0.75);
}

TEST(DigitsSgd, learning_rate_of_the_parameter_multiplies) {
    Subject s;
    s.attr.learning_rate = 0.25;
    Sgd<double>({}, {s.parameter()}).step(2);
    expect_values(s, 4 - 0.5, -2 - 0.25);
}

TEST(DigitsSgd, regularizer_of_the_parameter_replaces_the_optimizers) {
    SgdOptions options;
    options.regularizer = Regularizer::l2;
    options.regularizer_coefficient = 0.5;
    Subject of_optimizer, l1, none;
    l1.attr.regularizer = Regularizer::l1;
    l1.attr.regularizer_coefficient = 0.25;
    none.attr.regularizer = Regularizer::l2;
    Sgd<double>(options, {of_optimizer.parameter(), l1.parameter(), none.parameter()}).step(1);
    expect_values(of_optimizer, 4 - (1 + 2), -2 - (0.5 - 1));
    expect_values(l1, 4 - (1 + 0.25), -2 - (0.5 - 0.25));
    expect_values(none, 4 - 1, -2 - 0.5);
}

TEST(DigitsSgd, what_is_not_trainable_stays_and_counts_for_nothing) {
    SgdOptions options;
    options.clip_norm = 2.5;
    Subject fixed, s;
    fixed.attr.trainable = false;
    fixed.gradient[0] = 1e10;
    s.gradient[0] = 3, s.gradient[1] = 4;
    Sgd<double>(options, {fixed.parameter(), s.parameter()}).step(1);
    expect_values(fixed, 4, -2);
    expect_values(s, 4 - 1.5, -2 - 2);
}

TEST(DigitsSgd, clips_by_the_norm_of_all_that_want_it) {
    SgdOptions options;
    options.clip_norm = 2.5;
    Subject a, b, unclipped;
    a.gradient[0] = 3, a.gradient[1] = 0;
    b.gradient[0] = 0, b.gradient[1] = 4;
    unclipped.gradient[0] = 64;
    unclipped.attr.need_clip = false;
    Sgd<double>(options, {a.parameter(), b.parameter(), unclipped.parameter()}).step(1);
    expect_values(a, 4 - 1.5, -2);
    expect_values(b, 4, -2 - 2);
    expect_values(unclipped, 4 - 64, -2 - 0.5);
}

TEST(DigitsSgd, does_not_clip_what_is_short) {
    SgdOptions options;
    options.clip_norm = 5;
    Subject s;
    s.gradient[0] = 3, s.gradient[1] = 4;
    Sgd<double>(options, {s.parameter()}).step(1);
    expect_values(s, 4 - 3, -2 - 4);
}

}  // namespace
