// A batch in parts: statistics merged, each part normalized by the whole's, and the sums of the
// backward pass added, give what the whole gives in one call.
#include <gtest/gtest.h>

#include "backward_call.h"
#include "options.h"
#include "variants.h"

namespace {

using namespace test;

class Parts : public VariantTest {
protected:
    // Cut into one image (one element per channel where s is 1), nothing, and two others; into one
    // whole; and into single images.
    template<typename Body>
    void for_each_setting(Body body) {
        const std::vector<int64_t> cuts[] = {
            {0, 1, 1, 4, 6}, {0, 6}, {0, 1, 2, 3, 4, 5, 6}, {0, 0, 6, 6}};
        constexpr halnorm_activation activations[] = {HALNORM_ACT_NONE, HALNORM_ACT_RELU,
                                                      HALNORM_ACT_GELU};
        size_t turn = 0;
        for (halnorm_layout layout : {HALNORM_NCHW, HALNORM_NHWC}) {
            for (halnorm_dtype dtype : {HALNORM_FLOAT32, HALNORM_FLOAT64}) {
                for (int64_t s : {1, 35, 400}) {
                    for (const std::vector<int64_t> &cut : cuts) {
                        if (options.reduced && (s == 400 || cut.size() > 5 || cut.size() < 4))
                            continue;
                        Setting k;
                        k.variant = GetParam();
                        k.layout = layout;
                        k.dtype = dtype;
                        k.activation = activations[turn++ % std::size(activations)];
                        k.n = 6, k.c = 19, k.s = s;
                        k.rank = s == 1 ? 2 : 4;
                        body(k, cut);
                    }
                }
            }
        }
    }
};

TEST_P(Parts, of_training_make_the_whole) {
    for_each_setting([](const Setting &setting, const std::vector<int64_t> &cuts) {
        for (int option = 0; option < 4; option++) {
            Case k;
            static_cast<Setting &>(k) = setting;
            k.cuts = cuts;
            k.add = option % 2;
            k.in_place = option / 2;
            k.saved = k.moving = option != 3;
            k.estimator = option == 2 ? HALNORM_VARIANCE_SAMPLE : HALNORM_VARIANCE_POPULATION;
            Call(k).expect_reference();
        }
    });
}

TEST_P(Parts, of_backward_make_the_whole) {
    for_each_setting([](const Setting &setting, const std::vector<int64_t> &cuts) {
        for (int option = 0; option < 8; option++) {
            BackwardCase k;
            static_cast<Setting &>(k) = setting;
            k.cuts = cuts;
            k.add = option % 2;
            k.dz = k.add;
            k.batch = option / 2 % 2;
            k.over = option / 4 ? Over::dx : Over::nothing;
            BackwardCall(k).expect_reference();
        }
    });
}

TEST_P(Parts, from_y_make_the_whole) {
    for_each_setting([](const Setting &setting, const std::vector<int64_t> &cuts) {
        BackwardCase k;
        static_cast<Setting &>(k) = setting;
        k.activation = k.s == 1 ? HALNORM_ACT_NONE : HALNORM_ACT_LEAKY_RELU;
        k.from_y = true;
        k.cuts = cuts;
        BackwardCall(k).expect_reference();
    });
}

// The rule of one element per channel is about the whole batch, which `count` tells.
TEST_P(Parts, of_one_element_per_channel) {
    for (halnorm_dtype dtype : {HALNORM_FLOAT32, HALNORM_FLOAT64}) {
        for (int option = 0; option < 4; option++) {
            Case k;
            k.variant = GetParam();
            k.dtype = dtype;
            k.rank = 2;
            k.n = 1, k.c = 33, k.s = 1;
            k.activation = HALNORM_ACT_LEAKY_RELU;
            k.cuts = {0, 0, 1, 1};
            k.add = option % 2;
            Call(k).expect_reference();

            BackwardCase b;
            static_cast<Setting &>(b) = k;
            b.cuts = k.cuts;
            b.add = b.dz = option % 2;
            b.from_y = option == 2;
            b.batch = option != 3;
            BackwardCall(b).expect_reference();
        }
    }
}

HALNORM_FOR_EACH_VARIANT(Parts);

}  // namespace
