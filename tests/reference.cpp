#include "reference.h"

#include <cmath>

namespace reference {
namespace {

// The widest type that the hardware computes with; compensated sums make up for the rest.
#if defined(__x86_64__)
using Real = long double;
#else
using Real = double;
#endif

// Neumaier's sum: the rounding error of each addition is kept and added at the end. That of an
// infinity is NaN, and says nothing.
class Sum {
public:
    void add(Real value) {
        const Real sum = sum_ + value;
        const bool larger = std::fabs(sum_) >= std::fabs(value);
        lost_ += larger ? (sum_ - sum) + value : (value - sum) + sum_;
        sum_ = sum;
    }
    Real value() const { return std::isfinite(lost_) ? sum_ + lost_ : sum_; }

private:
    Real sum_ = 0, lost_ = 0;
};

Real inverse_deviation(Real variance, Real epsilon) {
    const Real v = variance + epsilon;
    return v == 0 ? 0 : 1 / std::sqrt(v);  // NaN where v is negative
}

void normalize(const Array &x, const std::vector<double> *z, const Parameters &p, Forward &f) {
    x.for_each([&](size_t i, size_t c) {
        const Real xhat = (static_cast<Real>(x.values[i]) - f.center[c]) * f.inv_std[c];
        const Real v = f.gamma[c] * xhat + f.beta[c] + (z == nullptr ? 0 : (*z)[i]);
        f.xhat.push_back(static_cast<double>(xhat));
        f.normalized.push_back(static_cast<double>(v));
        f.y.push_back(static_cast<double>(
            p.activation == HALNORM_ACT_NONE ? v : activate(p.activation, p.alpha, v)));
    });
}

double value_at(const halnorm_tensor &tensor, int64_t offset) {
    return tensor.dtype == HALNORM_FLOAT32 ? static_cast<const float *>(tensor.data)[offset] :
                                             static_cast<const double *>(tensor.data)[offset];
}

}  // namespace

Parameters::Parameters(int64_t channels)
    : gamma(static_cast<size_t>(channels), 1), beta(static_cast<size_t>(channels), 0),
      moving_mean(static_cast<size_t>(channels), 0),
      moving_variance(static_cast<size_t>(channels), 1) {}

int64_t Array::count() const {
    int64_t count = 1;
    for (size_t axis = 0; axis < shape.size(); axis++) {
        if (static_cast<int>(axis) != channel_axis)
            count *= shape[axis];
    }
    return count;
}

size_t Array::inner() const {
    size_t inner = 1;
    for (size_t axis = static_cast<size_t>(channel_axis) + 1; axis < shape.size(); axis++) {
        inner *= static_cast<size_t>(shape[axis]);
    }
    return inner;
}

size_t Array::channel_of(size_t index) const {
    return index / inner() % static_cast<size_t>(channels());
}

Array shape_of(const halnorm_tensor &tensor, halnorm_layout layout) {
    Array a;
    a.shape.assign(tensor.shape, tensor.shape + tensor.rank);
    a.channel_axis = layout == HALNORM_NCHW ? 1 : tensor.rank - 1;
    return a;
}

Array read(const halnorm_tensor &tensor, halnorm_layout layout) {
    Array a = shape_of(tensor, layout);
    for (int64_t extent : a.shape) {
        if (extent == 0)
            return a;
    }
    std::vector<int64_t> index(a.shape.size(), 0);
    for (;;) {
        int64_t offset = 0;
        for (size_t axis = 0; axis < index.size(); axis++) {
            offset += index[axis] * tensor.strides[axis];
        }
        a.values.push_back(value_at(tensor, offset));
        size_t axis = index.size();
        while (axis > 0 && ++index[axis - 1] == a.shape[axis - 1])
            index[--axis] = 0;
        if (axis == 0)
            return a;
    }
}

Statistics statistics(const Array &x) {
    const size_t channels = static_cast<size_t>(x.channels());
    Statistics s;
    s.count = x.count();
    s.mean.assign(channels, 0);
    s.m2.assign(channels, 0);
    if (s.count == 0)
        return s;

    const Real m = static_cast<Real>(s.count);
    std::vector<Sum> sums(channels), deviations(channels), squares(channels);
    x.for_each([&](size_t i, size_t c) { sums[c].add(x.values[i]); });
    std::vector<Real> means;
    for (const Sum &sum : sums)
        means.push_back(sum.value() / m);
    x.for_each([&](size_t i, size_t c) {
        const Real d = x.values[i] - means[c];
        deviations[c].add(d);  // 0 but for the rounding of the mean
        squares[c].add(d * d);
    });
    for (size_t c = 0; c < channels; c++) {
        const Real rest = deviations[c].value() / m;
        const Real correction = std::isfinite(rest) ? rest : 0;
        s.mean[c] = static_cast<double>(means[c] + correction);
        s.m2[c] = static_cast<double>(squares[c].value() - m * correction * correction);
    }
    return s;
}

Statistics merged(const Statistics &a, const Statistics &b) {
    if (a.count == 0)
        return b;
    if (b.count == 0)
        return a;
    Statistics s;
    s.count = a.count + b.count;
    const Real na = static_cast<Real>(a.count), nb = static_cast<Real>(b.count);
    for (size_t c = 0; c < a.mean.size(); c++) {
        const Real delta = static_cast<Real>(b.mean[c]) - a.mean[c];
        s.mean.push_back(static_cast<double>(a.mean[c] + delta * nb / (na + nb)));
        s.m2.push_back(static_cast<double>(a.m2[c] + static_cast<Real>(b.m2[c]) +
                                           delta * delta * na * nb / (na + nb)));
    }
    return s;
}

std::vector<double> inverse_deviations(const std::vector<double> &variance, double epsilon) {
    std::vector<double> inv_std;
    for (double v : variance)
        inv_std.push_back(static_cast<double>(inverse_deviation(v, epsilon)));
    return inv_std;
}

Forward forward_inference(const Array &x, const Parameters &p, const std::vector<double> *z) {
    Forward f;
    f.center = p.moving_mean;
    f.inv_std = inverse_deviations(p.moving_variance, p.epsilon);
    f.gamma = p.gamma;
    f.beta = p.beta;
    f.moving_mean = p.moving_mean;
    f.moving_variance = p.moving_variance;
    normalize(x, z, p, f);
    return f;
}

Forward forward_training(const Array &x, const Parameters &p, const std::vector<double> *z) {
    return forward_apply(x, statistics(x), p, z);
}

Forward forward_apply(const Array &x, const Statistics &s, const Parameters &p,
                      const std::vector<double> *z) {
    const size_t channels = static_cast<size_t>(x.channels());
    Forward f;
    f.moving_mean = p.moving_mean;
    f.moving_variance = p.moving_variance;
    f.saved_mean.assign(channels, 0);
    f.saved_inv_std.assign(channels, 0);
    if (s.count <= 1) {  // nothing, or y = act(x)
        f.center.assign(channels, 0);
        f.inv_std.assign(channels, 1);
        f.gamma.assign(channels, 1);
        f.beta.assign(channels, 0);
        normalize(x, z, p, f);
        return f;
    }
    const Real m = static_cast<Real>(s.count);
    const Real divisor = p.estimator == HALNORM_VARIANCE_SAMPLE ? m - 1 : m;
    const Real old_weight = p.momentum, new_weight = 1.0 - p.momentum;
    for (size_t c = 0; c < channels; c++) {
        f.saved_mean[c] = s.mean[c];
        f.saved_inv_std[c] = static_cast<double>(inverse_deviation(s.m2[c] / m, p.epsilon));
        f.moving_mean[c] =
            static_cast<double>(p.moving_mean[c] * old_weight + s.mean[c] * new_weight);
        f.moving_variance[c] =
            static_cast<double>(p.moving_variance[c] * old_weight + s.m2[c] / divisor * new_weight);
    }
    f.center = f.saved_mean;
    f.inv_std = f.saved_inv_std;
    f.gamma = p.gamma;
    f.beta = p.beta;
    normalize(x, z, p, f);
    return f;
}

Gradients backward(const Backward &b, const Sums *totals) {
    const size_t channels = static_cast<size_t>(b.x.channels());
    const Parameters &p = b.p;
    Gradients r;
    r.sums.count = b.x.count();
    const int64_t count = totals != nullptr ? totals->count : r.sums.count;
    const bool one = b.batch && count == 1;  // y was act(x + z)

    std::vector<Sum> sum_g(channels), sum_g_xhat(channels);
    std::vector<Real> xhats, gs;
    b.x.for_each([&](size_t i, size_t c) {
        Real v, xhat;
        if (b.from_y) {
            v = static_cast<Real>(inverse(p.activation, p.alpha, b.x.values[i], b.u));
            xhat = (v - p.beta[c]) / p.gamma[c];
        } else {
            xhat = (static_cast<Real>(b.x.values[i]) - b.mean[c]) * b.inv_std[c];
            v = one ? b.x.values[i] : p.gamma[c] * xhat + p.beta[c];
            v += b.z.empty() ? 0 : b.z[i];
        }
        const Real slope = static_cast<Real>(derivative(p.activation, p.alpha, v));
        const Real g = b.dy[i] * slope;
        xhats.push_back(xhat);
        gs.push_back(g);
        r.v.push_back(static_cast<double>(v));
        r.slope.push_back(static_cast<double>(slope));
        r.xhat.push_back(static_cast<double>(xhat));
        r.g.push_back(static_cast<double>(g));
        sum_g[c].add(g);
        sum_g_xhat[c].add(g * xhat);
    });
    for (size_t c = 0; c < channels; c++) {
        r.sums.g.push_back(static_cast<double>(sum_g[c].value()));
        r.sums.g_xhat.push_back(static_cast<double>(sum_g_xhat[c].value()));
    }
    if (one) {
        r.dx = r.g;
        r.dbeta = r.dgamma = std::vector<double>(channels, 0);
        return r;
    }
    const Sums &whole = totals != nullptr ? *totals : r.sums;
    r.dbeta = whole.g;
    r.dgamma = whole.g_xhat;
    const Real m = static_cast<Real>(count);
    b.x.for_each([&](size_t i, size_t c) {
        const Real scale = static_cast<Real>(p.gamma[c]) * b.inv_std[c];
        Real d = gs[i];
        if (b.batch)
            d -= whole.g[c] / m + xhats[i] * (whole.g_xhat[c] / m);
        r.dx.push_back(static_cast<double>(scale * d));
    });
    return r;
}

}  // namespace reference
