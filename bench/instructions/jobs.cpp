// One job on relu in float32, done a number of times by halnorm or by the loop that one would
// write: jobs JOB LAYOUT WHO N C S TIMES. Setting up costs the same for any TIMES. Prints a result,
// so that nobody counts a loop that does something else.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "halnorm/halnorm.h"

namespace {

// ---- Loops as plain as can be: sums in float and in one sweep, in the order of memory. dy is read
// whatever v is, or gcc 12 makes no vectors of the loop ----

struct Coefficients {
    std::vector<float> center, scale, offset;  // v = (x - center) * scale + offset
    std::vector<float> a, b, c;                // dx = a * g + b * (x - center) + c
};

struct Shape {
    int n, c, s;
};

void normalize_nchw(const Shape &k, const float *x, const Coefficients &p, float *__restrict y) {
    for (int row = 0; row < k.n * k.c; row++, x += k.s, y += k.s) {
        const auto c = static_cast<size_t>(row % k.c);
        const float center = p.center[c], scale = p.scale[c], offset = p.offset[c];
        for (int s = 0; s < k.s; s++) {
            const float v = (x[s] - center) * scale + offset;
            y[s] = v > 0 ? v : 0;
        }
    }
}

void normalize_nhwc(const Shape &k, const float *x, const Coefficients &p, float *__restrict y) {
    const float *center = p.center.data(), *scale = p.scale.data(), *offset = p.offset.data();
    for (int row = 0; row < k.n * k.s; row++, x += k.c, y += k.c) {
        for (int c = 0; c < k.c; c++) {
            const float v = (x[c] - center[c]) * scale[c] + offset[c];
            y[c] = v > 0 ? v : 0;
        }
    }
}

void statistics_nchw(const Shape &k, const float *x, float *__restrict sums,
                     float *__restrict squares) {
    for (int row = 0; row < k.n * k.c; row++, x += k.s) {
        float sum = 0, square = 0;
        for (int s = 0; s < k.s; s++)
            sum += x[s], square += x[s] * x[s];
        sums[row % k.c] += sum, squares[row % k.c] += square;
    }
}

void statistics_nhwc(const Shape &k, const float *x, float *__restrict sums,
                     float *__restrict squares) {
    for (int row = 0; row < k.n * k.s; row++, x += k.c) {
        for (int c = 0; c < k.c; c++)
            sums[c] += x[c], squares[c] += x[c] * x[c];
    }
}

void reduce_nchw(const Shape &k, const float *x, const float *dy, const Coefficients &p,
                 float *__restrict sums, float *__restrict products) {
    for (int row = 0; row < k.n * k.c; row++, x += k.s, dy += k.s) {
        const auto c = static_cast<size_t>(row % k.c);
        const float center = p.center[c], scale = p.scale[c], offset = p.offset[c];
        float sum = 0, product = 0;
        for (int s = 0; s < k.s; s++) {
            const float d = x[s] - center, e = dy[s], g = d * scale + offset > 0 ? e : 0;
            sum += g, product += g * d;
        }
        sums[c] += sum, products[c] += product;
    }
}

void reduce_nhwc(const Shape &k, const float *x, const float *dy, const Coefficients &p,
                 float *__restrict sums, float *__restrict products) {
    const float *center = p.center.data(), *scale = p.scale.data(), *offset = p.offset.data();
    for (int row = 0; row < k.n * k.s; row++, x += k.c, dy += k.c) {
        for (int c = 0; c < k.c; c++) {
            const float d = x[c] - center[c], e = dy[c], g = d * scale[c] + offset[c] > 0 ? e : 0;
            sums[c] += g, products[c] += g * d;
        }
    }
}

void apply_nchw(const Shape &k, const float *x, const float *dy, const Coefficients &p,
                float *__restrict dx) {
    for (int row = 0; row < k.n * k.c; row++, x += k.s, dy += k.s, dx += k.s) {
        const auto i = static_cast<size_t>(row % k.c);
        const float center = p.center[i], scale = p.scale[i], offset = p.offset[i];
        const float a = p.a[i], b = p.b[i], c = p.c[i];
        for (int s = 0; s < k.s; s++) {
            const float d = x[s] - center, e = dy[s], g = d * scale + offset > 0 ? e : 0;
            dx[s] = a * g + (b * d + c);
        }
    }
}

void apply_nhwc(const Shape &k, const float *x, const float *dy, const Coefficients &p,
                float *__restrict dx) {
    const float *center = p.center.data(), *scale = p.scale.data(), *offset = p.offset.data();
    const float *a = p.a.data(), *b = p.b.data(), *c = p.c.data();
    for (int row = 0; row < k.n * k.s; row++, x += k.c, dy += k.c, dx += k.c) {
        for (int i = 0; i < k.c; i++) {
            const float d = x[i] - center[i], e = dy[i], g = d * scale[i] + offset[i] > 0 ? e : 0;
            dx[i] = a[i] * g + (b[i] * d + c[i]);
        }
    }
}

[[noreturn]] void fail(const char *what) {
    std::fprintf(stderr, "jobs: %s\n", what);
    std::exit(1);
}

void check(halnorm_status status) {
    if (status != HALNORM_OK)
        fail(halnorm_last_error());
}

}  // namespace

int main(int argc, char **argv) {
    if (argc != 8)
        fail("usage: jobs normalize|prepared|statistics|reduce|apply nchw|nhwc halnorm|loop N C S "
             "TIMES");
    const auto is = [&](int i, const char *word) { return std::strcmp(argv[i], word) == 0; };
    const bool nhwc = is(2, "nhwc"), by_halnorm = is(3, "halnorm");
    const Shape k = {std::atoi(argv[4]), std::atoi(argv[5]), std::atoi(argv[6])};
    const int times = std::atoi(argv[7]);

    const auto channels = static_cast<size_t>(k.c);
    const size_t size = static_cast<size_t>(k.n * k.s) * channels;
    std::vector<float> x(size), dy(size), y(size);
    for (size_t i = 0; i < size; i++) {
        x[i] = static_cast<float>(i * 7919 % 1009) / 100;
        dy[i] = static_cast<float>(i * 31 % 77) / 50 - 0.7f;
    }
    // sum_g = sum_g_xhat = 0 below, so that b and c are 0.
    const std::vector<float> zeros(channels), ones(channels, 1), fives(channels, 5);
    const Coefficients p = {fives, ones, ones, ones, zeros, zeros};
    std::vector<float> sums(channels), squares(channels);
    std::vector<double> mean(channels, 5), inv_std(channels, 1), sum1(channels), sum2(channels);

    halnorm_config config = halnorm_default_config(k.c);
    config.layout = nhwc ? HALNORM_NHWC : HALNORM_NCHW;
    config.activation = HALNORM_ACT_RELU;
    config.threads = 1;
    const int64_t shape[3] = {k.n, nhwc ? k.s : k.c, nhwc ? k.c : k.s};
    const halnorm_tensor tx = halnorm_dense_tensor(x.data(), HALNORM_FLOAT32, 3, shape),
                         ty = halnorm_dense_tensor(y.data(), HALNORM_FLOAT32, 3, shape),
                         tdy = halnorm_dense_tensor(dy.data(), HALNORM_FLOAT32, 3, shape);
    halnorm_backward_args args = {};
    args.x = &tx, args.dy = &tdy, args.dx = &ty;
    args.gamma = args.beta = ones.data();
    args.saved_mean = mean.data(), args.saved_inv_std = inv_std.data();
    const size_t room = size_t{1} << 20;
    void *workspace = std::aligned_alloc(HALNORM_WORKSPACE_ALIGNMENT, room);
    int64_t count = 0;
    const halnorm_prepared *prepared = nullptr;
    if (is(1, "prepared"))
        check(halnorm_prepare_inference(&config, &tx, ones.data(), ones.data(), fives.data(),
                                        ones.data(), &ty, workspace, room, &prepared));

    for (int i = 0; i < times; i++) {
        if (prepared != nullptr || is(1, "normalize")) {
            if (!by_halnorm) {
                (nhwc ? normalize_nhwc : normalize_nchw)(k, x.data(), p, y.data());
            } else if (prepared != nullptr) {
                check(halnorm_run_prepared(prepared, x.data(), nullptr, y.data()));
            } else {
                check(halnorm_forward_inference(&config, &tx, ones.data(), ones.data(),
                                                fives.data(), ones.data(), &ty, workspace, room));
            }
        } else if (is(1, "statistics")) {
            if (by_halnorm) {
                check(halnorm_statistics(&config, &tx, &count, sum1.data(), sum2.data(), workspace,
                                         room));
            } else {
                (nhwc ? statistics_nhwc : statistics_nchw)(k, x.data(), sums.data(),
                                                           squares.data());
            }
        } else if (is(1, "reduce")) {
            if (by_halnorm) {
                check(halnorm_backward_reduce(&config, &args, sum1.data(), sum2.data(), workspace,
                                              room));
            } else {
                (nhwc ? reduce_nhwc : reduce_nchw)(k, x.data(), dy.data(), p, sums.data(),
                                                   squares.data());
            }
        } else if (is(1, "apply")) {
            if (by_halnorm) {
                check(halnorm_backward_apply(&config, &args, int64_t{k.n} * k.s, sum1.data(),
                                             sum2.data(), workspace, room));
            } else {
                (nhwc ? apply_nhwc : apply_nchw)(k, x.data(), dy.data(), p, y.data());
            }
        } else {
            fail("unknown job");
        }
    }
    // What was computed, the same by both.
    const double sum = static_cast<double>(sums[0]) / times;
    const double first = by_halnorm ? sum1[0] : is(1, "statistics") ? sum / (k.n * k.s) : sum;
    std::printf("result: %g %g\n", static_cast<double>(y[size / 2]), first);
    std::free(workspace);
}
