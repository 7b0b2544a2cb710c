/* A library with parts left out: what is there is right, what is not there is refused by name. As
 * macros, what the library should have: WITH_NCHW, WITH_NHWC, WITH_FLOAT32, WITH_FLOAT64,
 * WITH_INFERENCE, WITH_GRADIENTS (training and backward), ACTIVATIONS, a list of enumerators. */
#include <halnorm/halnorm.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { N = 5, C = 19, S = 21, M = N * S, ALL = N * C * S };

static int failures = 0;

/* Where the next call's tensors are said to be, and its variant. */
static halnorm_device device = HALNORM_CPU;
static const char *variant = NULL;

static unsigned char workspace[1 << 16] __attribute__((aligned(HALNORM_WORKSPACE_ALIGNMENT)));

static void expect(int right, const char *what, const char *why) {
    if (!right) {
        printf("%s: %s\n", what, why);
        failures++;
    }
}

static double alpha_of(halnorm_activation a) {
    return halnorm_activation_default_alpha(a);
}

static double act(halnorm_activation a, double v) {
    switch (a) {
    case HALNORM_ACT_NONE: return v;
    case HALNORM_ACT_RELU: return v > 0 ? v : 0;
    case HALNORM_ACT_RELU6: return v < 0 ? 0 : v > 6 ? 6 : v;
    case HALNORM_ACT_LEAKY_RELU: return v < 0 ? alpha_of(a) * v : v;
    case HALNORM_ACT_TANH: return tanh(v);
    case HALNORM_ACT_ELU: return v < 0 ? alpha_of(a) * expm1(v) : v;
    default: return NAN;
    }
}

/* Element i of a tensor in the order (n, c, s), whatever its layout and type are in memory. */
typedef struct Data {
    halnorm_dtype dtype;
    halnorm_layout layout;
    double values[ALL]; /* room for either type */
} Data;

static int place(const Data *d, int n, int c, int s) {
    return d->layout == HALNORM_NCHW ? (n * C + c) * S + s : (n * S + s) * C + c;
}

static double get(const Data *d, int n, int c, int s) {
    const int i = place(d, n, c, s);
    return d->dtype == HALNORM_FLOAT32 ? (double)((const float *)(const void *)d->values)[i] : d->values[i];
}

static void set(Data *d, int n, int c, int s, double v) {
    const int i = place(d, n, c, s);
    if (d->dtype == HALNORM_FLOAT32)
        ((float *)(void *)d->values)[i] = (float)v;
    else
        d->values[i] = v;
}

static void fill(Data *d, halnorm_dtype dtype, halnorm_layout layout, unsigned seed) {
    d->dtype = dtype;
    d->layout = layout;
    for (int n = 0; n < N; n++)
        for (int c = 0; c < C; c++)
            for (int s = 0; s < S; s++) {
                seed = seed * 1664525u + 1013904223u;
                set(d, n, c, s, (double)(seed >> 8) / (1 << 22) - 2 + c);
            }
}

static halnorm_tensor tensor_of(Data *d) {
    const int64_t nchw[3] = {N, C, S}, nhwc[3] = {N, S, C};
    halnorm_tensor t = halnorm_dense_tensor(d->values, d->dtype, 3, d->layout == HALNORM_NCHW ? nchw : nhwc);
    t.device = device;
    return t;
}

static halnorm_config config_of(halnorm_layout layout, halnorm_activation a) {
    halnorm_config config = halnorm_default_config(C);
    config.layout = layout;
    config.activation = a;
    config.variant = variant;
    return config;
}

/* The error of float32 in the last line of a chain of some ten operations on numbers below 100. */
static double tolerance(halnorm_dtype dtype) {
    return dtype == HALNORM_FLOAT32 ? 16 * 0x1p-24 * 100 : 1e-12;
}

static void statistics(const Data *x, int c, double *mean, double *inv_std) {
    double sum = 0, squares = 0;
    for (int n = 0; n < N; n++)
        for (int s = 0; s < S; s++)
            sum += get(x, n, c, s);
    *mean = sum / M;
    for (int n = 0; n < N; n++)
        for (int s = 0; s < S; s++)
            squares += pow(get(x, n, c, s) - *mean, 2);
    *inv_std = 1 / sqrt(squares / M + 1e-5);
}

static void expect_forward(const Data *x, const Data *y, halnorm_activation a, int training, const char *what) {
    for (int c = 0; c < C; c++) {
        double mean = 0, inv_std = 1 / sqrt(1 + 1e-5);
        if (training)
            statistics(x, c, &mean, &inv_std);
        for (int n = 0; n < N; n++)
            for (int s = 0; s < S; s++) {
                const double v = act(a, (get(x, n, c, s) - mean) * inv_std);
                if (!(fabs(get(y, n, c, s) - v) <= tolerance(x->dtype))) {
                    expect(0, what, halnorm_activation_name(a));
                    return;
                }
            }
    }
}

static Data x, y, dy, dx;
/* Room for C values of either type: moving mean 0, moving variance 1. */
static double zeros[C], ones[C];

static void prepare(halnorm_dtype dtype, halnorm_layout layout) {
    fill(&x, dtype, layout, 1);
    fill(&y, dtype, layout, 2);
    fill(&dy, dtype, layout, 3);
    fill(&dx, dtype, layout, 4);
    memset(zeros, 0, sizeof zeros);
    for (int c = 0; c < C; c++) {
        if (dtype == HALNORM_FLOAT32)
            ((float *)(void *)ones)[c] = 1;
        else
            ones[c] = 1;
    }
}

#if WITH_INFERENCE
static halnorm_status infer(halnorm_dtype dtype, halnorm_layout layout, halnorm_activation a) {
    prepare(dtype, layout);
    const halnorm_config config = config_of(layout, a);
    const halnorm_tensor in = tensor_of(&x), out = tensor_of(&y);
    return halnorm_forward_inference(&config, &in, NULL, NULL, zeros, ones, &out, workspace, sizeof workspace);
}
#define RUN infer
#else
static halnorm_status train(halnorm_dtype dtype, halnorm_layout layout, halnorm_activation a);
#define RUN train
#endif

#if WITH_GRADIENTS
static double mean_[C], inv_std_[C], dgamma[C], dbeta[C];

static double slope(halnorm_activation a, double v) {
    switch (a) {
    case HALNORM_ACT_NONE: return 1;
    case HALNORM_ACT_RELU: return v > 0;
    case HALNORM_ACT_RELU6: return v > 0 && v < 6;
    case HALNORM_ACT_LEAKY_RELU: return v > 0 ? 1 : alpha_of(a);
    case HALNORM_ACT_TANH: return 1 - tanh(v) * tanh(v);
    case HALNORM_ACT_ELU: return v > 0 ? 1 : alpha_of(a) * exp(v);
    default: return NAN;
    }
}

static halnorm_status train(halnorm_dtype dtype, halnorm_layout layout, halnorm_activation a) {
    prepare(dtype, layout);
    const halnorm_config config = config_of(layout, a);
    const halnorm_tensor in = tensor_of(&x), out = tensor_of(&y);
    return halnorm_forward_training(&config, &in, NULL, NULL, zeros, ones, &out, mean_, inv_std_, workspace,
                                    sizeof workspace);
}

/* After train(): dx from x, or from y where that can be. */
static void check_backward(halnorm_activation a, int from_y, const char *what) {
    const halnorm_config config = config_of(x.layout, a);
    const halnorm_tensor tx = tensor_of(&x), ty = tensor_of(&y), tdy = tensor_of(&dy), tdx = tensor_of(&dx);
    halnorm_backward_args args = {0};
    args.x = from_y ? NULL : &tx;
    args.y = from_y ? &ty : NULL;
    args.dy = &tdy;
    args.dx = &tdx;
    args.saved_mean = mean_;
    args.saved_inv_std = inv_std_;
    args.dgamma = dgamma;
    args.dbeta = dbeta;
    if (halnorm_backward(&config, &args, workspace, sizeof workspace) != HALNORM_OK) {
        expect(0, what, halnorm_last_error());
        return;
    }
    for (int c = 0; c < C; c++) {
        double mean, inv_std, sum = 0, sum_xhat = 0;
        statistics(&x, c, &mean, &inv_std);
        for (int pass = 0; pass < 2; pass++)
            for (int n = 0; n < N; n++)
                for (int s = 0; s < S; s++) {
                    const double xhat = (get(&x, n, c, s) - mean) * inv_std;
                    const double g = get(&dy, n, c, s) * slope(a, xhat);
                    if (pass == 0) {
                        sum += g;
                        sum_xhat += g * xhat;
                        continue;
                    }
                    const double d = inv_std * (g - sum / M - xhat * sum_xhat / M);
                    /* A float32 near a kink may be on its other side. */
                    const int at_kink = fabs(xhat) < 1e-5 || fabs(xhat - 6) < 1e-5;
                    if (!at_kink && !(fabs(get(&dx, n, c, s) - d) <= 4 * tolerance(x.dtype))) {
                        expect(0, what, halnorm_activation_name(a));
                        return;
                    }
                }
    }
}
#endif

static void expect_refused(halnorm_status status, const char *option, const char *what) {
    expect(status == HALNORM_ERROR_UNSUPPORTED, what, halnorm_status_name(status));
    expect(strstr(halnorm_last_error(), option) != NULL, what, halnorm_last_error());
}

int main(void) {
    static const halnorm_activation activations[] = {HALNORM_ACT_NONE, ACTIVATIONS};
    const halnorm_dtype dtype = WITH_FLOAT32 ? HALNORM_FLOAT32 : HALNORM_FLOAT64;
    const halnorm_layout layout = WITH_NCHW ? HALNORM_NCHW : HALNORM_NHWC;

    for (int k = 0; k < HALNORM_ACT_COUNT; k++) {
        int there = 0;
        for (size_t i = 0; i < sizeof activations / sizeof *activations; i++)
            there = there || activations[i] == (halnorm_activation)k;
        const halnorm_activation a = (halnorm_activation)k;
        if (!there) {
            expect_refused(RUN(dtype, layout, a), "HALNORM_ACTIVATIONS", halnorm_activation_name(a));
            continue;
        }
#if WITH_INFERENCE
        expect(infer(dtype, layout, a) == HALNORM_OK, "inference", halnorm_last_error());
        expect_forward(&x, &y, a, 0, "inference");
#endif
#if WITH_GRADIENTS
        expect(train(dtype, layout, a) == HALNORM_OK, "training", halnorm_last_error());
        expect_forward(&x, &y, a, 1, "training");
        check_backward(a, 0, "backward");
        if (a == HALNORM_ACT_LEAKY_RELU || a == HALNORM_ACT_ELU) {
            const int exact = x.dtype == HALNORM_FLOAT64; /* float32 loses digits of x on the way back */
            if (exact)
                check_backward(a, 1, "backward from y");
        }
#endif
    }
    expect((RUN(HALNORM_FLOAT32, layout, HALNORM_ACT_NONE) == HALNORM_OK) == WITH_FLOAT32, "float32", halnorm_last_error());
    expect((RUN(HALNORM_FLOAT64, layout, HALNORM_ACT_NONE) == HALNORM_OK) == WITH_FLOAT64, "float64", halnorm_last_error());
    expect((RUN(dtype, HALNORM_NCHW, HALNORM_ACT_NONE) == HALNORM_OK) == WITH_NCHW, "NCHW", halnorm_last_error());
    expect((RUN(dtype, HALNORM_NHWC, HALNORM_ACT_NONE) == HALNORM_OK) == WITH_NHWC, "NHWC", halnorm_last_error());
    if (!WITH_FLOAT32 || !WITH_FLOAT64)
        expect_refused(RUN(WITH_FLOAT32 ? HALNORM_FLOAT64 : HALNORM_FLOAT32, layout, HALNORM_ACT_NONE), "HALNORM_DTYPES", "dtype");
    if (!WITH_NCHW || !WITH_NHWC)
        expect_refused(RUN(dtype, WITH_NCHW ? HALNORM_NHWC : HALNORM_NCHW, HALNORM_ACT_NONE), "HALNORM_LAYOUTS", "layout");
    device = HALNORM_CUDA; /* there are no kernels for it */
    for (int named = 0; named < 2; named++) {
        variant = named ? "generic" : NULL;
        expect(RUN(dtype, layout, HALNORM_ACT_NONE) == HALNORM_ERROR_DEVICE, "a tensor on a GPU", halnorm_last_error());
    }
    if (failures == 0)
        printf("%s\n", halnorm_last_variant());
    return failures != 0;
}
