// Index arithmetic beyond 32 bits, with few elements: tensors whose strides span all that kernels
// can address lie in reserved memory of which only the touched pages exist. And extents, strides
// and sizes that no machine can hold: refused, whatever they multiply to.
#include <gtest/gtest.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backward_call.h"
#include "call.h"
#include "compare.h"
#include "layers.h"
#include "random.h"
#include "variants.h"

namespace {

using namespace test;

constexpr int64_t max_reach = (INT64_C(1) << 31) - 32 * 1024;  // of one step beyond an axis

// Memory of a tensor that ends at a page that faults, as far as it is touched.
class FarTensor {
public:
    FarTensor(halnorm_dtype dtype, const Geometry &geometry) {
        const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
        const size_t bytes = static_cast<size_t>(geometry.span()) * size_of(dtype);
        const size_t usable = (bytes + page - 1) / page * page;
        mapped_ = usable + page;
        mapping_ = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (mapping_ == MAP_FAILED)
            return;
        char *const end = static_cast<char *>(mapping_) + usable;
        EXPECT_EQ(mprotect(end, page, PROT_NONE), 0);
        view_.data = end - bytes;
        view_.dtype = dtype;
        view_.rank = static_cast<int32_t>(geometry.shape.size());
        for (size_t axis = 0; axis < geometry.shape.size(); axis++) {
            view_.shape[axis] = geometry.shape[axis];
            view_.strides[axis] = geometry.strides[axis];
        }
        offsets_ = geometry.offsets();
    }
    ~FarTensor() {
        if (mapping_ != MAP_FAILED)
            munmap(mapping_, mapped_);
    }
    FarTensor(const FarTensor &) = delete;

    bool mapped() const { return mapping_ != MAP_FAILED; }
    const halnorm_tensor *view() const { return &view_; }
    size_t size() const { return offsets_.size(); }
    template<typename Random>
    void fill(Random *random) {
        for (const int64_t offset : offsets_) {
            const double value = random->uniform(-2, 3);
            if (view_.dtype == HALNORM_FLOAT32)
                static_cast<float *>(view_.data)[offset] = static_cast<float>(value);
            else
                static_cast<double *>(view_.data)[offset] = value;
        }
    }
    std::vector<double> values(halnorm_layout layout) const {
        return reference::read(view_, layout).values;
    }

private:
    void *mapping_;
    size_t mapped_;
    halnorm_tensor view_ = {};
    std::vector<int64_t> offsets_;
};

// Few elements that span all that kernels reach, or `beyond` it: far images, far channels of NCHW,
// far pixels of NHWC. 67 fills some vectors and a tail.
std::vector<Geometry> far_geometries(halnorm_layout layout, int64_t beyond = 0) {
    // The stride of an axis of `extent` over others whose last element is at `inner`.
    const auto step = [&](int64_t extent, int64_t inner) {
        return (max_reach + beyond - inner) / extent;
    };
    constexpr int64_t gap = INT64_C(1) << 28;
    if (layout == HALNORM_NCHW) {
        return {{{2, 3, 67}, {step(2, 200), 67, 1}},
                {{3, 2, 67}, {67, step(2, 200), 1}},
                {{2, 2, 67}, {step(2, gap + 66), gap, 1}},
                {{2, 2, 67}, {gap, step(2, gap + 66), 1}},
                {{500, 1, 67}, {step(500, 66), 1, 1}}};
    }
    const int64_t pixel = step(8, 66);  // 6 of them, and another image of 3
    return {{{2, 3, 67}, {step(2, 200), 67, 1}},
            {{1, 2, 67}, {1, step(2, 66), 1}},
            {{2, 3, 67}, {3 * pixel, pixel, 1}},
            {{6, 67}, {step(6, 66), 1}},
            {{500, 67}, {step(500, 66), 1}}};
}

class Far : public VariantTest {
protected:
    void SetUp() override {
        VariantTest::SetUp();
        if (sizeof(size_t) < 8)
            GTEST_SKIP() << "32 bits have no room for it";
        if (runs_on_a_device(GetParam()) && !IsSkipped())
            GTEST_SKIP() << "a device takes copies of whole tensors";
    }
    // body(dtype, layout, geometry, config)
    template<typename Body>
    void for_each(Body body) {
        for (halnorm_layout layout : {HALNORM_NCHW, HALNORM_NHWC}) {
            for (halnorm_dtype dtype : {HALNORM_FLOAT32, HALNORM_FLOAT64}) {
                for (const Geometry &geometry : far_geometries(layout)) {
                    const int64_t channels = geometry.shape[layout == HALNORM_NCHW ?
                                                                1 :
                                                                geometry.shape.size() - 1];
                    halnorm_config config = halnorm_default_config(channels);
                    config.layout = layout;
                    config.variant = GetParam().c_str();
                    config.activation = HALNORM_ACT_RELU;
                    SCOPED_TRACE(testing::PrintToString(geometry.shape) + " strides " +
                                 testing::PrintToString(geometry.strides) + " " + name(layout) +
                                 " " + name(dtype));
                    body(dtype, layout, geometry, config);
                }
            }
        }
    }
};

void expect_all_close(const char *what, halnorm_dtype dtype, const std::vector<double> &actual,
                      const std::vector<double> &expected, const std::vector<double> &tolerance) {
    ASSERT_EQ(actual.size(), expected.size());
    for (size_t i = 0; i < actual.size(); i++) {
        ASSERT_TRUE(close(dtype, actual[i], expected[i], tolerance[i]))
            << what << "[" << i << "] is " << actual[i] << ", should be " << expected[i];
    }
}

TEST_P(Far, forward) {
    for_each([&](halnorm_dtype dtype, halnorm_layout layout, const Geometry &geometry,
                 halnorm_config config) {
        for (bool training : {false, true}) {
            for (bool in_place : {false, true}) {
                FarTensor x(dtype, geometry), separate(dtype, geometry);
                ASSERT_TRUE(x.mapped() && separate.mapped()) << "no room for a reservation";
                FarTensor &y = in_place ? x : separate;
                Random random(5);
                x.fill(&random);
                const reference::Array input = reference::read(*x.view(), layout);
                const size_t channels = static_cast<size_t>(config.num_channels);
                reference::Parameters p(config.num_channels);
                p.activation = config.activation;
                const reference::Forward f =
                    training ? forward_training(input, p) : forward_inference(input, p);
                std::vector<double> mean(channels, 0), variance(channels, 1);
                std::vector<float> mean32(channels, 0), variance32(channels, 1);
                const bool narrow = dtype == HALNORM_FLOAT32;
                void *const m = narrow ? static_cast<void *>(mean32.data()) : mean.data();
                void *const v = narrow ? static_cast<void *>(variance32.data()) : variance.data();
                config.threads = in_place ? 3 : 1;
                size_t bytes = 0;
                halnorm::Workspace workspace;
                const auto query = training ? halnorm_forward_training_workspace :
                                              halnorm_forward_inference_workspace;
                ASSERT_EQ(query(&config, x.view(), &bytes), HALNORM_OK) << halnorm_last_error();
                ASSERT_TRUE(workspace.reserve(bytes).ok());
                const halnorm_status status =
                    training ? halnorm_forward_training(&config, x.view(), nullptr, nullptr, m, v,
                                                        y.view(), nullptr, nullptr,
                                                        workspace.data(), bytes) :
                               halnorm_forward_inference(&config, x.view(), nullptr, nullptr, m, v,
                                                         y.view(), workspace.data(), bytes);
                ASSERT_EQ(status, HALNORM_OK) << halnorm_last_error();
                std::vector<double> tolerance;
                for (size_t i = 0; i < f.y.size(); i++) {
                    const size_t c = input.channel_of(i);
                    const double v_error = normalized_absolute(
                        dtype, training ? Source::batch : Source::moving,
                        static_cast<double>(input.count()), f, c, f.xhat[i]);
                    tolerance.push_back(activated_absolute(dtype, config.activation, 0,
                                                           f.normalized[i], v_error, f.y[i]));
                }
                expect_all_close("y", dtype, y.values(layout), f.y, tolerance);
            }
        }
    });
}

TEST_P(Far, backward) {
    for_each([&](halnorm_dtype dtype, halnorm_layout layout, const Geometry &geometry,
                 halnorm_config config) {
        for (bool in_place : {false, true}) {
            FarTensor x(dtype, geometry), dy(dtype, geometry), separate(dtype, geometry);
            ASSERT_TRUE(x.mapped() && dy.mapped() && separate.mapped());
            FarTensor &dx = in_place ? dy : separate;
            Random random(7);
            x.fill(&random);
            dy.fill(&random);
            reference::Parameters p(config.num_channels);
            p.activation = config.activation;
            reference::Backward b(p);
            b.x = reference::read(*x.view(), layout);
            b.dy = dy.values(layout);
            b.u = unit_roundoff(dtype);
            const reference::Forward f = forward_training(b.x, p);
            b.mean = f.saved_mean;
            b.inv_std = f.saved_inv_std;
            const reference::Gradients expected = reference::backward(b);
            halnorm_backward_args args = {};
            args.x = x.view();
            args.dy = dy.view();
            args.dx = dx.view();
            args.saved_mean = b.mean.data();
            args.saved_inv_std = b.inv_std.data();
            config.threads = in_place ? 3 : 1;
            size_t bytes = 0;
            halnorm::Workspace workspace;
            ASSERT_EQ(halnorm_backward_workspace(&config, &args, &bytes), HALNORM_OK);
            ASSERT_TRUE(workspace.reserve(bytes).ok());
            ASSERT_EQ(halnorm_backward(&config, &args, workspace.data(), bytes), HALNORM_OK)
                << halnorm_last_error();
            const BackwardTolerance tolerance =
                backward_tolerance(dtype, b, expected, b.x.count());
            expect_all_close("dx", dtype, dx.values(layout), expected.dx, tolerance.dx);
        }
    });
}

HALNORM_FOR_EACH_VARIANT(Far);

// ---- What no kernel addresses is refused, before anything is read or written. ----

// The status of all size queries of that x (which reads no data), and of a call.
halnorm_status ask(const halnorm_tensor &x, halnorm_layout layout) {
    halnorm_config config = halnorm_default_config(layout == HALNORM_NCHW ? x.shape[1] :
                                                                            x.shape[x.rank - 1]);
    config.layout = layout;
    size_t bytes = 77;
    const halnorm_status first = halnorm_forward_inference_workspace(&config, &x, &bytes);
    for (const auto query : {halnorm_forward_training_workspace, halnorm_statistics_workspace,
                             halnorm_forward_apply_workspace})
        EXPECT_EQ(query(&config, &x, &bytes), first);
    halnorm_backward_args args = {};
    double saved[2] = {};
    args.x = args.dy = args.dx = &x;
    args.saved_mean = args.saved_inv_std = saved;
    EXPECT_EQ(halnorm_backward_workspace(&config, &args, &bytes), first) << halnorm_last_error();
    if (first != HALNORM_OK) {
        EXPECT_EQ(bytes, 77u);
        // The data are an address that faults.
        halnorm_tensor far = x;
        far.data = reinterpret_cast<void *>(uintptr_t{64});
        float vector[2] = {1, 1};
        EXPECT_EQ(halnorm_forward_inference(&config, &far, nullptr, nullptr, vector, vector, &far,
                                            nullptr, 0),
                  first);
    }
    return first;
}

halnorm_tensor shaped(const std::vector<int64_t> &shape, const std::vector<int64_t> &strides) {
    halnorm_tensor t = {};
    t.rank = static_cast<int32_t>(shape.size());
    for (size_t i = 0; i < shape.size(); i++) {
        t.shape[i] = shape[i];
        t.strides[i] = strides[i];
    }
    return t;
}

TEST(FarBadInputs, one_step_beyond) {
    for (halnorm_layout layout : {HALNORM_NCHW, HALNORM_NHWC}) {
        for (int64_t beyond : {0, 500, 1 << 15, 1 << 30}) {  // 500: a step of each
            for (const Geometry &g : far_geometries(layout, beyond)) {
                EXPECT_EQ(ask(shaped(g.shape, g.strides), layout),
                          beyond == 0 ? HALNORM_OK : HALNORM_ERROR_TOO_LARGE)
                    << testing::PrintToString(g.strides) << " by " << beyond;
            }
        }
    }
    EXPECT_NE(std::string(halnorm_last_error()).find("split into smaller batches"),
              std::string::npos);
}

TEST(FarBadInputs, extents_and_strides) {
    constexpr int64_t two31 = INT64_C(1) << 31, two32 = two31 * 2, most = INT64_MAX;
    const struct {
        std::vector<int64_t> shape, strides;
        halnorm_status status;
    } cases[] = {
        // Extents, and products of them that wrap to 0, to something small, to something negative.
        {{two31, 2, 1}, {2, 1, 1}, HALNORM_ERROR_TOO_LARGE},
        {{two32, 2, 1}, {2, 1, 1}, HALNORM_ERROR_TOO_LARGE},
        {{two32 + 2, 2, 3}, {6, 3, 1}, HALNORM_ERROR_TOO_LARGE},
        {{most, 2, 1}, {2, 1, 1}, HALNORM_ERROR_TOO_LARGE},
        {{2, two31, 1}, {two31, 1, 1}, HALNORM_ERROR_TOO_LARGE},
        {{2, 3, two32}, {3 * two32, two32, 1}, HALNORM_ERROR_TOO_LARGE},
        {{65536, 65536, 65536, 65536}, {1, 1, 1, 1}, HALNORM_ERROR_TOO_LARGE},
        {{65536, 32768, 1, 1}, {32768, 1, 1, 1}, HALNORM_ERROR_TOO_LARGE},
        {{46341, 46341, 1}, {46341, 1, 1}, HALNORM_ERROR_TOO_LARGE},
        {{two31 - 1, two31 - 1, two31 - 1, two31 - 1, two31 - 1},
         {1, 1, 1, 1, 1},
         HALNORM_ERROR_TOO_LARGE},
        {{two31 - 1, 3, 1}, {3, 1, 1}, HALNORM_ERROR_TOO_LARGE},
        {{1, 1, two31 - 1}, {1, 1, 1}, HALNORM_ERROR_TOO_LARGE},
        {{1, max_reach, 1}, {1, 1, 1}, HALNORM_OK},
        {{1, 1, max_reach}, {1, 1, 1}, HALNORM_OK},
        {{max_reach, 1, 1}, {1, 1, 1}, HALNORM_OK},
        {{1, 1, max_reach + 1}, {1, 1, 1}, HALNORM_ERROR_TOO_LARGE},
        // Strides, and their products with extents.
        {{2, 3, 4}, {two31, 4, 1}, HALNORM_ERROR_TOO_LARGE},
        {{2, 3, 4}, {two32, 4, 1}, HALNORM_ERROR_TOO_LARGE},
        {{2, 3, 4}, {two32 + 12, 4, 1}, HALNORM_ERROR_TOO_LARGE},
        {{2, 3, 4}, {most, 4, 1}, HALNORM_ERROR_TOO_LARGE},
        {{2, 3, 4}, {12, most, 1}, HALNORM_ERROR_TOO_LARGE},
        {{3, 3, 4}, {most / 2 + 1, 4, 1}, HALNORM_ERROR_TOO_LARGE},
        {{two31 - 1, 2, 1}, {two31 - 1, 1, 1}, HALNORM_ERROR_TOO_LARGE},
        {{5, 3, 4}, {(INT64_C(1) << 62), 4, 1}, HALNORM_ERROR_TOO_LARGE},
        // Negative and zero strides.
        {{2, 3, 4}, {-12, 4, 1}, HALNORM_ERROR_STRIDE},
        {{2, 3, 4}, {12, -4, 1}, HALNORM_ERROR_STRIDE},
        {{2, 3, 4}, {12, 4, -1}, HALNORM_ERROR_STRIDE},
        {{2, 3, 4}, {INT64_MIN, 4, 1}, HALNORM_ERROR_STRIDE},
        {{2, 3, 4}, {0, 4, 1}, HALNORM_ERROR_STRIDE},
        // The stride of an axis with one element, and all of an empty tensor's, are not used.
        {{1, 3, 4}, {INT64_MIN, 4, 1}, HALNORM_OK},
        {{1, 3, 4}, {most, 4, 1}, HALNORM_OK},
        {{2, 1, 4}, {4, -1, 1}, HALNORM_OK},
        {{0, 3, most}, {most, INT64_MIN, 0}, HALNORM_OK},
        {{most, 3, 0}, {0, 0, 0}, HALNORM_OK},
    };
    for (const auto &c : cases) {
        EXPECT_EQ(ask(shaped(c.shape, c.strides), HALNORM_NCHW), c.status)
            << testing::PrintToString(c.shape) << " strides " << testing::PrintToString(c.strides)
            << ": " << halnorm_last_error();
    }
}

// Strides that are not used may be anything in a call that runs, too.
TEST(FarBadInputs, unused_strides) {
    Case k;
    k.n = 1, k.c = 3, k.s = 40;
    k.rank = 3;
    Call call(k);
    const std::vector<double> x = call.x.values();
    ASSERT_EQ(call.run(), HALNORM_OK);
    halnorm_config config = call.config();
    for (int64_t stride : {INT64_MAX, INT64_MIN, INT64_C(0), INT64_C(1) << 32}) {
        Call other(k);
        halnorm_tensor in = other.x.view(), out = other.y().view();
        in.strides[0] = stride;
        out.strides[0] = stride / 3;
        size_t bytes = 0;
        halnorm::Workspace workspace;
        ASSERT_EQ(halnorm_forward_training_workspace(&config, &in, &bytes), HALNORM_OK);
        ASSERT_TRUE(workspace.reserve(bytes).ok());
        ASSERT_EQ(halnorm_forward_training(&config, &in, other.gamma.data(), other.beta.data(),
                                           other.moving_mean.data(), other.moving_variance.data(),
                                           &out, nullptr, nullptr, workspace.data(), bytes),
                  HALNORM_OK)
            << halnorm_last_error();
        EXPECT_TRUE(other.y().bits() == call.y().bits());
    }
}

// More channels than memory has room for are a status of the layer, however their bytes multiply.
TEST(FarBadInputs, channels_of_a_layer) {
    for (int64_t channels : {INT64_C(1) << 40, INT64_C(1) << 60, INT64_C(1) << 61, INT64_C(1) << 62,
                             INT64_MAX}) {
        for (halnorm_dtype dtype : {HALNORM_FLOAT32, HALNORM_FLOAT64}) {
            halnorm::BatchNormOptions options = with_channels(channels);
            options.dtype = dtype;
            halnorm::BatchNorm layer;
            const halnorm::Status status = halnorm::BatchNorm::create(options, &layer);
            EXPECT_FALSE(status.ok()) << channels;
            EXPECT_TRUE(status.code == HALNORM_ERROR_WORKSPACE ||
                        status.code == HALNORM_ERROR_TOO_LARGE ||
                        status.code == HALNORM_ERROR_PARAMETER)
                << status.message;
        }
    }
}

}  // namespace
