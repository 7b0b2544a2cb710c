// One call of one pipeline, every buffer of it in guarded memory, and the comparison with the
// reference.
#pragma once

#include <gtest/gtest.h>
#include <math.h>
#include <memory>
#include <string>
#include <vector>

#include "halnorm/halnorm.h"
#include "reference.h"
#include "tensor.h"

namespace test {

enum class Pipeline { inference, training, statistics };
const char *name(Pipeline pipeline);
const char *name(halnorm_layout layout);
const char *name(halnorm_dtype dtype);

// What the calls of both passes have in common.
struct Setting {
    std::string variant;
    halnorm_layout layout = HALNORM_NCHW;
    halnorm_dtype dtype = HALNORM_FLOAT32;
    int rank = 4;
    int64_t n = 2, c = 3, s = 4;
    bool gamma = true, beta = true;  // given, or NULL
    Placement placement;
    int64_t gap = default_gap;  // in elements, of spreads that have gaps
    halnorm_activation activation = HALNORM_ACT_NONE;
    double alpha = NAN;  // the activation's default
    double epsilon = 1e-5, momentum = 0.9;
    halnorm_variance_estimator estimator = HALNORM_VARIANCE_POPULATION;
    int32_t threads = 1;
    const halnorm_executor *executor = nullptr;
    halnorm_stores stores = HALNORM_STORES_AUTOMATIC;

    halnorm_config config() const;
    double alpha_value() const;
    Geometry geometry_of(Spread spread) const {
        return geometry(layout, rank, n, c, s, spread, gap);
    }
    std::string describe() const;

    // n, c and s; rank 2 where there is one pixel, else `spatial_rank`.
    void take_shape(const int64_t (&shape)[3], int spatial_rank) {
        n = shape[0], c = shape[1], s = shape[2];
        rank = s == 1 ? 2 : spatial_rank;
    }
    // A shape that holds so many values, of one channel in NCHW and of 16 in NHWC; those that fill
    // up the last row are 0.
    void take_row(std::vector<double> *values) {
        c = layout == HALNORM_NCHW ? 1 : 16;
        values->resize((values->size() + 15) / 16 * 16, 0);
        n = 1;
        s = static_cast<int64_t>(values->size()) / c;
    }
};

// body(k) with each layout and dtype in k, a Case or a BackwardCase.
template<typename AnyCase, typename Body>
void for_each_layout_and_dtype(AnyCase k, Body body) {
    for (halnorm_layout layout : {HALNORM_NCHW, HALNORM_NHWC}) {
        for (halnorm_dtype dtype : {HALNORM_FLOAT32, HALNORM_FLOAT64}) {
            k.layout = layout;
            k.dtype = dtype;
            body(k);
        }
    }
}

struct Case : Setting {
    Pipeline pipeline = Pipeline::training;
    Spread x_spread = Spread::dense, y_spread = Spread::dense;
    bool in_place = false;
    bool add = false;                  // a second addend, spread as y
    bool over_z = false;               // y is that addend
    bool moving = true, saved = true;  // of training: given, or NULL
    // Of training: where not empty, the batch is cut into parts at these images, 0 and n included:
    // statistics of each, merged, then each by those of the whole.
    std::vector<int64_t> cuts;

    std::string describe() const;
};

class Call {
public:
    // Fills everything with random numbers that depend on `seed` only: each channel of x has a mean
    // of its own in
    // [-2, 2] and a deviation in [0.5, 2]; gamma, beta and the moving statistics are of order 1.
    explicit Call(const Case &settings, uint64_t seed = 1);

    Case settings;
    Tensor x, gamma, beta, moving_mean, moving_variance, saved_mean, saved_inv_std;
    int64_t count = -1;                  // of statistics; mean and M2 are in saved_*
    std::unique_ptr<Tensor> z;           // the second addend
    std::unique_ptr<Tensor> separate_y;  // neither in place nor over z
    Tensor &y() { return separate_y ? *separate_y : settings.over_z ? *z : x; }

    halnorm_config config() const { return settings.config(); }
    reference::Parameters parameters() const;  // what the buffers hold now
    reference::Array input() const;            // likewise
    reference::Array shape() const;            // without the values

    // Asks for the size of the workspace, lends it, calls.
    halnorm_status run();

    // Inference in its two steps. The first looks at no element of x, y and z.
    halnorm_status prepare();
    halnorm_status run_prepared();
    const halnorm_prepared *prepared = nullptr;  // of the last prepare()

    // Runs, and compares everything with the reference: status, the variant that ran, y, moving and
    // saved statistics, and that nothing else was written. Inference runs once more in two steps,
    // for the same bits.
    void expect_reference();

    std::vector<unsigned char> bits();  // of all results

    // What the comparison needs and the call may overwrite. expect_reference does it, and a call in
    // parts that is run alone needs it.
    void remember();

    reference::Forward expected;  // of the last expect_reference

private:
    halnorm_status run_parts();
    void expect_forward();
    void expect_statistics();
    void expect_untouched();
    void expect_prepared();

    std::unique_ptr<Memory> workspace_, prepared_memory_;
    reference::Array input_;
    std::unique_ptr<reference::Parameters> parameters_;
    std::vector<double> z_;
    std::vector<unsigned char> x_before_, z_before_, gamma_before_, beta_before_, moving_before_[2],
        saved_before_[2];
};

}  // namespace test
