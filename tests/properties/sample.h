// What rapidcheck draws: the shape, layout, strides and values of a call, and how a property that
// does not hold is reported.
#pragma once

#include <rapidcheck.h>

#include <functional>
#include <gtest/gtest.h>
#include <sstream>
#include <string>
#include <vector>

#include "backward_call.h"
#include "call.h"
#include "random.h"
#include "variants.h"

namespace test {

// Values of x beside those that Call draws.
enum class Data {
    usual,
    constant,  // each channel is one number
    far,       // means at 1e4
    outlier,   // each channel starts with 1e4
};

struct Sample : Setting {
    Spread x_spread = Spread::dense, y_spread = Spread::dense;
    bool training = true, add = false;  // batch statistics; a second addend
    Data data = Data::usual;
    uint64_t seed = 0;

    int64_t count() const { return n * s; }
    // At least two elements per channel: statistics that tell something.
    Sample two_elements() const;
    // So many elements that threads share the work.
    Sample large() const;
    // No gaps.
    Sample dense() const;

    // Element (n, c, s) in row-major order of the shape.
    size_t at(int64_t i, int64_t c, int64_t j) const;
    // For each element of this shape the one that it is in `other`, another layout or itself, after
    // images[i] took the place of image i, and pixels[j] that of pixel j.
    std::vector<size_t> elements_in(const Sample &other, const std::vector<int64_t> &images,
                                    const std::vector<int64_t> &pixels) const;
    // The same, in another order of images and pixels.
    std::vector<size_t> permuted() const;
    // For each element the one that it is in `other`.
    std::vector<size_t> elements_in(const Sample &other) const;
    // Where a batch is cut into parts, 0 and n included.
    std::vector<int64_t> cuts() const;

    Case forward() const;
    BackwardCase backward() const;
};
void showValue(const Sample &sample, std::ostream &out);

rc::Gen<Sample> samples(const std::string &variant);

// Calls with a sample's settings and values.
struct ForwardCall : Call {
    explicit ForwardCall(const Sample &sample) : ForwardCall(sample, sample.forward()) {}
    ForwardCall(const Sample &sample, const Case &settings);
};
struct GradientCall : BackwardCall {
    explicit GradientCall(const Sample &sample) : BackwardCall(sample.backward(), sample.seed) {}
};

std::vector<double> gathered(const std::vector<double> &values, const std::vector<size_t> &from);

// Runs it, or fails with the library's reason.
template<typename AnyCall>
void run(AnyCall &call) {
    if (call.run() != HALNORM_OK)
        RC_FAIL(std::string("the call failed: ") + halnorm_last_error());
    RC_ASSERT(halnorm_last_variant() == call.settings.variant);
}

// Fails with the first of the numbers that are too far apart.
template<typename Tolerance>
void agree(const char *what, const std::vector<double> &actual, const std::vector<double> &expected,
           Tolerance tolerance) {
    RC_ASSERT(actual.size() == expected.size());
    for (size_t i = 0; i < actual.size(); i++) {
        if (fabs(actual[i] - expected[i]) <= tolerance(i))
            continue;
        std::ostringstream text;
        text.precision(17);
        text << what << "[" << i << "] is " << actual[i] << ", should be " << expected[i]
             << ", off by " << actual[i] - expected[i] << ", tolerance " << tolerance(i);
        RC_FAIL(text.str());
    }
}

// What exact arithmetic makes of what a call's buffers hold, and how far its y may be from that.
struct Exact {
    explicit Exact(const Call &call);
    reference::Forward f;
    std::vector<double> tolerance;
};
struct ExactBackward {
    explicit ExactBackward(const BackwardCall &call);
    reference::Gradients r;
    BackwardTolerance t;
    // Of the gradients in the type of the data.
    double dgamma(size_t c) const { return t.dgamma[c] + u * fabs(r.dgamma[c]); }
    double dbeta(size_t c) const { return t.dbeta[c] + u * fabs(r.dbeta[c]); }

private:
    double u;
};

class Properties : public VariantTest {
protected:
    // property(sample) has to hold for as many samples as RC_PARAMS says (max_success; 100). A
    // failure shows the smallest sample that was found, the seed, and how to run it again.
    void hold(const std::function<void(const Sample &)> &property);
};

}  // namespace test
