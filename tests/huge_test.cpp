// Tensors of more than 2^31 elements, for real: 8.6 GB of float32, in place. The batch is periodic,
// so that its statistics are those of one period, and every element can be compared with the
// reference's for that. Needs 10 GB of free memory, 19 GB for the backward pass.
#include <gtest/gtest.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "compare.h"
#include "halnorm/halnorm.hpp"
#include "reference.h"
#include "tolerance.h"
#include "variants.h"

namespace {

using namespace test;

constexpr int64_t two31 = INT64_C(1) << 31;
constexpr int64_t most = two31 - 128 * 1024;  // elements of one tensor, but for a small part
constexpr size_t period = 8;

// Bytes that can be had without swapping: what the kernel says, and a control group's limit.
double available() {
    double bytes = 0, kilobytes = 0, limit = 0;
    char line[200];
    if (FILE *const file = fopen("/proc/meminfo", "r")) {
        while (fgets(line, sizeof line, file)) {
            if (sscanf(line, "MemAvailable: %lf", &kilobytes) == 1)
                bytes = kilobytes * 1024;
        }
        fclose(file);
    }
    if (FILE *const file = fopen("/sys/fs/cgroup/memory.max", "r")) {
        if (fscanf(file, "%lf", &limit) == 1 && limit < bytes)
            bytes = limit;
        fclose(file);
    }
    return bytes;
}

class Floats {
public:
    explicit Floats(int64_t count) : bytes_(static_cast<size_t>(count) * sizeof(float)) {
        void *const memory =
            mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED)
            return;
        madvise(memory, bytes_, MADV_HUGEPAGE);
        data = static_cast<float *>(memory);
    }
    ~Floats() {
        if (data != nullptr)
            munmap(data, bytes_);
    }
    Floats(const Floats &) = delete;
    float *data = nullptr;

private:
    size_t bytes_;
};

// Dense, rank 3. Element (n, c, s) has the value `table[c][k]`, k the pixel modulo the period.
struct Shape {
    halnorm_layout layout;
    int64_t n, c, s;
    int64_t elements() const { return n * c * s; }
    halnorm_tensor view(float *data) const {
        return layout == HALNORM_NCHW ? halnorm::tensor(data, {n, c, s}) :
                                        halnorm::tensor(data, {n, s, c});
    }
    // body(first element, table index of the first channel and pixel) of each run of memory that
    // the table describes: a period of a row of NCHW, of all channels of NHWC.
    template<typename Body>
    void for_each_period(Body body) const {
        const int64_t size = static_cast<int64_t>(period);
        if (layout == HALNORM_NHWC) {
            for (int64_t i = 0; i < elements(); i += size * c)
                body(i, size_t{0});
            return;
        }
        for (int64_t row = 0; row < n * c; row++) {
            for (int64_t i = row * s; i < (row + 1) * s; i += size)
                body(i, static_cast<size_t>(row % c));
        }
    }
    // A table of each channel's period as it lies in memory.
    std::vector<float> in_memory(const std::vector<double> &table) const {
        std::vector<float> all(table.size());
        const size_t channels = static_cast<size_t>(c);
        for (size_t channel = 0; channel < channels; channel++) {
            for (size_t k = 0; k < period; k++) {
                const size_t at =
                    layout == HALNORM_NCHW ? channel * period + k : k * channels + channel;
                all[at] = static_cast<float>(table[channel * period + k]);
            }
        }
        return all;
    }
    size_t run() const { return layout == HALNORM_NCHW ? period : period * static_cast<size_t>(c); }

    void fill(float *data, const std::vector<double> &table) const {
        const std::vector<float> values = in_memory(table);
        for_each_period([&](int64_t i, size_t channel) {
            memcpy(data + i, values.data() + channel * period, run() * sizeof(float));
        });
    }
    // All elements, those beyond 2^31 bytes, 2^32 bytes and the last included.
    void expect(const char *what, const float *data, const std::vector<double> &table,
                const std::vector<double> &tolerance) const {
        const std::vector<float> values = in_memory(table), errors = in_memory(tolerance);
        int64_t wrong = 0, first = -1, compared = 0;
        for_each_period([&](int64_t i, size_t channel) {
            const float *const value = values.data() + channel * period,
                               *const error = errors.data() + channel * period;
            bool good = true;
            for (size_t k = 0; k < run(); k++)
                good &= fabsf(data[static_cast<size_t>(i) + k] - value[k]) <= error[k];
            compared += static_cast<int64_t>(run());
            if (!good && wrong++ == 0)
                first = i;
        });
        EXPECT_EQ(compared, elements());
        EXPECT_EQ(wrong, 0) << what << ": the first near element " << first;
    }
};

// What one period per channel says about the whole.
struct Period {
    explicit Period(int64_t channels) : x(values(channels, 7, 3)), dy(values(channels, 5, 1)) {
        array.shape = {1, channels, static_cast<int64_t>(period)};
        array.values = x;
    }
    static std::vector<double> values(int64_t channels, int step, int center) {
        std::vector<double> all;
        for (int64_t c = 0; c < channels; c++) {
            for (size_t k = 0; k < period; k++) {
                const int64_t turn = static_cast<int64_t>(k) * step + c * 3;
                all.push_back(static_cast<double>(turn % 11) / 4 - center +
                              static_cast<double>(c % 5));
            }
        }
        return all;
    }
    std::vector<double> x, dy;
    reference::Array array;
};

// The comparison is with float32 values, whose own rounding is one u of them more.
std::vector<double> tolerance(const reference::Array &array, const reference::Forward &f,
                              Source source, double m) {
    std::vector<double> all;
    for (size_t i = 0; i < f.y.size(); i++) {
        all.push_back(normalized_absolute(HALNORM_FLOAT32, source, m, f, array.channel_of(i),
                                          f.xhat[i]) +
                      unit_roundoff(HALNORM_FLOAT32) * fabs(f.y[i]));
    }
    return all;
}

class Huge : public VariantTest {
protected:
    void SetUp() override {
        VariantTest::SetUp();
        if (IsSkipped())
            return;
        if (sizeof(size_t) < 8)
            GTEST_SKIP() << "32 bits have no room for it";
        if (runs_on_a_device(GetParam()))
            GTEST_SKIP() << "a device takes copies of whole tensors";
        need(10e9);
    }
    void need(double bytes) {
        if (available() < bytes)
            GTEST_SKIP() << bytes / 1e9 << " GB of memory are needed, " << available() / 1e9
                         << " GB are free";
    }
    halnorm_config config(const Shape &shape) const {
        halnorm_config config = halnorm_default_config(shape.c);
        config.layout = shape.layout;
        config.variant = GetParam().c_str();
        return config;
    }
    // As large as tensors may be: many rows, 64 rows of one image, many pixels.
    static std::vector<Shape> largest() {
        return {{HALNORM_NCHW, most / 1024, 8, 128},
                {HALNORM_NCHW, 1, 64, most / 65 / 8 * 8},
                {HALNORM_NHWC, most / 64 / 16, 64, 16},
                {HALNORM_NHWC, most / 16 / 8, 16, 8}};
    }
};

template<typename Query, typename Call>
void run(Query query, Call call) {
    size_t bytes = 0;
    ASSERT_EQ(query(&bytes), HALNORM_OK) << halnorm_last_error();
    halnorm::Workspace workspace;
    ASSERT_TRUE(workspace.reserve(bytes).ok());
    ASSERT_EQ(call(workspace.data(), bytes), HALNORM_OK) << halnorm_last_error();
}

TEST_P(Huge, forward) {
    for (const Shape &shape : largest()) {
        ASSERT_GT(shape.elements(), two31 - two31 / 50);
        ASSERT_LE(shape.elements(), most);
        const Period p(shape.c);
        const halnorm_config c = config(shape);
        Floats memory(most);
        ASSERT_NE(memory.data, nullptr);
        const halnorm_tensor x = shape.view(memory.data);
        const double m = static_cast<double>(shape.n * shape.s);
        for (bool training : {true, false}) {
            SCOPED_TRACE(std::string(training ? "training " : "inference ") +
                         testing::PrintToString(std::vector<int64_t>{shape.n, shape.c, shape.s}));
            shape.fill(memory.data, p.x);
            const size_t channels = static_cast<size_t>(shape.c);
            std::vector<float> mean(channels, 0), variance(channels, 1);
            const reference::Parameters parameters(shape.c);
            const reference::Forward f = training ? forward_training(p.array, parameters) :
                                                    forward_inference(p.array, parameters);
            if (training) {
                std::vector<double> saved_mean(channels), saved_inv_std(channels);
                run([&](size_t *bytes) { return halnorm_forward_training_workspace(&c, &x, bytes); },
                    [&](void *workspace, size_t bytes) {
                        return halnorm_forward_training(&c, &x, nullptr, nullptr, mean.data(),
                                                        variance.data(), &x, saved_mean.data(),
                                                        saved_inv_std.data(), workspace, bytes);
                    });
                for (size_t i = 0; i < channels; i++) {
                    const double deviation = 1 / f.saved_inv_std[i];
                    EXPECT_NEAR(saved_mean[i], f.saved_mean[i],
                                mean_absolute(HALNORM_FLOAT32, m, f.saved_mean[i], deviation));
                    EXPECT_NEAR(saved_inv_std[i], f.saved_inv_std[i],
                                variance_relative(HALNORM_FLOAT32, m) * f.saved_inv_std[i]);
                }
            } else {
                run([&](size_t *bytes) { return halnorm_forward_inference_workspace(&c, &x, bytes); },
                    [&](void *workspace, size_t bytes) {
                        return halnorm_forward_inference(&c, &x, nullptr, nullptr, mean.data(),
                                                         variance.data(), &x, workspace, bytes);
                    });
            }
            shape.expect("y", memory.data, f.y,
                         tolerance(p.array, f, training ? Source::batch : Source::moving, m));
        }
    }
}

TEST_P(Huge, backward) {
    need(19e9);
    if (IsSkipped())
        return;
    const std::vector<Shape> shapes = largest();
    for (const Shape &shape : {shapes[0], shapes[2]}) {
        SCOPED_TRACE(testing::PrintToString(std::vector<int64_t>{shape.n, shape.c, shape.s}));
        const Period p(shape.c);
        const halnorm_config c = config(shape);
        Floats x_memory(most), dy_memory(most);
        ASSERT_TRUE(x_memory.data != nullptr && dy_memory.data != nullptr);
        shape.fill(x_memory.data, p.x);
        shape.fill(dy_memory.data, p.dy);
        const halnorm_tensor x = shape.view(x_memory.data), dy = shape.view(dy_memory.data);
        const reference::Parameters parameters(shape.c);
        reference::Backward b(parameters);
        b.x = p.array;
        b.dy = p.dy;
        b.u = unit_roundoff(HALNORM_FLOAT32);
        const reference::Forward f = forward_training(p.array, parameters);
        b.mean = f.saved_mean;
        b.inv_std = f.saved_inv_std;
        const reference::Gradients expected = reference::backward(b);
        std::vector<float> dgamma(static_cast<size_t>(shape.c)), dbeta = dgamma;
        halnorm_backward_args args = {};
        args.x = &x;
        args.dy = args.dx = &dy;
        args.saved_mean = b.mean.data();
        args.saved_inv_std = b.inv_std.data();
        args.dgamma = dgamma.data();
        args.dbeta = dbeta.data();
        run([&](size_t *bytes) { return halnorm_backward_workspace(&c, &args, bytes); },
            [&](void *workspace, size_t bytes) {
                return halnorm_backward(&c, &args, workspace, bytes);
            });
        BackwardTolerance t = backward_tolerance(HALNORM_FLOAT32, b, expected, b.x.count());
        const double u = unit_roundoff(HALNORM_FLOAT32);
        for (size_t i = 0; i < t.dx.size(); i++)
            t.dx[i] += u * fabs(expected.dx[i]);
        shape.expect("dx", dy_memory.data, expected.dx, t.dx);
        // The sums are of so many periods.
        const double periods = static_cast<double>(shape.n * shape.s) / period;
        for (size_t i = 0; i < dgamma.size(); i++) {
            const double gamma = expected.dgamma[i] * periods, beta = expected.dbeta[i] * periods;
            EXPECT_NEAR(dgamma[i], gamma, t.dgamma[i] * periods + u * fabs(gamma));
            EXPECT_NEAR(dbeta[i], beta, t.dbeta[i] * periods + u * fabs(beta));
        }
    }
}

// More than 2^31 elements: as one tensor refused with the advice to split it and not touched, in
// parts the statistics of the whole.
TEST_P(Huge, beyond_in_parts) {
    const Shape shapes[] = {{HALNORM_NCHW, two31 / 4096 + 8, 32, 128},
                            {HALNORM_NHWC, two31 / 4096 + 8, 64, 64}};
    for (const Shape &shape : shapes) {
        SCOPED_TRACE(testing::PrintToString(std::vector<int64_t>{shape.n, shape.c, shape.s}));
        ASSERT_GT(shape.elements(), two31);
        const Period p(shape.c);
        const halnorm_config c = config(shape);
        Floats memory(shape.elements());
        ASSERT_NE(memory.data, nullptr);
        shape.fill(memory.data, p.x);
        const size_t channels = static_cast<size_t>(shape.c);
        const halnorm_tensor whole = shape.view(memory.data);
        size_t bytes = 0;
        EXPECT_EQ(halnorm_forward_training_workspace(&c, &whole, &bytes), HALNORM_ERROR_TOO_LARGE);
        EXPECT_NE(strstr(halnorm_last_error(), "split into smaller batches"), nullptr);
        std::vector<float> moving_mean(channels, 0), moving_variance(channels, 1);
        halnorm::Workspace room;
        ASSERT_TRUE(room.reserve(64 << 20).ok());
        EXPECT_EQ(halnorm_forward_inference(&c, &whole, nullptr, nullptr, moving_mean.data(),
                                            moving_variance.data(), &whole, room.data(),
                                            room.size()),
                  HALNORM_ERROR_TOO_LARGE);
        shape.expect("x", memory.data, p.x, std::vector<double>(p.x.size(), 0));

        const Shape first = {shape.layout, two31 / 8192, shape.c, shape.s},
                    second = {shape.layout, shape.n - first.n, shape.c, shape.s};
        const halnorm_tensor parts[] = {first.view(memory.data),
                                        second.view(memory.data + first.elements())};
        int64_t count = 0;
        std::vector<double> mean(channels, 0), m2(channels, 0), part_mean = mean, part_m2 = m2;
        for (const halnorm_tensor &part : parts) {
            int64_t part_count = 0;
            run([&](size_t *b) { return halnorm_statistics_workspace(&c, &part, b); },
                [&](void *workspace, size_t b) {
                    return halnorm_statistics(&c, &part, &part_count, part_mean.data(),
                                              part_m2.data(), workspace, b);
                });
            ASSERT_EQ(halnorm_statistics_merge(shape.c, &count, mean.data(), m2.data(), part_count,
                                               part_mean.data(), part_m2.data()),
                      HALNORM_OK);
        }
        EXPECT_EQ(count, shape.n * shape.s);
        for (const halnorm_tensor &part : parts) {
            run([&](size_t *b) { return halnorm_forward_apply_workspace(&c, &part, b); },
                [&](void *workspace, size_t b) {
                    return halnorm_forward_apply(&c, &part, nullptr, count, mean.data(), m2.data(),
                                                 nullptr, nullptr, nullptr, nullptr, &part, nullptr,
                                                 nullptr, workspace, b);
                });
        }
        const reference::Forward f =
            forward_training(p.array, reference::Parameters(shape.c));
        shape.expect("y", memory.data, f.y,
                     tolerance(p.array, f, Source::batch, static_cast<double>(count)));
    }
}

INSTANTIATE_TEST_SUITE_P(, Huge, testing::ValuesIn(variants()), variant_name);

}  // namespace
