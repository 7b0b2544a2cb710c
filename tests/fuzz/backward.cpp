// One backward pass, by any variant, against the reference in double.
#include "backward_call.h"
#include "fuzz.h"

using namespace test;

extern "C" int LLVMFuzzerInitialize(int *, char ***) {
    fuzz::start();
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz::Input in(data, size);
    BackwardCase k;
    fuzz::take_setting(in, &k);
    k.batch = in.flag();
    k.from_y = in.flag() && invertible(k.activation) &&
               (k.activation == HALNORM_ACT_NONE || k.alpha_value() > 0);
    k.add = !k.from_y && in.flag();
    k.dx = in.flag();
    k.dz = k.add && in.flag();
    k.dgamma = in.flag();
    k.dbeta = in.flag() || !(k.dx || k.dz || k.dgamma);  // without any result nothing is done
    const Over over = in.one_of({Over::nothing, Over::dx, Over::dz});
    if (over == Over::dx ? k.dx : k.dz)
        k.over = over;
    k.cuts = fuzz::take_cuts(in, k);
    // One order of axes in memory for all.
    k.x_spread = k.dy_spread = k.dx_spread = fuzz::take_spread(in, k);
    if (k.x_spread != Spread::channels_last) {
        constexpr Spread gaps[] = {Spread::dense, Spread::channel_gap, Spread::image_gap};
        k.dy_spread = gaps[in.number(0, 2)];
        k.dx_spread = gaps[in.number(0, 2)];
    }
    fuzz::Values values(in, k.dtype, false, false);

    BackwardCall call(k);
    for (size_t c = 0; c < call.gamma.size(); c++) {
        const double gamma = values.small();
        call.gamma.set(c, gamma == 0 && k.from_y ? 1 : gamma);
        call.beta.set(c, values.small());
        if (!k.batch) {
            call.mean.set(c, values.next(c));
            call.inv_std.set(c, values.variance());
        }
    }
    const reference::Array order = reference::read(call.x.view(), k.layout);
    std::vector<double> x;
    for (size_t i = 0; i < call.x.size(); i++) {
        x.push_back(values.next(order.channel_of(i)));
        call.dy.set(i, values.small());
        if (k.add)
            call.z->set(i, values.small());
    }
    call.forward(x);
    call.expect_reference();
    return 0;
}
