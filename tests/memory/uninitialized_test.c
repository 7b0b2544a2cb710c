/* Every pipeline of a variant on memory in which MemorySanitizer knows what was written: gaps of
 * tensors, results and the workspace are as malloc leaves them. A kernel or the runtime that decides
 * or computes with any of it ends the program; afterwards each element of a result has been written,
 * and no gap.
 *
 *     halnorm_uninitialized_test VARIANT
 */
#include <sanitizer/msan_interface.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <halnorm/halnorm.h>

enum { skipped = 77, gap = 3 };

static const char *variant;
static long calls, elements;

static void check(int ok, const char *what) {
    if (!ok) {
        fprintf(stderr, "%s: %s (%s)\n", variant, what, halnorm_last_error());
        exit(1);
    }
}

/* Memory without anything written to it; a byte where none is asked for. */
static void *fresh(size_t bytes) {
    void *memory = NULL;
    check(posix_memalign(&memory, HALNORM_WORKSPACE_ALIGNMENT, bytes + 1) == 0, "out of memory");
    __msan_allocated_memory(memory, bytes + 1);
    return memory;
}

static size_t width(halnorm_dtype dtype) {
    return dtype == HALNORM_FLOAT32 ? sizeof(float) : sizeof(double);
}

typedef struct Shape {
    int64_t n, c, s;
} Shape;

static halnorm_tensor tensor(halnorm_layout layout, halnorm_dtype dtype, Shape k, int64_t padding) {
    const int nchw = layout == HALNORM_NCHW;
    const int64_t inner = nchw ? k.s : k.c, outer = nchw ? k.c : k.s, row = inner + padding;
    halnorm_tensor t = {NULL, dtype,          HALNORM_CPU, 3, {k.n, outer, inner},
                        {outer * row + padding, row, 1}};
    t.data = fresh((size_t)(k.n * t.strides[0]) * width(dtype));
    return t;
}

static double value_of(int64_t i) {
    return (double)(i * 7919 % 1009) / 300 - 1.6;
}

static void set(void *data, halnorm_dtype dtype, int64_t i, double value) {
    if (dtype == HALNORM_FLOAT32) {
        ((float *)data)[i] = (float)value;
    } else {
        ((double *)data)[i] = value;
    }
}

static void fill(const halnorm_tensor *t, int64_t seed) {
    for (int64_t n = 0; n < t->shape[0]; n++) {
        for (int64_t o = 0; o < t->shape[1]; o++) {
            for (int64_t i = 0; i < t->shape[2]; i++) {
                const int64_t at = n * t->strides[0] + o * t->strides[1] + i;
                set(t->data, t->dtype, at, value_of(at + seed));
            }
        }
    }
}

static void *channels(halnorm_dtype dtype, int64_t c, double from) {
    void *values = fresh((size_t)c * width(dtype));
    for (int64_t i = 0; i < c; i++)
        set(values, dtype, i, from + (double)(i % 5) / 8);
    return values;
}

static void expect_written(const void *data, size_t bytes, const char *what) {
    check(__msan_test_shadow(data, bytes) == -1, what);
}

/* All elements, and nothing else. */
static void expect_result(const halnorm_tensor *t, const char *what) {
    const size_t size = width(t->dtype);
    char *row = t->data;
    for (int64_t n = 0; n < t->shape[0]; n++) {
        for (int64_t o = 0; o < t->shape[1]; o++) {
            row = (char *)t->data + (size_t)(n * t->strides[0] + o * t->strides[1]) * size;
            expect_written(row, (size_t)t->shape[2] * size, what);
            for (size_t i = 0; i < (size_t)(t->strides[1] - t->shape[2]) * size; i++)
                check(__msan_test_shadow(row + (size_t)t->shape[2] * size + i, 1) == 0,
                      "a gap was written");
        }
    }
    elements += (long)(t->shape[0] * t->shape[1] * t->shape[2]);
}

typedef halnorm_status (*SizeQuery)(const halnorm_config *, const halnorm_tensor *, size_t *);

static void *lend(SizeQuery query, const halnorm_config *config, const halnorm_tensor *x,
                  size_t *bytes) {
    *bytes = (size_t)-1;
    check(query(config, x, bytes) == HALNORM_OK, "size query");
    expect_written(bytes, sizeof *bytes, "the size of the workspace was not written");
    return fresh(*bytes);
}

/* What a call returned; the workspace was lent for it alone. */
static void done(halnorm_status status, void *workspace, const char *what) {
    check(status == HALNORM_OK, what);
    check(strcmp(halnorm_last_variant(), variant) == 0, "another variant ran");
    free(workspace);
    calls++;
}

static void run(const halnorm_config *config, halnorm_dtype dtype, Shape k, int64_t padding,
                int affine, int in_place) {
    const int64_t c = k.c;
    halnorm_tensor x = tensor(config->layout, dtype, k, padding),
                   z = tensor(config->layout, dtype, k, padding),
                   dy = tensor(config->layout, dtype, k, padding), y = x, dx = dy,
                   dz = tensor(config->layout, dtype, k, padding);
    if (!in_place) {
        y = tensor(config->layout, dtype, k, padding);
        dx = tensor(config->layout, dtype, k, padding);
    }
    void *const gamma = affine ? channels(dtype, c, 0.75) : NULL;
    void *const beta = affine ? channels(dtype, c, -0.25) : NULL;
    void *const mean = channels(dtype, c, -0.5), *const variance = channels(dtype, c, 0.5);
    void *const dgamma = fresh((size_t)c * width(dtype)), *const dbeta =
                                                              fresh((size_t)c * width(dtype));
    const size_t doubles = (size_t)c * sizeof(double);
    double *const saved[2] = {fresh(doubles), fresh(doubles)};
    double *const sums[2] = {fresh(doubles), fresh(doubles)};
    size_t bytes;
    void *w;

    fill(&x, 1);
    w = lend(halnorm_forward_inference_workspace, config, &x, &bytes);
    done(halnorm_forward_inference(config, &x, gamma, beta, mean, variance, &y, w, bytes), w,
         "inference");
    expect_result(&y, "inference left elements of y as they were");

    fill(&x, 1);
    const halnorm_prepared *prepared = NULL;
    halnorm_tensor result = in_place ? x : tensor(config->layout, dtype, k, padding);
    w = lend(halnorm_prepare_inference_memory, config, &x, &bytes);
    check(halnorm_prepare_inference(config, &x, gamma, beta, mean, variance, &result, w, bytes,
                                    &prepared) == HALNORM_OK,
          "prepare_inference");
    done(halnorm_run_prepared(prepared, x.data, NULL, result.data), w, "a prepared inference");
    expect_result(&result, "a prepared inference left elements of y as they were");
    if (!in_place)
        free(result.data);

    fill(&x, 2);
    int64_t count = 0;
    w = lend(halnorm_statistics_workspace, config, &x, &bytes);
    done(halnorm_statistics(config, &x, &count, saved[0], saved[1], w, bytes), w, "statistics");
    expect_written(saved[0], doubles, "statistics left means as they were");
    expect_written(saved[1], doubles, "statistics left m2 as they were");
    double *const m2 = fresh(doubles), *const average = fresh(doubles);
    memcpy(average, saved[0], doubles);
    memcpy(m2, saved[1], doubles);

    __msan_allocated_memory(saved[0], doubles);
    __msan_allocated_memory(saved[1], doubles);
    w = lend(halnorm_forward_apply_workspace, config, &x, &bytes);
    done(halnorm_forward_apply(config, &x, NULL, count, average, m2, gamma, beta, mean, variance, &y,
                               saved[0], saved[1], w, bytes),
         w, "forward_apply");
    expect_result(&y, "forward_apply left elements of y as they were");
    free(average);
    free(m2);

    fill(&x, 3);
    fill(&z, 4);
    __msan_allocated_memory(saved[0], doubles);
    __msan_allocated_memory(saved[1], doubles);
    w = lend(halnorm_forward_training_workspace, config, &x, &bytes);
    done(halnorm_forward_training_add(config, &x, &z, gamma, beta, mean, variance, &y, saved[0],
                                      saved[1], w, bytes),
         w, "training with z");
    expect_result(&y, "training with z left elements of y as they were");

    fill(&x, 5);
    __msan_allocated_memory(saved[0], doubles);
    __msan_allocated_memory(saved[1], doubles);
    w = lend(halnorm_forward_training_workspace, config, &x, &bytes);
    done(halnorm_forward_training(config, &x, gamma, beta, mean, variance, &y, saved[0], saved[1], w,
                                  bytes),
         w, "training");
    expect_result(&y, "training left elements of y as they were");
    expect_written(saved[0], doubles, "training left saved means as they were");
    expect_written(saved[1], doubles, "training left saved deviations as they were");
    expect_written(mean, (size_t)c * width(dtype), "training left moving means unknown");
    expect_written(variance, (size_t)c * width(dtype), "training left moving variances unknown");

    fill(&x, 6);
    for (int with_z = 0; with_z < 2; with_z++) {
        halnorm_backward_args a = {&x,    NULL,     with_z ? &z : NULL, &dy,      gamma,
                                   beta,  saved[0], saved[1],           NULL,     NULL,
                                   &dx,   with_z ? &dz : NULL,          dgamma,   dbeta};
        fill(&dy, 7);
        check(halnorm_backward_workspace(config, &a, &bytes) == HALNORM_OK, "size query");
        w = fresh(bytes);
        done(halnorm_backward(config, &a, w, bytes), w, "backward");
        expect_result(&dx, "backward left elements of dx as they were");
        if (with_z)
            expect_result(&dz, "backward left elements of dz as they were");
        expect_written(dgamma, (size_t)c * width(dtype), "backward left dgamma as it was");
        expect_written(dbeta, (size_t)c * width(dtype), "backward left dbeta as it was");

        fill(&dy, 8);
        check(halnorm_backward_reduce_workspace(config, &a, &bytes) == HALNORM_OK, "size query");
        w = fresh(bytes);
        done(halnorm_backward_reduce(config, &a, sums[0], sums[1], w, bytes), w, "backward_reduce");
        expect_written(sums[0], doubles, "backward_reduce left sums as they were");
        expect_written(sums[1], doubles, "backward_reduce left sums as they were");
        check(halnorm_backward_apply_workspace(config, &a, &bytes) == HALNORM_OK, "size query");
        w = fresh(bytes);
        done(halnorm_backward_apply(config, &a, k.n * k.s, sums[0], sums[1], w, bytes), w,
             "backward_apply");
        expect_result(&dx, "backward_apply left elements of dx as they were");
        for (int i = 0; i < 2; i++)
            __msan_allocated_memory(sums[i], doubles);
    }

    if (!in_place) {
        free(y.data);
        free(dx.data);
    }
    free(x.data), free(z.data), free(dy.data), free(dz.data);
    free(gamma), free(beta), free(mean), free(variance), free(dgamma), free(dbeta);
    for (int i = 0; i < 2; i++)
        free(saved[i]), free(sums[i]);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s VARIANT\n", argv[0]);
        return 2;
    }
    variant = argv[1];
    int found = 0;
    for (int32_t i = 0; i < halnorm_variant_count(); i++) {
        halnorm_variant_info info;
        check(halnorm_variant_get(i, &info) == HALNORM_OK, "halnorm_variant_get");
        if (strcmp(info.name, variant) != 0)
            continue;
        found = 1;
        if (!info.supported) {
            printf("%s: skipped: %s\n", variant, info.reason);
            return skipped;
        }
    }
    check(found, "no such variant in this build");

    const Shape shapes[] = {{1, 1, 1},   {2, 3, 5},    {1, 8, 16},  {3, 7, 49},   {2, 17, 33},
                            {64, 10, 1}, {5, 257, 1},  {1, 2, 4099}, {4, 64, 64}, {9, 65, 200}};
    for (int layout = HALNORM_NCHW; layout <= HALNORM_NHWC; layout++) {
        for (int dtype = HALNORM_FLOAT32; dtype <= HALNORM_FLOAT64; dtype++) {
            for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
                for (int act = 0; act < HALNORM_ACT_COUNT; act++) {
                    const int64_t size = shapes[i].n * shapes[i].c * shapes[i].s;
                    if (size > 2000 && act != HALNORM_ACT_NONE && act != HALNORM_ACT_SILU)
                        continue;
                    for (int form = 0; form < 8; form++) {
                        halnorm_config config = halnorm_default_config(shapes[i].c);
                        config.layout = (halnorm_layout)layout;
                        config.activation = (halnorm_activation)act;
                        config.variant = variant;
                        config.threads = form == 0 ? 3 : 1;
                        config.stores =
                            form == 0 ? HALNORM_STORES_STREAMING : HALNORM_STORES_AUTOMATIC;
                        run(&config, (halnorm_dtype)dtype, shapes[i], form & 1 ? gap : 0, form & 2,
                            form & 4);
                    }
                }
            }
        }
    }
    printf("%s: %ld calls, %ld elements of results, none with what nobody wrote\n", variant, calls,
           elements);
    return 0;
}
