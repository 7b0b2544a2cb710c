#include "call.h"

#include <sstream>

#include "compare.h"
#include "random.h"
#include "variants.h"

namespace test {
namespace {

// Means of channels. Where one is not finite, the order of the sum decides between NaN and an
// infinity.
template<typename Tolerance>
void expect_close_means(const char *what, const Tensor &actual, std::vector<double> expected,
                        Tolerance tolerance) {
    for (size_t c = 0; c < expected.size(); c++) {
        if (!isfinite(expected[c]) && !isfinite(actual.get(c)))
            expected[c] = actual.get(c);
    }
    expect_close(what, actual, expected, tolerance);
}

}  // namespace

const char *name(Pipeline pipeline) {
    switch (pipeline) {
    case Pipeline::inference:
        return "inference";
    case Pipeline::training:
        return "training";
    case Pipeline::statistics:
        return "statistics";
    }
    return "?";
}

const char *name(halnorm_layout layout) {
    return layout == HALNORM_NCHW ? "nchw" : "nhwc";
}

const char *name(halnorm_dtype dtype) {
    return dtype == HALNORM_FLOAT32 ? "f32" : "f64";
}

halnorm_config Setting::config() const {
    halnorm_config config = halnorm_default_config(c);
    config.layout = layout;
    config.activation = activation;
    config.activation_alpha = alpha;
    config.momentum = momentum;
    config.epsilon = epsilon;
    config.moving_variance_estimator = estimator;
    config.variant = variant.empty() ? nullptr : variant.c_str();
    config.threads = threads;
    config.executor = executor;
    config.stores = stores;
    return config;
}

double Setting::alpha_value() const {
    return isnan(alpha) ? halnorm_activation_default_alpha(activation) : alpha;
}

std::string Setting::describe() const {
    std::ostringstream text;
    text << variant << " " << name(layout) << " " << name(dtype) << " rank " << rank << " (n " << n
         << ", c " << c << ", s " << s << ")" << (gamma ? " gamma" : "") << (beta ? " beta" : "")
         << " gap " << gap << " guard " << (placement.guard == Guard::before ? "before" : "after")
         << " offset " << placement.offset << " " << halnorm_activation_name(activation)
         << " alpha " << alpha_value() << " epsilon " << epsilon << " threads " << threads
         << (stores == HALNORM_STORES_STREAMING ? " streaming" : "");
    return text.str();
}

std::string Case::describe() const {
    std::ostringstream text;
    text << name(pipeline) << (add ? " add " : " ") << Setting::describe() << " " << name(x_spread)
         << "->" << name(y_spread) << (in_place ? " in place" : "") << (over_z ? " over z" : "")
         << (moving ? "" : " no moving") << (saved ? "" : " not saved")
         << (cuts.empty() ? "" : " in parts " + testing::PrintToString(cuts));
    return text.str();
}

Call::Call(const Case &s, uint64_t seed)
    : settings(s), x(s.dtype, s.geometry_of(s.x_spread), s.placement,
                     s.in_place ? output_fill : input_fill),
      gamma(s.dtype, vector_of(s.c), s.placement, input_fill),
      beta(s.dtype, vector_of(s.c), s.placement, input_fill),
      moving_mean(s.dtype, vector_of(s.c), s.placement, output_fill),
      moving_variance(s.dtype, vector_of(s.c), s.placement, output_fill),
      saved_mean(HALNORM_FLOAT64, vector_of(s.c), s.placement, output_fill),
      saved_inv_std(HALNORM_FLOAT64, vector_of(s.c), s.placement, output_fill) {
    if (s.add) {
        z = std::make_unique<Tensor>(s.dtype, s.geometry_of(s.y_spread), s.placement,
                                     s.over_z ? output_fill : input_fill);
    }
    if (!s.in_place && !s.over_z && s.pipeline != Pipeline::statistics) {
        separate_y = std::make_unique<Tensor>(s.dtype, s.geometry_of(s.y_spread), s.placement,
                                              output_fill);
    }
    Random random(seed);
    std::vector<double> center, deviation;
    for (size_t c = 0; c < gamma.size(); c++) {
        center.push_back(random.uniform(-2, 2));
        deviation.push_back(random.uniform(0.5, 2));
        gamma.set(c, random.uniform(0.5, 2) * (random.below(4) == 0 ? -1 : 1));
        beta.set(c, random.uniform(-1, 1));
        moving_mean.set(c, random.uniform(-2, 2));
        moving_variance.set(c, random.uniform(0.5, 2));
    }
    shape().for_each([&](size_t i, size_t c) {
        x.set(i, center[c] + deviation[c] * random.uniform(-1.7, 1.7));
    });
    for (size_t i = 0; z && i < z->size(); i++)
        z->set(i, random.uniform(-2, 2));
}

reference::Parameters Call::parameters() const {
    reference::Parameters p(settings.c);
    if (settings.gamma)
        p.gamma = gamma.values();
    if (settings.beta)
        p.beta = beta.values();
    p.moving_mean = moving_mean.values();
    p.moving_variance = moving_variance.values();
    p.epsilon = settings.epsilon;
    p.momentum = settings.momentum;
    p.estimator = settings.estimator;
    p.activation = settings.activation;
    p.alpha = settings.alpha_value();
    return p;
}

reference::Array Call::input() const {
    return reference::read(x.view(), settings.layout);
}

reference::Array Call::shape() const {
    return reference::shape_of(x.view(), settings.layout);
}

void Call::remember() {
    input_ = input();
    parameters_ = std::make_unique<reference::Parameters>(parameters());
    z_ = z ? z->values() : std::vector<double>();
    x_before_ = x.bits();
    z_before_ = z ? z->bits() : x_before_;
    gamma_before_ = gamma.bits();
    beta_before_ = beta.bits();
    moving_before_[0] = moving_mean.bits();
    moving_before_[1] = moving_variance.bits();
    saved_before_[0] = saved_mean.bits();
    saved_before_[1] = saved_inv_std.bits();
    if (separate_y)
        separate_y->make_undefined();
}

halnorm_status Call::run_parts() {
    const halnorm_config c = config();
    const halnorm_tensor in = x.view(), out = y().view(), addend = z ? z->view() : in;
    const size_t channels = gamma.size(), parts = settings.cuts.size() - 1;
    const auto part = [&](const halnorm_tensor &t, size_t i) {
        return images(t, settings.cuts[i], settings.cuts[i + 1]);
    };
    const auto lend = [&](size_t bytes) {
        if (workspace_ != nullptr) {
            EXPECT_TRUE(workspace_->surroundings_intact()) << "written beside the workspace";
        }
        workspace_ = lend_workspace(bytes, settings.placement.guard);
        return bytes == 0 ? nullptr : workspace_->data();
    };
    std::vector<double> mean(channels, 0), m2(channels, 0), part_mean(channels), part_m2(channels);
    halnorm_status status = HALNORM_OK;
    size_t bytes = 0;
    count = 0;
    for (size_t i = 0; i < parts && status == HALNORM_OK; i++) {
        const halnorm_tensor p = part(in, i);
        int64_t part_count = -1;
        status = halnorm_statistics_workspace(&c, &p, &bytes);
        if (status == HALNORM_OK)
            status = halnorm_statistics(&c, &p, &part_count, part_mean.data(), part_m2.data(),
                                        lend(bytes), bytes);
        if (status == HALNORM_OK)
            status = halnorm_statistics_merge(settings.c, &count, mean.data(), m2.data(),
                                              part_count, part_mean.data(), part_m2.data());
    }
    for (size_t i = 0; i < parts && status == HALNORM_OK; i++) {
        moving_mean.set(
            parameters_->moving_mean);  // every machine has moving statistics of its own
        moving_variance.set(parameters_->moving_variance);
        const halnorm_tensor p = part(in, i), q = part(out, i), r = part(addend, i);
        status = halnorm_forward_apply_workspace(&c, &p, &bytes);
        if (status == HALNORM_OK) {
            status = halnorm_forward_apply(
                &c, &p, z ? &r : nullptr, count, mean.data(), m2.data(),
                settings.gamma ? gamma.data() : nullptr, settings.beta ? beta.data() : nullptr,
                settings.moving ? moving_mean.data() : nullptr,
                settings.moving ? moving_variance.data() : nullptr, &q,
                settings.saved ? static_cast<double *>(saved_mean.data()) : nullptr,
                settings.saved ? static_cast<double *>(saved_inv_std.data()) : nullptr, lend(bytes),
                bytes);
        }
    }
    return status;
}

halnorm_status Call::run() {
    if (!settings.cuts.empty())
        return run_parts();
    const halnorm_config c = config();
    const halnorm_tensor in = x.view(), out = y().view(), addend = z ? z->view() : in;
    halnorm_tensor no_data = in;
    no_data.data = nullptr;
    size_t bytes = 0;
    const auto size_query =
        settings.pipeline == Pipeline::inference ? halnorm_forward_inference_workspace :
        settings.pipeline == Pipeline::training  ? halnorm_forward_training_workspace :
                                                   halnorm_statistics_workspace;
    const halnorm_status status = size_query(&c, &no_data, &bytes);
    if (status != HALNORM_OK)
        return status;
    workspace_ = lend_workspace(bytes, settings.placement.guard);
    void *const workspace = bytes == 0 ? nullptr : workspace_->data();

    const void *const g = settings.gamma ? gamma.data() : nullptr, *const b = settings.beta ?
                                                                                  beta.data() :
                                                                                  nullptr;
    void *const mean = settings.moving ? moving_mean.data() : nullptr;
    void *const variance = settings.moving ? moving_variance.data() : nullptr;
    double *const saved[] = {settings.saved ? static_cast<double *>(saved_mean.data()) : nullptr,
                             settings.saved ? static_cast<double *>(saved_inv_std.data()) :
                                              nullptr};
    switch (settings.pipeline) {
    case Pipeline::inference:
        if (settings.add) {
            return halnorm_forward_inference_add(&c, &in, &addend, g, b, moving_mean.data(),
                                                 moving_variance.data(), &out, workspace, bytes);
        }
        return halnorm_forward_inference(&c, &in, g, b, moving_mean.data(), moving_variance.data(),
                                         &out, workspace, bytes);
    case Pipeline::training:
        if (settings.add) {
            return halnorm_forward_training_add(&c, &in, &addend, g, b, mean, variance, &out,
                                                saved[0], saved[1], workspace, bytes);
        }
        return halnorm_forward_training(&c, &in, g, b, mean, variance, &out, saved[0], saved[1],
                                        workspace, bytes);
    case Pipeline::statistics:
        return halnorm_statistics(&c, &in, &count, static_cast<double *>(saved_mean.data()),
                                  static_cast<double *>(saved_inv_std.data()), workspace, bytes);
    }
    return HALNORM_ERROR_UNSUPPORTED;
}

halnorm_status Call::prepare() {
    const halnorm_config c = config();
    halnorm_tensor in = x.view(), out = y().view(), addend = z ? z->view() : in;
    in.data = out.data = addend.data = nullptr;
    size_t bytes = 0;
    const halnorm_status status = halnorm_prepare_inference_memory(&c, &in, &bytes);
    if (status != HALNORM_OK)
        return status;
    prepared_memory_ = lend_workspace(bytes, settings.placement.guard);
    const void *const g = settings.gamma ? gamma.data() : nullptr,
                      *const b = settings.beta ? beta.data() : nullptr;
    void *const memory = prepared_memory_->data();
    return settings.add ?
               halnorm_prepare_inference_add(&c, &in, &addend, g, b, moving_mean.data(),
                                             moving_variance.data(), &out, memory, bytes,
                                             &prepared) :
               halnorm_prepare_inference(&c, &in, g, b, moving_mean.data(), moving_variance.data(),
                                         &out, memory, bytes, &prepared);
}

halnorm_status Call::run_prepared() {
    return halnorm_run_prepared(prepared, x.data(), z ? z->data() : nullptr, y().data());
}

void Call::expect_reference() {
    SCOPED_TRACE(settings.describe());
    remember();
    const halnorm_status status = run();
    ASSERT_EQ(status, HALNORM_OK) << halnorm_last_error();
    if (!settings.variant.empty()) {
        EXPECT_EQ(halnorm_last_variant(), settings.variant);
    }
    if (settings.pipeline == Pipeline::statistics) {
        expect_statistics();
    } else {
        expect_forward();
    }
    expect_untouched();
    if (settings.pipeline == Pipeline::inference)
        expect_prepared();
}

void Call::expect_prepared() {
    const std::vector<unsigned char> bits = y().bits();
    const halnorm_status status = prepare();
    if (runs_on_a_device(settings.variant)) {
        EXPECT_EQ(status, HALNORM_ERROR_UNSUPPORTED);
        return;
    }
    ASSERT_EQ(status, HALNORM_OK) << halnorm_last_error();
    const std::vector<unsigned char> before = prepared_memory_->bytes_within();
    y().set(std::vector<double>(y().size(), 123));
    if (settings.in_place)
        x.set_bits(x_before_);
    if (settings.over_z)
        z->set_bits(z_before_);
    ASSERT_EQ(run_prepared(), HALNORM_OK) << halnorm_last_error();
    EXPECT_TRUE(y().bits() == bits) << "other bits from a prepared inference";
    if (!settings.variant.empty()) {
        EXPECT_EQ(halnorm_last_variant(), settings.variant);
    }
    EXPECT_TRUE(prepared_memory_->bytes_within() == before) << "the prepared was written";
    EXPECT_TRUE(prepared_memory_->surroundings_intact()) << "written beside the prepared";
    expect_untouched();
}

void Call::expect_forward() {
    const bool training = settings.pipeline == Pipeline::training;
    const reference::Array &in = input_;
    const reference::Parameters &p = *parameters_;
    const std::vector<double> *const addend = settings.add ? &z_ : nullptr;
    const reference::Statistics s = training ? statistics(in) : reference::Statistics();
    expected = training ? forward_apply(in, s, p, addend) : forward_inference(in, p, addend);
    const reference::Forward &f = expected;
    const double m = static_cast<double>(in.count());
    const Source source = training ? Source::batch : Source::moving;

    expect_close("y", y(), f.y, [&](size_t i) {
        return y_absolute(settings.dtype, source, m, p, f, addend, in.channel_of(i), i);
    });
    if (!training)
        return;

    // Of one element per channel exact zeros are saved, whatever it is.
    const auto mean_error = [&](size_t c) {
        return in.count() > 1 ? mean_absolute(settings.dtype, s, c) : 0;
    };
    if (settings.saved) {
        expect_close_means("saved_mean", saved_mean, f.saved_mean, mean_error);
        expect_close("saved_inv_std", saved_inv_std, f.saved_inv_std, [&](size_t c) {
            return f.saved_inv_std[c] * (variance_relative(settings.dtype, m) / 2 + 8 * 0x1p-53);
        });
    }
    if (settings.moving && in.count() > 1) {
        expect_close_means("moving_mean", moving_mean, f.moving_mean, [&](size_t c) {
            return moving_absolute(settings.dtype, p.momentum, p.moving_mean[c], f.saved_mean[c],
                                   mean_error(c), f.moving_mean[c]);
        });
        const double correction = p.estimator == HALNORM_VARIANCE_SAMPLE ? m / (m - 1) : 1;
        expect_close("moving_variance", moving_variance, f.moving_variance, [&](size_t c) {
            const double batch = s.m2[c] / m * correction;
            const double error = m2_absolute(settings.dtype, m, s.m2[c]) / m * correction +
                                 2 * 0x1p-53 * batch;
            return moving_absolute(settings.dtype, p.momentum, p.moving_variance[c], batch, error,
                                   f.moving_variance[c]);
        });
    }
}

void Call::expect_statistics() {
    const reference::Statistics s = statistics(input_);
    const double m = static_cast<double>(s.count);
    EXPECT_EQ(count, s.count);
    expect_close_means("mean", saved_mean, s.mean,
                       [&](size_t c) { return mean_absolute(settings.dtype, s, c); });
    expect_close("m2", saved_inv_std, s.m2,
                 [&](size_t c) { return m2_absolute(settings.dtype, m, s.m2[c]); });
}

std::vector<unsigned char> Call::bits() {
    std::vector<unsigned char> all;
    for (const Tensor *t : {&y(), &moving_mean, &moving_variance, &saved_mean, &saved_inv_std}) {
        const std::vector<unsigned char> bits = t->bits();
        all.insert(all.end(), bits.begin(), bits.end());
    }
    return all;
}

void Call::expect_untouched() {
    const bool training = settings.pipeline == Pipeline::training;
    if (!settings.in_place) {
        EXPECT_TRUE(x.bits() == x_before_) << "x was written";
    }
    if (settings.add && !settings.over_z) {
        EXPECT_TRUE(z->bits() == z_before_) << "z was written";
        EXPECT_TRUE(z->gaps_intact()) << "written beside z or into its gaps";
    }
    EXPECT_TRUE(gamma.bits() == gamma_before_) << "gamma was written";
    EXPECT_TRUE(beta.bits() == beta_before_) << "beta was written";
    if (!training || !settings.moving || input_.count() <= 1) {
        EXPECT_TRUE(moving_mean.bits() == moving_before_[0]) << "moving_mean was written";
        EXPECT_TRUE(moving_variance.bits() == moving_before_[1]) << "moving_variance was written";
    }
    if (settings.pipeline == Pipeline::inference || (training && !settings.saved)) {
        EXPECT_TRUE(saved_mean.bits() == saved_before_[0]) << "saved_mean was written";
        EXPECT_TRUE(saved_inv_std.bits() == saved_before_[1]) << "saved_inv_std was written";
    }
    for (const Tensor *t :
         {&x, &y(), &gamma, &beta, &moving_mean, &moving_variance, &saved_mean, &saved_inv_std}) {
        EXPECT_TRUE(t->gaps_intact()) << "written beside a buffer or into its gaps";
    }
    EXPECT_TRUE(workspace_->surroundings_intact()) << "written beside the workspace";
}

}  // namespace test
