// One call of the backward pass, every buffer of it in guarded memory, and the comparison with the
// reference.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "call.h"
#include "compare.h"

namespace test {

// Which result lies in dy's memory.
enum class Over { nothing, dx, dz };

struct BackwardCase : Setting {
    bool batch = true;    // the statistics are those of the batch, else moving ones
    bool from_y = false;  // y is given, x is not
    bool add = false;     // there is a second addend
    bool dx = true, dz = false, dgamma = true, dbeta = true;  // wanted
    Over over = Over::nothing;
    // Where not empty, the batch is cut into parts at these images, 0 and n included: the sums of
    // each are added, then each is taken with those of the whole.
    std::vector<int64_t> cuts;
    Spread x_spread = Spread::dense, dy_spread = Spread::dense, dx_spread = Spread::dense;
    // z is spread as dy, dz as dx

    std::string describe() const;
};

// Whether the backward pass takes y of this activation in place of x.
inline bool invertible(halnorm_activation activation) {
    return activation == HALNORM_ACT_NONE || activation == HALNORM_ACT_LEAKY_RELU ||
           activation == HALNORM_ACT_ELU;
}

class BackwardCall {
public:
    // Fills everything with random numbers that depend on `seed` only: x, gamma, beta and the
    // moving statistics as Call does, dy in [-0.75, 1.25]. Saved statistics are those of x, and y
    // is what the forward pass makes of it.
    explicit BackwardCall(const BackwardCase &settings, uint64_t seed = 1);

    BackwardCase settings;
    Tensor x, dy;  // x holds y where that is given
    std::unique_ptr<Tensor> z, separate_dx, separate_dz;
    Tensor gamma, beta, mean, inv_std;  // inv_std: or the moving variance
    Tensor dgamma, dbeta;
    Tensor sum_g, sum_g_xhat;  // of a batch in parts
    Tensor &dx() { return separate_dx ? *separate_dx : dy; }
    Tensor &dz() { return separate_dz ? *separate_dz : dy; }

    // Puts other statistics of the batch in place, and y if there is one: after x was changed.
    void forward(const std::vector<double> &values);

    halnorm_config config() const { return settings.config(); }
    // Views that live as long as this call.
    const halnorm_backward_args &args();
    reference::Backward input() const;  // what the buffers hold now

    // Asks for the size of the workspace, lends it, calls.
    halnorm_status run();

    // Runs, and compares everything with the reference: status, the variant that ran, the results,
    // and that nothing else was written.
    void expect_reference();

    reference::Gradients expected;  // of the last expect_reference
    BackwardTolerance tolerance;    // likewise

    // The results that were wanted, bit for bit.
    std::vector<unsigned char> bits();

private:
    halnorm_status run_parts(const halnorm_backward_args &no_data);
    unsigned char *lend(size_t bytes);
    std::vector<unsigned char> constant_bits() const;

    halnorm_tensor x_view_, z_view_, dy_view_, dx_view_, dz_view_;
    halnorm_backward_args args_;
    std::unique_ptr<Memory> workspace_;
};

}  // namespace test
