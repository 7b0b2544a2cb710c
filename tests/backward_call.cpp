#include "backward_call.h"

#include <sstream>

#include "random.h"

namespace test {
namespace {

Tensor vector(const BackwardCase &s, halnorm_dtype dtype, bool output) {
    return Tensor(dtype, vector_of(s.c), s.placement, output ? output_fill : input_fill);
}

reference::Parameters parameters(const BackwardCase &s, const Tensor &gamma, const Tensor &beta) {
    reference::Parameters p(s.c);
    if (s.gamma)
        p.gamma = gamma.values();
    if (s.beta)
        p.beta = beta.values();
    p.epsilon = s.epsilon;
    p.activation = s.activation;
    p.alpha = s.alpha_value();
    return p;
}

}  // namespace

std::string BackwardCase::describe() const {
    std::ostringstream text;
    text << "backward " << Setting::describe() << (batch ? " batch" : " moving") << " from "
         << (from_y ? "y " : "x ") << name(x_spread) << (add ? " and z" : "") << ", dy "
         << name(dy_spread) << " ->" << (dx ? " dx" : "") << (dz ? " dz" : "") << " "
         << name(dx_spread) << (dgamma ? " dgamma" : "") << (dbeta ? " dbeta" : "")
         << (over == Over::dx ? ", dx is dy" : "") << (over == Over::dz ? ", dz is dy" : "")
         << (cuts.empty() ? "" : ", in parts " + testing::PrintToString(cuts));
    return text.str();
}

BackwardCall::BackwardCall(const BackwardCase &s, uint64_t seed)
    : settings(s), x(s.dtype, s.geometry_of(s.x_spread), s.placement, input_fill),
      dy(s.dtype, s.geometry_of(s.dy_spread), s.placement,
         s.over == Over::nothing ? input_fill : output_fill),
      gamma(vector(s, s.dtype, false)), beta(vector(s, s.dtype, false)),
      mean(vector(s, s.batch ? HALNORM_FLOAT64 : s.dtype, false)),
      inv_std(vector(s, s.batch ? HALNORM_FLOAT64 : s.dtype, false)),
      dgamma(vector(s, s.dtype, true)), dbeta(vector(s, s.dtype, true)),
      sum_g(vector(s, HALNORM_FLOAT64, true)), sum_g_xhat(vector(s, HALNORM_FLOAT64, true)) {
    const auto make = [&](Spread spread, unsigned char fill) {
        return std::make_unique<Tensor>(s.dtype, s.geometry_of(spread), s.placement, fill);
    };
    if (s.add)
        z = make(s.dy_spread, input_fill);
    if (s.dx && s.over != Over::dx)
        separate_dx = make(s.dx_spread, output_fill);
    if (s.dz && s.over != Over::dz)
        separate_dz = make(s.dx_spread, output_fill);

    Random random(seed);
    std::vector<double> center, deviation, values;
    for (size_t c = 0; c < gamma.size(); c++) {
        center.push_back(random.uniform(-2, 2));
        deviation.push_back(random.uniform(0.5, 2));
        gamma.set(c, random.uniform(0.5, 2) * (random.below(4) == 0 ? -1 : 1));
        beta.set(c, random.uniform(-1, 1));
        mean.set(c, random.uniform(-2, 2));
        inv_std.set(c, random.uniform(0.5, 2));
    }
    reference::shape_of(x.view(), s.layout).for_each([&](size_t i, size_t c) {
        values.push_back(center[c] + deviation[c] * random.uniform(-1.7, 1.7));
        dy.set(i, random.uniform(-0.75, 1.25));
        if (s.add)
            z->set(i, random.uniform(-2, 2));
    });
    forward(values);
}

void BackwardCall::forward(const std::vector<double> &values) {
    x.set(values);
    reference::Array a = reference::read(x.view(), settings.layout);
    reference::Parameters p = parameters(settings, gamma, beta);
    if (!settings.batch) {
        p.moving_mean = mean.values();
        p.moving_variance = inv_std.values();
    }
    const reference::Statistics s = settings.batch ? statistics(a) : reference::Statistics();
    if (!settings.from_y)
        a.shape[0] = 0;  // of no element y is needed
    const reference::Forward f = settings.batch ? forward_apply(a, s, p) : forward_inference(a, p);
    if (settings.batch) {
        mean.set(f.saved_mean);
        inv_std.set(f.saved_inv_std);
    }
    if (settings.from_y)
        x.set(f.y);
}

const halnorm_backward_args &BackwardCall::args() {
    x_view_ = x.view();
    dy_view_ = dy.view();
    args_ = {};
    (settings.from_y ? args_.y : args_.x) = &x_view_;
    args_.dy = &dy_view_;
    if (settings.add) {
        z_view_ = z->view();
        args_.z = &z_view_;
    }
    args_.gamma = settings.gamma ? gamma.data() : nullptr;
    args_.beta = settings.beta ? beta.data() : nullptr;
    if (settings.batch) {
        args_.saved_mean = static_cast<const double *>(mean.data());
        args_.saved_inv_std = static_cast<const double *>(inv_std.data());
    } else {
        args_.moving_mean = mean.data();
        args_.moving_variance = inv_std.data();
    }
    if (settings.dx) {
        dx_view_ = dx().view();
        args_.dx = &dx_view_;
    }
    if (settings.dz) {
        dz_view_ = dz().view();
        args_.dz = &dz_view_;
    }
    args_.dgamma = settings.dgamma ? dgamma.data() : nullptr;
    args_.dbeta = settings.dbeta ? dbeta.data() : nullptr;
    return args_;
}

reference::Backward BackwardCall::input() const {
    reference::Backward b(parameters(settings, gamma, beta));
    b.x = reference::read(x.view(), settings.layout);
    b.from_y = settings.from_y;
    b.u = unit_roundoff(settings.dtype);
    b.dy = dy.values();
    if (settings.add)
        b.z = z->values();
    b.batch = settings.batch;
    b.mean = mean.values();
    b.inv_std = settings.batch ? inv_std.values() :
                                 reference::inverse_deviations(inv_std.values(), settings.epsilon);
    return b;
}

halnorm_status BackwardCall::run() {
    const halnorm_config c = config();
    const halnorm_backward_args a = args();
    // The size query reads no data.
    halnorm_backward_args no_data = a;
    halnorm_tensor views[6], *next = views;
    for (const halnorm_tensor **t :
         {&no_data.x, &no_data.y, &no_data.z, &no_data.dy, &no_data.dx, &no_data.dz}) {
        if (*t != nullptr) {
            *next = **t;
            next->data = nullptr;
            *t = next++;
        }
    }
    if (!settings.cuts.empty())
        return run_parts(no_data);
    size_t bytes = 0;
    const halnorm_status status = halnorm_backward_workspace(&c, &no_data, &bytes);
    return status != HALNORM_OK ? status : halnorm_backward(&c, &a, lend(bytes), bytes);
}

halnorm_status BackwardCall::run_parts(const halnorm_backward_args &whole_without_data) {
    const halnorm_config c = config();
    const halnorm_backward_args whole = args();
    // The tensors of a part, with data or without.
    halnorm_tensor views[2][6];
    const auto part = [&](const halnorm_backward_args &of, size_t i, halnorm_tensor *memory) {
        halnorm_backward_args a = of;
        for (const halnorm_tensor **t : {&a.x, &a.y, &a.z, &a.dy, &a.dx, &a.dz}) {
            if (*t != nullptr) {
                const bool data = (*t)->data != nullptr;
                *memory = images(**t, settings.cuts[i], settings.cuts[i + 1]);
                memory->data = data ? memory->data : nullptr;
                *t = memory++;
            }
        }
        return a;
    };
    const size_t parts = settings.cuts.size() - 1;
    double *const sums[] = {static_cast<double *>(sum_g.data()),
                            static_cast<double *>(sum_g_xhat.data())};
    std::vector<double> totals[] = {std::vector<double>(gamma.size(), 0),
                                    std::vector<double>(gamma.size(), 0)};
    halnorm_status status = HALNORM_OK;
    size_t bytes = 0;
    for (size_t i = 0; i < parts && status == HALNORM_OK; i++) {
        const halnorm_backward_args a = part(whole, i, views[0]),
                                    no_data = part(whole_without_data, i, views[1]);
        status = halnorm_backward_reduce_workspace(&c, &no_data, &bytes);
        if (status == HALNORM_OK)
            status = halnorm_backward_reduce(&c, &a, sums[0], sums[1], lend(bytes), bytes);
        for (size_t k = 0; k < gamma.size(); k++)
            totals[0][k] += sums[0][k], totals[1][k] += sums[1][k];
    }
    sum_g.set(totals[0]);
    sum_g_xhat.set(totals[1]);
    for (size_t i = 0; i < parts && status == HALNORM_OK; i++) {
        const halnorm_backward_args a = part(whole, i, views[0]),
                                    no_data = part(whole_without_data, i, views[1]);
        status = halnorm_backward_apply_workspace(&c, &no_data, &bytes);
        if (status == HALNORM_OK)
            status = halnorm_backward_apply(&c, &a, settings.n * settings.s, sums[0], sums[1],
                                            lend(bytes), bytes);
    }
    return status;
}

// A workspace for the next call; the last one's has to be intact.
unsigned char *BackwardCall::lend(size_t bytes) {
    if (workspace_ != nullptr) {
        EXPECT_TRUE(workspace_->surroundings_intact()) << "written beside the workspace";
    }
    workspace_ = lend_workspace(bytes, settings.placement.guard);
    return bytes == 0 ? nullptr : workspace_->data();
}

void BackwardCall::expect_reference() {
    SCOPED_TRACE(settings.describe());
    const reference::Backward b = input();
    const std::vector<unsigned char> before = constant_bits();
    if (settings.dx && separate_dx)
        separate_dx->make_undefined();
    if (settings.dz && separate_dz)
        separate_dz->make_undefined();
    if (settings.dgamma)
        dgamma.make_undefined();
    if (settings.dbeta)
        dbeta.make_undefined();
    const halnorm_status status = run();
    ASSERT_EQ(status, HALNORM_OK) << halnorm_last_error();
    if (!settings.variant.empty()) {
        EXPECT_EQ(halnorm_last_variant(), settings.variant);
    }
    expected = backward(b);
    const int64_t count = expected.sums.count;
    tolerance = backward_tolerance(settings.dtype, b, expected, count);
    const double u = unit_roundoff(settings.dtype);

    if (settings.dx)
        expect_close("dx", dx(), expected.dx, [&](size_t i) { return tolerance.dx[i]; });
    if (settings.dz)
        expect_close("dz", dz(), expected.g, [&](size_t i) { return tolerance.dz[i]; });
    if (settings.dgamma) {
        expect_close("dgamma", dgamma, expected.dgamma,
                     [&](size_t c) { return tolerance.dgamma[c] + u * fabs(expected.dgamma[c]); });
    }
    if (settings.dbeta) {
        expect_close("dbeta", dbeta, expected.dbeta,
                     [&](size_t c) { return tolerance.dbeta[c] + u * fabs(expected.dbeta[c]); });
    }
    if (!settings.cuts.empty() && !(settings.batch && count == 1)) {
        expect_close("sum_g", sum_g, expected.sums.g, [&](size_t c) { return tolerance.dbeta[c]; });
        expect_close("sum_g_xhat", sum_g_xhat, expected.sums.g_xhat,
                     [&](size_t c) { return tolerance.dgamma[c]; });
    }

    EXPECT_TRUE(constant_bits() == before) << "something that is only read was written";
    for (const Tensor *t : {&x, &dy, &gamma, &beta, &mean, &inv_std, &dgamma, &dbeta, &sum_g,
                            &sum_g_xhat, z.get(), separate_dx.get(), separate_dz.get()}) {
        if (t != nullptr) {
            EXPECT_TRUE(t->gaps_intact()) << "written beside a buffer or into its gaps";
        }
    }
    EXPECT_TRUE(workspace_->surroundings_intact()) << "written beside the workspace";
}

std::vector<unsigned char> BackwardCall::bits() {
    std::vector<unsigned char> all;
    const auto append = [&](bool wanted, const Tensor &t) {
        const std::vector<unsigned char> bits = wanted ? t.bits() : std::vector<unsigned char>();
        all.insert(all.end(), bits.begin(), bits.end());
    };
    append(settings.dx, dx());
    append(settings.dz, dz());
    append(settings.dgamma, dgamma);
    append(settings.dbeta, dbeta);
    append(!settings.cuts.empty(), sum_g);
    append(!settings.cuts.empty(), sum_g_xhat);
    return all;
}

// All that must stay as it is: the inputs, and the results that are not wanted.
std::vector<unsigned char> BackwardCall::constant_bits() const {
    std::vector<unsigned char> all;
    const auto append = [&](bool constant, const Tensor &t) {
        const std::vector<unsigned char> bits = constant ? t.bits() : std::vector<unsigned char>();
        all.insert(all.end(), bits.begin(), bits.end());
    };
    for (const Tensor *t : {&x, &gamma, &beta, &mean, &inv_std})
        append(true, *t);
    append(settings.add, settings.add ? *z : x);
    append(settings.over == Over::nothing, dy);
    append(!settings.dgamma, dgamma);
    append(!settings.dbeta, dbeta);
    append(settings.cuts.empty(), sum_g);
    append(settings.cuts.empty(), sum_g_xhat);
    return all;
}

}  // namespace test
