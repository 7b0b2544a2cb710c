// The layer's backward pass: by which statistics, from x or y, in which memory, and what is
// refused. The gradients are compared with halnorm_backward called by hand, bit by bit, and with
// the reference in double.
#include <gtest/gtest.h>
#include <initializer_list>
#include <math.h>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "halnorm/halnorm.hpp"
#include "layers.h"
#include "random.h"
#include "reference.h"
#include "tolerance.h"

namespace {

using namespace test;
using halnorm::BatchNorm;
using halnorm::BatchNormOptions;
using halnorm::ConstVector;
using halnorm::Status;
using halnorm::Workspace;

constexpr int64_t channels = 5;

template<typename T>
std::vector<double> to_double(const std::vector<T> &values) {
    return {values.begin(), values.end()};
}

// A layer whose vectors are not what it starts with, and the tensors of one pass through it, of
// shape (n, channels, pixels) or (n, pixels, channels).
template<typename T>
struct Pass {
    BatchNormOptions options;
    BatchNorm layer;
    int64_t n, pixels;
    size_t elements = static_cast<size_t>(n * channels * pixels);
    std::vector<T> x = random(1), z = random(2), dy = random(3);
    std::vector<T> y = std::vector<T>(elements), dx = y, dz = y;

    explicit Pass(const BatchNormOptions &given = with_channels(channels), int64_t n_ = 3,
                  int64_t pixels_ = 7)
        : options(given), n(n_), pixels(pixels_) {
        options.dtype = dtype();
        layer = make(options);
        for (int64_t c = 0; c < channels; c++) {
            const T f = static_cast<T>(c);
            if (layer.weight().data != nullptr)
                layer.weight().as<T>()[c] = T(1.5) - T(0.625) * f;  // no 0, both signs
            if (layer.bias().data != nullptr)
                layer.bias().as<T>()[c] = T(0.125) * f;
            layer.moving_mean().as<T>()[c] = T(0.5) + T(0.0625) * f;
            layer.moving_variance().as<T>()[c] = 2 + T(0.5) * f;
        }
    }

    static halnorm_dtype dtype() {
        return sizeof(T) == sizeof(float) ? HALNORM_FLOAT32 : HALNORM_FLOAT64;
    }

    std::vector<T> random(uint64_t seed) const {
        Random numbers(seed);
        std::vector<T> values(elements);
        for (T &value : values)
            value = static_cast<T>(numbers.normal() + 0.5);
        return values;
    }

    halnorm_tensor view(std::vector<T> &values) const {
        return options.data_layout == HALNORM_NCHW ?
                   halnorm::tensor(values.data(), {n, channels, pixels}) :
                   halnorm::tensor(values.data(), {n, pixels, channels});
    }

    Status forward() { return layer.forward(view(x), view(y)); }
    Status forward_add() { return layer.forward_add(view(x), view(z), view(y)); }
    Status backward() { return layer.backward(view(x), view(dy), view(dx)); }
    Status backward_add() {
        return layer.backward_add(view(x), view(z), view(dy), view(dx), view(dz));
    }
};

struct Expected {
    bool batch = true;
    bool from_y = false;
    bool add = false;
};

halnorm_config config_of(const BatchNormOptions &options) {
    halnorm_config config = halnorm_default_config(options.num_channels);
    config.layout = options.data_layout;
    config.activation = options.act;
    config.activation_alpha = options.act_alpha;
    config.epsilon = options.epsilon;
    return config;
}

// The call of halnorm_backward that the layer should have made. pass.x holds what was passed as
// `saved`.
template<typename T>
void expect_as_by_hand(Pass<T> &pass, const Expected &e) {
    const halnorm_config config = config_of(pass.options);
    std::vector<T> dx(pass.elements), dz(pass.elements), dgamma(channels), dbeta(channels);
    const halnorm_tensor x = pass.view(pass.x), z = pass.view(pass.z), dy = pass.view(pass.dy),
                         dx_view = pass.view(dx), dz_view = pass.view(dz);
    halnorm_backward_args args = {};
    (e.from_y ? args.y : args.x) = &x;
    args.z = e.add ? &z : nullptr;
    args.dy = &dy;
    args.gamma = pass.layer.weight().data;
    args.beta = pass.layer.bias().data;
    if (e.batch) {
        args.saved_mean = pass.layer.saved_mean();
        args.saved_inv_std = pass.layer.saved_inv_std();
    } else {
        args.moving_mean = pass.layer.moving_mean().data;
        args.moving_variance = pass.layer.moving_variance().data;
    }
    args.dx = &dx_view;
    args.dz = e.add ? &dz_view : nullptr;
    args.dgamma = dgamma.data();
    args.dbeta = dbeta.data();
    size_t bytes = 0;
    Workspace workspace;
    ASSERT_EQ(halnorm_backward_workspace(&config, &args, &bytes), HALNORM_OK);
    ASSERT_TRUE(workspace.reserve(bytes).ok());
    ASSERT_EQ(halnorm_backward(&config, &args, workspace.data(), bytes), HALNORM_OK)
        << halnorm_last_error();
    EXPECT_TRUE(same_bits(pass.dx, dx));
    if (e.add) {
        EXPECT_TRUE(same_bits(pass.dz, dz));
    }
    if (pass.layer.weight_gradient().data != nullptr) {
        EXPECT_TRUE(same_bits(copy_of<T>(pass.layer.weight_gradient()), dgamma));
    }
    if (pass.layer.bias_gradient().data != nullptr) {
        EXPECT_TRUE(same_bits(copy_of<T>(pass.layer.bias_gradient()), dbeta));
    }
}

template<typename T>
void expect_all_close(const char *what, const std::vector<T> &actual,
                      const std::vector<double> &expected, const std::vector<double> &tolerance) {
    ASSERT_EQ(actual.size(), expected.size()) << what;
    for (size_t i = 0; i < actual.size(); i++) {
        const double value = static_cast<double>(actual[i]);
        EXPECT_TRUE(close(Pass<T>::dtype(), value, expected[i], tolerance[i]))
            << what << "[" << i << "] is " << value << ", should be " << expected[i];
    }
}

// Of x (or y) in double, with statistics that the reference takes from the x that went in.
template<typename T>
void expect_as_reference(Pass<T> &pass, const Expected &e, const std::vector<T> &x_before) {
    reference::Parameters p(channels);
    const auto set = [](std::vector<double> &values, const std::vector<T> &vector) {
        if (!vector.empty())
            values = to_double(vector);
    };
    set(p.gamma, copy_of<T>(pass.layer.weight()));
    set(p.beta, copy_of<T>(pass.layer.bias()));
    p.epsilon = pass.options.epsilon;
    p.activation = pass.options.act;
    p.alpha = isnan(pass.options.act_alpha) ? halnorm_activation_default_alpha(p.activation) :
                                              pass.options.act_alpha;
    reference::Backward b(p);
    b.x = reference::read(pass.view(pass.x), pass.options.data_layout);
    b.from_y = e.from_y;
    b.u = unit_roundoff(pass.dtype());
    b.dy = to_double(pass.dy);
    if (e.add)
        b.z = to_double(pass.z);
    b.batch = e.batch;
    const int64_t count = pass.n * pass.pixels;
    if (!e.batch) {
        b.mean = to_double(copy_of<T>(pass.layer.moving_mean()));
        b.inv_std = reference::inverse_deviations(
            to_double(copy_of<T>(pass.layer.moving_variance())), p.epsilon);
    } else {
        b.mean.assign(pass.layer.saved_mean(), pass.layer.saved_mean() + channels);
        b.inv_std.assign(pass.layer.saved_inv_std(), pass.layer.saved_inv_std() + channels);
    }
    if (e.batch && count > 1) {
        reference::Array before = b.x;
        before.values = to_double(x_before);
        const reference::Forward f = reference::forward_training(before, p);
        const double m = static_cast<double>(count);
        for (size_t c = 0; c < channels; c++) {
            EXPECT_NEAR(b.mean[c], f.saved_mean[c],
                        mean_absolute(pass.dtype(), m, f.saved_mean[c], 1 / f.saved_inv_std[c]));
            EXPECT_NEAR(b.inv_std[c], f.saved_inv_std[c],
                        f.saved_inv_std[c] * variance_relative(pass.dtype(), m));
        }
    }
    const reference::Gradients r = reference::backward(b);
    const BackwardTolerance t = backward_tolerance(pass.dtype(), b, r, count);
    expect_all_close("dx", pass.dx, r.dx, t.dx);
    if (e.add)
        expect_all_close("dz", pass.dz, r.g, t.dz);
    if (pass.layer.weight_gradient().data != nullptr)
        expect_all_close("dweight", copy_of<T>(pass.layer.weight_gradient()), r.dgamma, t.dgamma);
    if (pass.layer.bias_gradient().data != nullptr)
        expect_all_close("dbias", copy_of<T>(pass.layer.bias_gradient()), r.dbeta, t.dbeta);
}

template<typename T>
void expect_gradients(Pass<T> &pass, const Expected &e, const std::vector<T> &x_before) {
    expect_as_by_hand(pass, e);
    expect_as_reference(pass, e, x_before);
}
template<typename T>
void expect_gradients(Pass<T> &pass, const Expected &e) {
    expect_gradients(pass, e, pass.x);
}

BatchNormOptions with_activation(halnorm_activation act) {
    BatchNormOptions options = with_channels(channels);
    options.act = act;
    return options;
}

#define ASSERT_STATUS_OK(call)                                      \
    do {                                                            \
        const halnorm::Status status_of_call = (call);              \
        ASSERT_TRUE(status_of_call.ok()) << status_of_call.message; \
    } while (0)

// is_test x use_global_stats x trainable_statistics x whether the mode changes between the passes
class LayerBackwardStatistics : public testing::TestWithParam<std::tuple<bool, bool, bool, bool>> {
protected:
    template<typename T>
    void run() {
        const auto [is_test, use_global_stats, trainable_statistics, switched] = GetParam();
        const bool batch = use_global_stats ? false : is_test ? trainable_statistics : true;
        BatchNormOptions options = with_activation(HALNORM_ACT_TANH);
        options.is_test = is_test;
        options.use_global_stats = use_global_stats;
        options.trainable_statistics = trainable_statistics;
        Pass<T> pass(options);
        ASSERT_STATUS_OK(pass.forward());
        if (switched)
            is_test ? pass.layer.train() : pass.layer.eval();
        const std::vector<T> mean = copy_of<T>(pass.layer.moving_mean()),
                             variance = copy_of<T>(pass.layer.moving_variance());
        ASSERT_STATUS_OK(pass.backward());
        expect_gradients(pass, {batch});
        EXPECT_TRUE(same_bits(copy_of<T>(pass.layer.moving_mean()), mean));
        EXPECT_TRUE(same_bits(copy_of<T>(pass.layer.moving_variance()), variance));
    }
};

TEST_P(LayerBackwardStatistics, AreThoseOfTheForwardPass) {
    run<float>();
}
TEST_P(LayerBackwardStatistics, AreThoseOfTheForwardPassInFloat64) {
    run<double>();
}

INSTANTIATE_TEST_SUITE_P(, LayerBackwardStatistics,
                         testing::Combine(testing::Bool(), testing::Bool(), testing::Bool(),
                                          testing::Bool()));

TEST(LayerBackward, SecondWorkedCase) {
    for (const bool is_test : {false, true}) {
        BatchNormOptions options = with_channels(1);
        options.dtype = HALNORM_FLOAT64;
        options.is_test = is_test;
        BatchNorm layer = make(options);
        layer.weight().as<double>()[0] = 2;
        layer.moving_mean().as<double>()[0] = 0.5;
        layer.moving_variance().as<double>()[0] = 2;
        const double x[4] = {1, 2, 3, 4}, dy[4] = {1, 0, 0, 0};
        double y[4], dx[4];
        ASSERT_STATUS_OK(layer.forward(halnorm::tensor(x, {4, 1}), halnorm::tensor(y, {4, 1})));
        ASSERT_STATUS_OK(layer.backward(halnorm::tensor(x, {4, 1}), halnorm::tensor(dy, {4, 1}),
                                        halnorm::tensor(dx, {4, 1})));
        const double batch[4] = {0.536660608, -0.715536744, -0.178886869, 0.357763006},
                     moving[4] = {1.41421003, 0, 0, 0};
        for (int i = 0; i < 4; i++)
            EXPECT_NEAR(dx[i], is_test ? moving[i] : batch[i], 5e-9);
        EXPECT_NEAR(layer.weight_gradient().as<double>()[0], is_test ? 0.353552507 : -1.34163542,
                    5e-9);
        EXPECT_EQ(layer.bias_gradient().as<double>()[0], 1);
    }
}

TEST(LayerBackward, FollowsTheLastForward) {
    Pass<float> pass;
    for (const bool batch : {true, false, true}) {
        batch ? pass.layer.train() : pass.layer.eval();
        pass.x = pass.random(batch ? 11 : 12);
        ASSERT_STATUS_OK(pass.forward());
        ASSERT_STATUS_OK(pass.backward());
        expect_gradients(pass, {batch});
        const std::vector<float> once = copy_of<float>(pass.layer.weight_gradient());
        ASSERT_STATUS_OK(pass.backward());
        EXPECT_TRUE(same_bits(copy_of<float>(pass.layer.weight_gradient()), once))
            << "gradients are set, not added to";
    }
}

TEST(LayerBackward, InferIsNoForward) {
    Pass<float> pass;
    Workspace workspace;
    ASSERT_STATUS_OK(pass.layer.infer(pass.view(pass.x), pass.view(pass.y), workspace));
    expect_refused(pass.backward(), HALNORM_ERROR_PARAMETER, {"before forward"});
    ASSERT_STATUS_OK(pass.forward());
    ASSERT_STATUS_OK(pass.layer.infer(pass.view(pass.z), pass.view(pass.y), workspace));
    ASSERT_STATUS_OK(pass.backward());
    expect_gradients(pass, {});
}

TEST(LayerBackward, ARefusedForwardIsNone) {
    Pass<float> pass;
    EXPECT_EQ(pass.layer.forward(pass.view(pass.x)).code, HALNORM_ERROR_OVERLAP);
    expect_refused(pass.backward(), HALNORM_ERROR_PARAMETER, {"before forward"});
    ASSERT_STATUS_OK(pass.forward());
    EXPECT_EQ(pass.layer.forward(pass.view(pass.x)).code, HALNORM_ERROR_OVERLAP);
    ASSERT_STATUS_OK(pass.backward());
    expect_gradients(pass, {});
}

TEST(LayerBackward, AfterAMove) {
    Pass<float> pass;
    ASSERT_STATUS_OK(pass.forward());
    BatchNorm moved = std::move(pass.layer);
    EXPECT_EQ(pass.backward().code, HALNORM_ERROR_NULL);
    pass.layer = std::move(moved);
    ASSERT_STATUS_OK(pass.backward());
    expect_gradients(pass, {});
}

TEST(LayerBackward, OptionsReachTheCall) {
    BatchNormOptions options = with_activation(HALNORM_ACT_LEAKY_RELU);
    options.act_alpha = 0.25;
    options.epsilon = 0.5;
    options.data_layout = HALNORM_NHWC;
    options.variant = "generic";
    Pass<double> pass(options);
    ASSERT_STATUS_OK(pass.forward());
    ASSERT_STATUS_OK(pass.backward());
    EXPECT_STREQ(halnorm_last_variant(), "generic");
    expect_as_reference(pass, {}, pass.x);
}

TEST(LayerBackward, EveryActivation) {
    for (int act = 0; act < HALNORM_ACT_COUNT; act++) {
        SCOPED_TRACE(halnorm_activation_name(static_cast<halnorm_activation>(act)));
        Pass<float> pass(with_activation(static_cast<halnorm_activation>(act)));
        ASSERT_STATUS_OK(pass.forward());
        ASSERT_STATUS_OK(pass.backward());
        expect_gradients(pass, {});
    }
}

TEST(LayerBackward, GradientsStartAs0AndHaveTheVectorsNames) {
    Pass<double> pass;
    const BatchNorm &layer = pass.layer;
    const std::pair<ConstVector, ConstVector> pairs[] = {{layer.weight_gradient(), layer.weight()},
                                                         {layer.bias_gradient(), layer.bias()}};
    for (const auto &[gradient, vector] : pairs) {
        EXPECT_EQ(copy_of<double>(gradient), std::vector<double>(channels, 0));
        EXPECT_NE(gradient.data, vector.data);
        EXPECT_STREQ(gradient.name, vector.name);
        EXPECT_EQ(gradient.dtype, HALNORM_FLOAT64);
    }
}

// Which of weight and bias are there, and which are trainable.
TEST(LayerBackward, OnlyTrainableVectorsHaveGradients) {
    for (int bits = 0; bits < 16; bits++) {
        SCOPED_TRACE(bits);
        BatchNormOptions options = with_activation(HALNORM_ACT_SILU);
        options.param_attr.present = (bits & 1) == 0;
        options.param_attr.trainable = (bits & 2) == 0;
        options.bias_attr.present = (bits & 4) == 0;
        options.bias_attr.trainable = (bits & 8) == 0;
        Pass<float> pass(options);
        ASSERT_STATUS_OK(pass.forward());
        ASSERT_STATUS_OK(pass.backward());
        expect_gradients(pass, {});
        const ConstVector weight = pass.layer.weight_gradient(), bias = pass.layer.bias_gradient();
        EXPECT_EQ(weight.data != nullptr, (bits & 3) == 0);
        EXPECT_EQ(weight.size, (bits & 3) == 0 ? channels : 0);
        EXPECT_EQ(bias.data != nullptr, (bits & 12) == 0);
        EXPECT_EQ(bias.size, (bits & 12) == 0 ? channels : 0);
    }
}

TEST(LayerBackward, DxMayBeDy) {
    Pass<float> pass(with_activation(HALNORM_ACT_MISH));
    ASSERT_STATUS_OK(pass.forward());
    ASSERT_STATUS_OK(pass.backward());
    std::vector<float> dy = pass.dy;
    ASSERT_STATUS_OK(pass.layer.backward(pass.view(pass.x), pass.view(dy), pass.view(dy)));
    EXPECT_TRUE(same_bits(dy, pass.dx));
}

TEST(LayerBackward, WithoutDx) {
    for (const halnorm_activation act : {HALNORM_ACT_RELU, HALNORM_ACT_GELU}) {
        Pass<float> pass(with_activation(act));
        ASSERT_STATUS_OK(pass.forward());
        ASSERT_STATUS_OK(pass.backward());
        const std::vector<float> weight = copy_of<float>(pass.layer.weight_gradient()),
                                 bias = copy_of<float>(pass.layer.bias_gradient());
        std::vector<float> none(pass.elements);  // a dy whose gradients are 0
        ASSERT_STATUS_OK(pass.layer.backward(pass.view(pass.x), pass.view(none)));
        EXPECT_EQ(copy_of<float>(pass.layer.weight_gradient()), std::vector<float>(channels, 0));
        ASSERT_STATUS_OK(pass.layer.backward(pass.view(pass.x), pass.view(pass.dy)));
        EXPECT_TRUE(same_bits(copy_of<float>(pass.layer.weight_gradient()), weight));
        EXPECT_TRUE(same_bits(copy_of<float>(pass.layer.bias_gradient()), bias));
    }
}

TEST(LayerBackward, CumulativeAverageOnlyConcernsTheMovingStatistics) {
    BatchNormOptions options = with_channels(channels);
    options.cumulative_average = true;
    Pass<double> pass(options);
    for (int64_t k = 1; k <= 3; k++) {
        pass.x = pass.random(static_cast<uint64_t>(20 + k));
        ASSERT_STATUS_OK(pass.forward());
        ASSERT_STATUS_OK(pass.backward());
        expect_gradients(pass, {});
        EXPECT_EQ(pass.layer.batches(), k) << "backward is no batch";
    }
}

TEST(LayerBackward, OneElementPerChannel) {
    for (const halnorm_activation act : {HALNORM_ACT_NONE, HALNORM_ACT_RELU, HALNORM_ACT_TANH}) {
        Pass<double> pass(with_activation(act), 1, 1);
        ASSERT_STATUS_OK(pass.forward());
        ASSERT_STATUS_OK(pass.backward());
        expect_gradients(pass, {});
        EXPECT_EQ(copy_of<double>(pass.layer.weight_gradient()), std::vector<double>(channels, 0));
        EXPECT_EQ(copy_of<double>(pass.layer.bias_gradient()), std::vector<double>(channels, 0));
        if (act == HALNORM_ACT_NONE) {
            EXPECT_EQ(pass.dx, pass.dy);
        }
        pass.layer.eval();  // nothing special by moving statistics
        ASSERT_STATUS_OK(pass.forward());
        ASSERT_STATUS_OK(pass.backward());
        expect_gradients(pass, {false});
    }
}

TEST(LayerBackward, EmptyBatch) {
    for (const bool is_test : {false, true}) {
        BatchNormOptions options = with_activation(HALNORM_ACT_RELU);
        options.is_test = is_test;
        Pass<float> pass(options);
        ASSERT_STATUS_OK(pass.forward());
        ASSERT_STATUS_OK(pass.backward());
        EXPECT_NE(copy_of<float>(pass.layer.bias_gradient()), std::vector<float>(channels, 0));
        pass.n = 0;
        ASSERT_STATUS_OK(pass.forward());
        ASSERT_STATUS_OK(pass.backward());
        EXPECT_EQ(copy_of<float>(pass.layer.weight_gradient()), std::vector<float>(channels, 0));
        EXPECT_EQ(copy_of<float>(pass.layer.bias_gradient()), std::vector<float>(channels, 0));
    }
}

TEST(LayerBackward, OfAnEmptyLayer) {
    Pass<float> pass;
    pass.layer = BatchNorm();
    EXPECT_EQ(pass.backward().code, HALNORM_ERROR_NULL);
    EXPECT_EQ(pass.backward_add().code, HALNORM_ERROR_NULL);
    EXPECT_EQ(pass.layer.backward(pass.view(pass.x), pass.view(pass.dy)).code, HALNORM_ERROR_NULL);
    EXPECT_EQ(pass.layer.weight_gradient().data, nullptr);
    EXPECT_EQ(pass.layer.bias_gradient().data, nullptr);
}

// ---- In place: backward() from y

struct InPlaceCase {
    halnorm_activation act;
    double alpha;
};

template<typename T>
void expect_gradients_in_place(const InPlaceCase &c, bool is_test, bool dx_is_dy) {
    BatchNormOptions options = with_activation(c.act);
    options.act_alpha = c.alpha;
    options.in_place = true;
    options.is_test = is_test;
    Pass<T> pass(options);
    const std::vector<T> x = pass.x;
    ASSERT_STATUS_OK(pass.layer.forward(pass.view(pass.x)));
    ASSERT_FALSE(same_bits(pass.x, x));
    if (dx_is_dy) {
        pass.dx = pass.dy;
        ASSERT_STATUS_OK(
            pass.layer.backward(pass.view(pass.x), pass.view(pass.dx), pass.view(pass.dx)));
    } else {
        ASSERT_STATUS_OK(pass.backward());
    }
    expect_gradients(pass, {!is_test, true}, x);
}

TEST(LayerBackwardInPlace, FromY) {
    const double standard = static_cast<double>(NAN);
    const InPlaceCase cases[] = {{HALNORM_ACT_NONE, standard},
                                 {HALNORM_ACT_LEAKY_RELU, standard},
                                 {HALNORM_ACT_LEAKY_RELU, 0.5},
                                 {HALNORM_ACT_ELU, standard},
                                 {HALNORM_ACT_ELU, 2}};
    for (const InPlaceCase &c : cases) {
        for (const bool is_test : {false, true}) {
            for (const bool dx_is_dy : {false, true}) {
                SCOPED_TRACE(halnorm_activation_name(c.act));
                expect_gradients_in_place<float>(c, is_test, dx_is_dy);
                expect_gradients_in_place<double>(c, is_test, dx_is_dy);
            }
        }
    }
}

// The option allows it, the call does it: with memory of its own for y, x is there.
TEST(LayerBackwardInPlace, OnlyWhereTheForwardPassWas) {
    BatchNormOptions options = with_activation(HALNORM_ACT_RELU);
    options.in_place = true;
    Pass<float> pass(options);
    ASSERT_STATUS_OK(pass.forward());
    ASSERT_STATUS_OK(pass.backward());
    expect_gradients(pass, {});
}

template<typename T>
void expect_refused_and_untouched(Pass<T> &pass, halnorm_status code,
                                  const std::vector<std::string> &words) {
    const std::vector<T> weight = copy_of<T>(pass.layer.weight_gradient()),
                         bias = copy_of<T>(pass.layer.bias_gradient()), dx = pass.dx;
    expect_refused(pass.backward(), code, words);
    EXPECT_TRUE(same_bits(pass.dx, dx));
    EXPECT_TRUE(same_bits(copy_of<T>(pass.layer.weight_gradient()), weight));
    EXPECT_TRUE(same_bits(copy_of<T>(pass.layer.bias_gradient()), bias));
}

TEST(LayerBackwardInPlace, RefusesWhatHasNoInverse) {
    const double standard = static_cast<double>(NAN);
    const InPlaceCase cases[] = {{HALNORM_ACT_RELU, standard},   {HALNORM_ACT_SIGMOID, standard},
                                 {HALNORM_ACT_GELU, standard},   {HALNORM_ACT_LEAKY_RELU, 0},
                                 {HALNORM_ACT_LEAKY_RELU, -0.5}, {HALNORM_ACT_ELU, 0}};
    for (const InPlaceCase &c : cases) {
        const char *const name = halnorm_activation_name(c.act);
        SCOPED_TRACE(name);
        BatchNormOptions options = with_activation(c.act);
        options.act_alpha = c.alpha;
        options.in_place = true;
        Pass<float> pass(options);
        ASSERT_STATUS_OK(pass.forward());
        ASSERT_STATUS_OK(pass.backward());
        ASSERT_STATUS_OK(pass.layer.forward(pass.view(pass.x)));
        if (isnan(c.alpha))
            expect_refused_and_untouched(pass, HALNORM_ERROR_UNSUPPORTED,
                                         {std::string("was ") + name, "none, leaky_relu or elu"});
        else
            expect_refused_and_untouched(pass, HALNORM_ERROR_UNSUPPORTED,
                                         {"alpha", "should be more than 0"});
    }
}

TEST(LayerBackwardInPlace, RefusesAWeightOf0) {
    for (const bool is_test : {false, true}) {
        BatchNormOptions options = with_channels(channels);
        options.in_place = true;
        options.is_test = is_test;
        Pass<float> pass(options);
        pass.layer.weight().as<float>()[3] = 0;
        ASSERT_STATUS_OK(pass.forward());
        ASSERT_STATUS_OK(pass.backward());
        expect_gradients(pass, {!is_test});  // from x it is like any other
        ASSERT_STATUS_OK(pass.layer.forward(pass.view(pass.x)));
        expect_refused_and_untouched(pass, HALNORM_ERROR_PARAMETER, {"gamma[3] (weight): was 0"});
    }
}

// ---- Wrong order, wrong tensors

TEST(LayerBackward, BeforeForwardIsRefused) {
    Pass<float> pass;
    expect_refused_and_untouched(pass, HALNORM_ERROR_PARAMETER, {"backward", "before forward"});
    expect_refused(pass.backward_add(), HALNORM_ERROR_PARAMETER, {"before forward"});
}

TEST(LayerBackward, BelongsToItsForward) {
    Pass<float> pass;
    ASSERT_STATUS_OK(pass.forward());
    expect_refused(pass.backward_add(), HALNORM_ERROR_PARAMETER, {"backward_add", "forward_add"});
    ASSERT_STATUS_OK(pass.forward_add());
    expect_refused(pass.backward(), HALNORM_ERROR_PARAMETER, {"backward", "forward_add"});
    ASSERT_STATUS_OK(pass.backward_add());
}

TEST(LayerBackward, DyMayBeX) {
    Pass<float> pass;
    ASSERT_STATUS_OK(pass.forward());
    ASSERT_STATUS_OK(pass.layer.backward(pass.view(pass.x), pass.view(pass.x), pass.view(pass.dx)));
}

TEST(LayerBackward, NoMemoryIsNotInPlace) {
    BatchNormOptions options;
    options.num_channels = 3;
    options.act = HALNORM_ACT_RELU;
    BatchNorm layer;
    ASSERT_STATUS_OK(BatchNorm::create(options, &layer));
    const halnorm_tensor none = halnorm::tensor(static_cast<float *>(nullptr), {0, 3});
    ASSERT_STATUS_OK(layer.forward(none, none));
    ASSERT_STATUS_OK(layer.backward(none, none, none));
    ASSERT_STATUS_OK(layer.forward_add(none, none, none));
    ASSERT_STATUS_OK(layer.backward_add(none, none, none, none, none));
}

TEST(LayerBackward, AnotherShapeThanOfTheForwardPassIsRefused) {
    Pass<float> pass;
    ASSERT_STATUS_OK(pass.forward());
    ASSERT_STATUS_OK(pass.backward());
    for (const auto &[n, pixels] : {std::pair<int64_t, int64_t>{2, 7}, {3, 6}, {0, 7}}) {
        Pass<float> other(pass.options, n, pixels);
        other.layer = std::move(pass.layer);
        expect_refused_and_untouched(other, HALNORM_ERROR_SHAPE, {"saved.shape", "last forward"});
        pass.layer = std::move(other.layer);
    }
    const auto expect_rank_refused = [&](std::initializer_list<int64_t> shape) {
        expect_refused(pass.layer.backward(halnorm::tensor(pass.x.data(), shape),
                                           halnorm::tensor(pass.dy.data(), shape),
                                           halnorm::tensor(pass.dx.data(), shape)),
                       HALNORM_ERROR_SHAPE, {"saved.shape"});
    };
    expect_rank_refused({3, channels, 7, 1});
    expect_rank_refused({3, channels});
}

TEST(LayerBackward, BadTensorsAreRefusedAndNothingIsWritten) {
    for (const bool is_test : {false, true}) {
        BatchNormOptions options = with_channels(channels);
        options.is_test = is_test;
        Pass<float> pass(options);
        ASSERT_STATUS_OK(pass.forward());
        ASSERT_STATUS_OK(pass.backward());
        const std::vector<float> weight = copy_of<float>(pass.layer.weight_gradient()),
                                 dx_before = pass.dx;
        const halnorm_tensor x = pass.view(pass.x), dy = pass.view(pass.dy),
                             dx = pass.view(pass.dx);
        std::vector<double> wide(pass.elements);
        const halnorm_tensor float64 = halnorm::tensor(wide.data(), {3, channels, 7});
        halnorm_tensor smaller = dy, nowhere = dy, shifted = dy, device = x;
        smaller.shape[0] = 2;
        nowhere.data = nullptr;
        shifted.data = pass.dy.data() + 1;
        shifted.shape[0] = 2;
        device.device = HALNORM_CUDA;
        const auto expect = [&](halnorm_status code, const halnorm_tensor &a,
                                const halnorm_tensor &b, const halnorm_tensor &c) {
            const Status status = pass.layer.backward(a, b, c);
            EXPECT_EQ(status.code, code) << status.message;
            EXPECT_STRNE(status.message, "");
        };
        expect(HALNORM_ERROR_DTYPE, float64, float64, float64);
        expect(HALNORM_ERROR_DTYPE, x, float64, dx);
        expect(HALNORM_ERROR_DTYPE, x, dy, float64);
        expect(HALNORM_ERROR_SHAPE, x, smaller, dx);
        expect(HALNORM_ERROR_SHAPE, x, dy, smaller);
        expect(HALNORM_ERROR_NULL, nowhere, dy, dx);
        expect(HALNORM_ERROR_NULL, x, nowhere, dx);
        expect(HALNORM_ERROR_NULL, x, dy, nowhere);
        expect(HALNORM_ERROR_UNSUPPORTED, device, device, device);
        expect(HALNORM_ERROR_OVERLAP, x, dy, x);
        pass.n = 2;
        ASSERT_STATUS_OK(pass.forward());
        expect(HALNORM_ERROR_OVERLAP, pass.view(pass.x), pass.view(pass.dy), shifted);
        EXPECT_TRUE(same_bits(pass.dx, dx_before));
        EXPECT_TRUE(same_bits(copy_of<float>(pass.layer.weight_gradient()), weight));
    }
}

// ---- With a second addend

template<typename T>
void expect_gradients_of_addition() {
    for (const halnorm_activation act : {HALNORM_ACT_NONE, HALNORM_ACT_RELU, HALNORM_ACT_GELU}) {
        for (const bool is_test : {false, true}) {
            SCOPED_TRACE(halnorm_activation_name(act));
            BatchNormOptions options = with_activation(act);
            options.is_test = is_test;
            Pass<T> pass(options);
            ASSERT_STATUS_OK(pass.forward_add());
            is_test ? pass.layer.train() : pass.layer.eval();
            ASSERT_STATUS_OK(pass.backward_add());
            expect_gradients(pass, {!is_test, false, true});

            for (const bool dx_is_dy : {false, true}) {
                std::vector<T> over = pass.dy, other(pass.elements);
                const halnorm_tensor first = pass.view(over), second = pass.view(other);
                ASSERT_STATUS_OK(pass.layer.backward_add(pass.view(pass.x), pass.view(pass.z),
                                                         first, dx_is_dy ? first : second,
                                                         dx_is_dy ? second : first));
                EXPECT_TRUE(same_bits(dx_is_dy ? over : other, pass.dx));
                EXPECT_TRUE(same_bits(dx_is_dy ? other : over, pass.dz));
            }
        }
    }
}

TEST(LayerBackwardAdd, GivesBothGradients) {
    expect_gradients_of_addition<float>();
    expect_gradients_of_addition<double>();
}

TEST(LayerBackwardAdd, UpdatesAsForwardDoes) {
    Pass<float> one, other;
    ASSERT_STATUS_OK(one.forward());
    ASSERT_STATUS_OK(other.forward_add());
    EXPECT_TRUE(same_bits(copy_of<float>(one.layer.moving_mean()),
                          copy_of<float>(other.layer.moving_mean())));
    EXPECT_EQ(other.layer.batches(), 1);
    for (size_t i = 0; i < one.elements; i++) {
        const double sum = static_cast<double>(one.y[i]) + static_cast<double>(one.z[i]);
        EXPECT_NEAR(static_cast<double>(other.y[i]), sum,
                    64 * 0x1p-24 * (1 + fabs(static_cast<double>(one.y[i])) + fabs(sum)));
    }
}

TEST(LayerBackwardAdd, RefusesWhereXOrZIsGone) {
    for (const bool is_test : {false, true}) {
        for (const bool over_z : {false, true}) {
            BatchNormOptions options = with_channels(channels);
            options.is_test = is_test;
            Pass<float> pass(options);
            std::vector<float> &gone = over_z ? pass.z : pass.x;
            EXPECT_EQ(
                pass.layer.forward_add(pass.view(pass.x), pass.view(pass.z), pass.view(gone)).code,
                HALNORM_ERROR_OVERLAP)
                << "without options.in_place";
            pass.options.in_place = true;
            pass.layer = make(pass.options);
            ASSERT_STATUS_OK(
                pass.layer.forward_add(pass.view(pass.x), pass.view(pass.z), pass.view(gone)));
            const std::vector<float> before = pass.dx;
            expect_refused(pass.backward_add(), HALNORM_ERROR_UNSUPPORTED,
                           {"overwritten x or z", "memory of its own for y"});
            EXPECT_TRUE(same_bits(pass.dx, before));
            EXPECT_TRUE(same_bits(pass.dz, before));
            EXPECT_EQ(copy_of<float>(pass.layer.bias_gradient()), std::vector<float>(channels, 0));
        }
    }
}

TEST(LayerBackwardAdd, OneElementPerChannel) {
    Pass<double> pass(with_activation(HALNORM_ACT_TANH), 1, 1);
    ASSERT_STATUS_OK(pass.forward_add());
    ASSERT_STATUS_OK(pass.backward_add());
    expect_gradients(pass, {true, false, true});
    EXPECT_EQ(copy_of<double>(pass.layer.bias_gradient()), std::vector<double>(channels, 0));
}

}  // namespace
