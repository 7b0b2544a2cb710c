// The backward pass against differences of the library's own forward pass, in float64, and what
// holds between its results whatever the data.
#include <gtest/gtest.h>
#include <math.h>

#include "backward_call.h"
#include "options.h"
#include "random.h"
#include "variants.h"

namespace {

using namespace test;

// sum(w * y) of the library's forward pass, over dense tensors of the setting's shape.
class Loss {
public:
    explicit Loss(const BackwardCase &s) : settings_(s), config_(s.config()) {
        const int64_t size = s.n * s.c * s.s;
        y_.resize(static_cast<size_t>(size));
        const Geometry g = geometry(s.layout, s.rank, s.n, s.c, s.s, Spread::dense);
        view_ = halnorm_dense_tensor(nullptr, HALNORM_FLOAT64, s.rank, g.shape.data());
        size_t bytes = 0;
        const auto query =
            s.batch ? halnorm_forward_training_workspace : halnorm_forward_inference_workspace;
        EXPECT_EQ(query(&config_, &view_, &bytes), HALNORM_OK) << halnorm_last_error();
        workspace_ =
            std::make_unique<Memory>(bytes, HALNORM_WORKSPACE_ALIGNMENT, Placement{}, output_fill);
    }

    struct Inputs {
        std::vector<double> x, z, gamma, beta, mean, variance, w;
    };

    double operator()(Inputs &in) {
        halnorm_tensor x = view_, y = view_, z = view_;
        x.data = in.x.data(), y.data = y_.data(), z.data = in.z.data();
        halnorm_status status;
        void *const work = workspace_->data();
        const size_t bytes = workspace_->bytes();
        if (settings_.batch && settings_.add) {
            status =
                halnorm_forward_training_add(&config_, &x, &z, in.gamma.data(), in.beta.data(),
                                             nullptr, nullptr, &y, nullptr, nullptr, work, bytes);
        } else if (settings_.batch) {
            status = halnorm_forward_training(&config_, &x, in.gamma.data(), in.beta.data(),
                                              nullptr, nullptr, &y, nullptr, nullptr, work, bytes);
        } else if (settings_.add) {
            status =
                halnorm_forward_inference_add(&config_, &x, &z, in.gamma.data(), in.beta.data(),
                                              in.mean.data(), in.variance.data(), &y, work, bytes);
        } else {
            status = halnorm_forward_inference(&config_, &x, in.gamma.data(), in.beta.data(),
                                               in.mean.data(), in.variance.data(), &y, work, bytes);
        }
        EXPECT_EQ(status, HALNORM_OK) << halnorm_last_error();
        long double sum = 0;
        for (size_t i = 0; i < y_.size(); i++)
            sum += static_cast<long double>(in.w[i]) * y_[i];
        return static_cast<double>(sum);
    }

private:
    BackwardCase settings_;
    halnorm_config config_;
    halnorm_tensor view_;
    std::unique_ptr<Memory> workspace_;
    std::vector<double> y_;
};

// The derivative of the loss by `parameter`, which is a number of `in`, from five points h apart:
// off by h^4 of the fifth derivative, and by the roundings of the loss over h.
double difference(Loss &loss, Loss::Inputs &in, double &parameter, double h) {
    const double middle = parameter;
    const auto at = [&](double offset) {
        parameter = middle + offset;
        const double value = loss(in);
        parameter = middle;
        return value;
    };
    return (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
}

class Gradients : public VariantTest {
protected:
    static BackwardCase any_case(const std::string &variant, uint64_t seed) {
        Random dice(seed);
        BackwardCase s;
        s.variant = variant;
        s.dtype = HALNORM_FLOAT64;
        s.layout = dice.below(2) == 0 ? HALNORM_NCHW : HALNORM_NHWC;
        s.rank = 2 + static_cast<int>(dice.below(4));
        s.c = 1 + static_cast<int64_t>(dice.below(4));
        s.n = 2 + static_cast<int64_t>(dice.below(4));
        s.s = s.rank == 2 ? 1 : 1 + static_cast<int64_t>(dice.below(8));
        s.activation = static_cast<halnorm_activation>(seed % HALNORM_ACT_COUNT);
        s.batch = seed / HALNORM_ACT_COUNT % 2 == 0;
        s.add = seed / (2 * HALNORM_ACT_COUNT) % 2 == 0;
        s.dz = s.add;
        s.epsilon = dice.below(2) == 0 ? 1e-5 : 1e-2;
        if (dice.below(3) == 0)
            s.alpha = dice.uniform(0.1, 1.5);
        return s;
    }

    // A step that moves xhat by about 1e-4, whatever the deviation.
    static constexpr double step = 1e-4;

    // Whether all arguments of act stay on their side of its corners while one number moves by two
    // steps: v moves by less than 10 of them, with factors of gamma, z and xhat up to 2.
    static bool corners_are_far(const BackwardCall &call) {
        const reference::Backward b = call.input();
        for (double v : backward(b).v) {
            for (const reference::Corner &corner : reference::corners(b.p.activation, b.p.alpha)) {
                if (fabs(v - corner.v) < 20 * step)
                    return false;
            }
        }
        return true;
    }
};

// 240 cases: every activation with batch or moving statistics, with a second addend or not, four
// times; once on a device, which takes 0.1 ms to begin a kernel. The difference is off by 1e-16 *
// (5th derivative) + 1e-15 / 1e-4 of sums of order 1, far below 1e-6.
TEST_P(Gradients, are_differences_of_the_forward_pass) {
    uint64_t cases = 240;
    if (options.reduced)
        cases = 30;
    else if (runs_on_a_device(GetParam()))
        cases = 60;
    for (uint64_t seed = 0; seed < cases; seed++) {
        const BackwardCase s = any_case(GetParam(), seed);
        SCOPED_TRACE(s.describe());
        auto call = std::make_unique<BackwardCall>(s, seed + 1);
        for (uint64_t again = 1000; !corners_are_far(*call); again += 1000) {
            ASSERT_LT(again, 200000u) << "no data far from the corners";
            call = std::make_unique<BackwardCall>(s, seed + again);
        }
        ASSERT_EQ(call->run(), HALNORM_OK) << halnorm_last_error();
        EXPECT_EQ(halnorm_last_variant(), s.variant);

        Loss loss(s);
        Loss::Inputs in;
        in.x = call->x.values();
        in.z = s.add ? call->z->values() : std::vector<double>();
        in.gamma = call->gamma.values();
        in.beta = call->beta.values();
        in.mean = call->mean.values();
        in.variance = call->inv_std.values();
        in.w = call->dy.values();
        const reference::Backward b = call->input();

        // Relative to what enters a channel's gradients: they may cancel, as dx does for two
        // elements.
        const auto expect = [&](const char *what, size_t i, size_t c, double actual,
                                double &parameter, double h, double factor) {
            double largest = 0;
            for (size_t k = 0; k < in.w.size(); k++) {
                if (b.x.channel_of(k) == c)
                    largest = fmax(largest, fabs(in.w[k]));
            }
            EXPECT_NEAR(actual, difference(loss, in, parameter, h), 1e-6 * largest * factor)
                << what << "[" << i << "], seed " << seed;
        };
        for (size_t i = 0; i < in.x.size(); i++) {
            const size_t c = b.x.channel_of(i);
            expect("dx", i, c, call->dx().get(i), in.x[i], step / b.inv_std[c],
                   fabs(b.p.gamma[c]) * b.inv_std[c]);
            if (s.add)
                expect("dz", i, c, call->dz().get(i), in.z[i], step, 1);
        }
        for (size_t c = 0; c < in.gamma.size(); c++) {
            expect("dgamma", c, c, call->dgamma.get(c), in.gamma[c], step, 1);
            expect("dbeta", c, c, call->dbeta.get(c), in.beta[c], step, 1);
        }
        if (HasFailure())
            return;
    }
}

// y does not change when a constant is added to x, and with epsilon 0 not when x is stretched:
// sum(dx) = 0, and sum(dx * xhat) = gamma * inv_std * dgamma * epsilon * inv_std^2.
TEST_P(Gradients, by_x_are_orthogonal_to_shifts_and_stretches) {
    for (halnorm_layout layout : {HALNORM_NCHW, HALNORM_NHWC}) {
        for (halnorm_dtype dtype : {HALNORM_FLOAT32, HALNORM_FLOAT64}) {
            for (halnorm_activation activation : {HALNORM_ACT_NONE, HALNORM_ACT_TANH}) {
                for (double epsilon : {0.0, 1e-5, 0.1}) {
                    BackwardCase s;
                    s.variant = GetParam();
                    s.layout = layout;
                    s.dtype = dtype;
                    s.activation = activation;
                    s.epsilon = epsilon;
                    s.n = 3, s.c = 17, s.s = 100;
                    BackwardCall call(s);
                    call.expect_reference();
                    const reference::Backward b = call.input();
                    std::vector<long double> sum(17, 0), stretch(17, 0);
                    std::vector<double> tolerance(17, 0);
                    for (size_t i = 0; i < call.x.size(); i++) {
                        const size_t c = b.x.channel_of(i);
                        const double dx = call.dx().get(i), xhat = call.expected.xhat[i];
                        sum[c] += dx;
                        stretch[c] += static_cast<long double>(dx) * xhat;
                        tolerance[c] += call.tolerance.dx[i] * (1 + fabs(xhat));
                    }
                    for (size_t c = 0; c < 17; c++) {
                        const double rest =
                            b.p.gamma[c] * pow(b.inv_std[c], 3) * call.expected.dgamma[c] * epsilon;
                        EXPECT_NEAR(static_cast<double>(sum[c]), 0, tolerance[c])
                            << s.describe() << " " << c;
                        EXPECT_NEAR(static_cast<double>(stretch[c]), rest, tolerance[c])
                            << s.describe() << " " << c;
                    }
                }
            }
        }
    }
}

// float32 data of mean 1e4: its gradients are as near as those of mean 0, in the same tolerance,
// whose only term with the mean is u * |mean| * inv_std = 6e-4 of an xhat.
TEST_P(Gradients, of_data_at_an_offset_are_as_good) {
    for (halnorm_layout layout : {HALNORM_NCHW, HALNORM_NHWC}) {
        const int64_t shapes[][3] = {{3, 8, 196}, {1, 8, 3136}, {33, 5, 49}, {1024, 17, 1}};
        for (const auto &shape : shapes) {
            for (halnorm_activation activation :
                 {HALNORM_ACT_NONE, HALNORM_ACT_TANH, HALNORM_ACT_RELU}) {
                for (double offset : {0.0, 1e4}) {
                    BackwardCase s;
                    s.variant = GetParam();
                    s.layout = layout;
                    s.n = shape[0], s.c = shape[1], s.s = shape[2];
                    s.rank = s.s == 1 ? 2 : 4;
                    if (options.reduced && s.n * s.c * s.s > 10000)
                        continue;
                    s.activation = activation;
                    BackwardCall call(s);
                    Random random(11);
                    std::vector<double> x;
                    for (size_t i = 0; i < call.x.size(); i++)
                        x.push_back(offset + random.normal());
                    call.forward(x);
                    call.expect_reference();
                }
            }
        }
    }
}

HALNORM_FOR_EACH_VARIANT(Gradients);

}  // namespace
