/* Streaming stores in a library with one layout: asked for, they are taken, and give the bits of
 * ordinary ones. WITH_NCHW is 0 or 1, VARIANT a name, and the linker's --wrap leads the layout's
 * streaming kernel of normalize past a count, WRAP before REAL. */
#include <halnorm/halnorm.h>
#include <stdio.h>
#include <string.h>

static int calls;
int REAL(void *, void *, void *, void *, int, float, float, float, int, void *);
int WRAP(void *x, void *center, void *scale, void *offset, int form, float lower, float upper,
         float alpha, int ahead, void *y);
int WRAP(void *x, void *center, void *scale, void *offset, int form, float lower, float upper,
         float alpha, int ahead, void *y) {
    calls++;
    return REAL(x, center, scale, offset, form, lower, upper, alpha, ahead, y);
}

enum { N = 17, C = 32, LONGEST = 64, ALL = N * C * LONGEST };

static float x[ALL] __attribute__((aligned(64))), y[2][ALL] __attribute__((aligned(64)));
static double mean[C], inv_std[C];
static unsigned char workspace[1 << 16] __attribute__((aligned(HALNORM_WORKSPACE_ALIGNMENT)));

static int run(int64_t s, halnorm_stores stores, float *to) {
    const int64_t nchw[3] = {N, C, s}, nhwc[3] = {N, s, C};
    const int64_t *shape = WITH_NCHW ? nchw : nhwc;
    halnorm_config config = halnorm_default_config(C);
    config.layout = WITH_NCHW ? HALNORM_NCHW : HALNORM_NHWC;
    config.variant = VARIANT;
    config.stores = stores;
    const halnorm_tensor in = halnorm_dense_tensor(x, HALNORM_FLOAT32, 3, shape),
                         out = halnorm_dense_tensor(to, HALNORM_FLOAT32, 3, shape);
    return halnorm_forward_training(&config, &in, NULL, NULL, NULL, NULL, &out, mean, inv_std,
                                    workspace, sizeof workspace);
}

int main(void) {
    for (int i = 0; i < ALL; i++)
        x[i] = (float)(i % 1009) - 500;
    const int64_t rows[] = {LONGEST, 49};
    for (int k = 0; k < 2; k++) {
        memset(y, 0, sizeof y);
        const halnorm_status status = run(rows[k], HALNORM_STORES_ORDINARY, y[0]);
        if (status == HALNORM_ERROR_VARIANT_UNSUPPORTED)
            return 77;
        if (status != HALNORM_OK || run(rows[k], HALNORM_STORES_STREAMING, y[1]) != HALNORM_OK) {
            printf("%s\n", halnorm_last_error());
            return 1;
        }
        if (memcmp(y[0], y[1], sizeof *y) != 0) {
            printf("rows of %d: other bits than by ordinary stores\n", (int)rows[k]);
            return 1;
        }
    }
    printf("%d\n", calls > 0);
    return 0;
}
