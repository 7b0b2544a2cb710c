/* An app with a kernel of its own that Halide made. */
#include "app_kernel.h"

#include <halnorm/halnorm.h>
#include <stdio.h>

static halide_buffer_t buffer_of(float *data, halide_dimension_t *dimension) {
    halide_buffer_t b = {0};
    b.host = (uint8_t *)data;
    b.type.code = halide_type_float;
    b.type.bits = 32;
    b.type.lanes = 1;
    b.dimensions = 1;
    b.dim = dimension;
    return b;
}

int main(void) {
    float x[6] = {1, 2, 3, 4, 5, 6}, y[6] = {0}, mean[1] = {7}, variance[1] = {1};
    halide_dimension_t dimension = {0, 6, 1, 0};
    halide_buffer_t in = buffer_of(x, &dimension), out = buffer_of(y, &dimension);
    if (app_kernel(&in, 2.0f, &out) != 0 || y[0] != 2 || y[5] != 12) {
        puts("the app's kernel is wrong");
        return 1;
    }
    const int64_t shape[3] = {6, 1, 1};
    const halnorm_config config = halnorm_default_config(1);
    const halnorm_tensor t = halnorm_dense_tensor(y, HALNORM_FLOAT32, 3, shape);
    _Alignas(HALNORM_WORKSPACE_ALIGNMENT) unsigned char workspace[1024];
    if (halnorm_forward_inference(&config, &t, NULL, NULL, mean, variance, &t, workspace, sizeof workspace) != HALNORM_OK ||
        y[0] > -4.9f || y[0] < -5 || y[5] < 4.9f || y[5] > 5) {
        printf("inference is wrong: %s\n", halnorm_last_error());
        return 1;
    }
    puts(halnorm_last_variant());
    return 0;
}
