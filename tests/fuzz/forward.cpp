// One call of a forward pipeline, by any variant, against the reference in double.
#include "fuzz.h"

using namespace test;

namespace {

// Of an infinite gamma or moving mean only the channel of its results is promised, of NaN that they
// are NaN.
double finite_or_nan(double value) {
    return isinf(value) ? static_cast<double>(NAN) : value;
}

// And no product with a gamma has to be subnormal: the bounds are relative.
double as_gamma(double value) {
    return fabs(value) < 1.0 / 32 ? 0 : finite_or_nan(value);
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int *, char ***) {
    fuzz::start();
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz::Input in(data, size);
    Case k;
    fuzz::take_setting(in, &k);
    k.pipeline = in.one_of({Pipeline::training, Pipeline::inference, Pipeline::statistics});
    k.x_spread = fuzz::take_spread(in, k);
    k.y_spread = fuzz::take_spread(in, k);
    // One order of axes in memory for all.
    if (k.x_spread == Spread::channels_last || k.y_spread == Spread::channels_last)
        k.x_spread = k.y_spread;
    const bool has_y = k.pipeline != Pipeline::statistics;
    k.add = has_y && in.flag();
    k.in_place = has_y && in.flag();
    k.over_z = k.add && !k.in_place && in.flag();
    if (k.pipeline == Pipeline::training) {
        k.moving = in.flag();
        k.saved = in.flag();
        k.cuts = fuzz::take_cuts(in, k);
    }
    const bool special = in.flag();
    // Squares of tiny numbers underflow, which epsilon hides unless it is 0 (docs/numerics.md).
    if (special && k.epsilon < 1e-12)
        k.epsilon = 1e-12;
    fuzz::Values values(in, k.dtype, special, !k.cuts.empty());

    Call call(k);
    for (size_t c = 0; c < call.gamma.size(); c++) {
        call.gamma.set(c, as_gamma(values.small()));
        call.beta.set(c, values.small());
        call.moving_mean.set(c, finite_or_nan(values.next(c)));
        call.moving_variance.set(c, values.variance());
    }
    const reference::Array shape = call.shape();
    for (size_t i = 0; i < call.x.size(); i++) {
        call.x.set(i, values.next(shape.channel_of(i)));
        if (k.add)
            call.z->set(i, values.small());
    }
    call.expect_reference();
    return 0;
}
