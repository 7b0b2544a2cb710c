/* Lists the variants, one a line, and runs the one that is named. */
#include <halnorm/halnorm.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    float x[6] = {0, 1, 2, 3, 4, 5}, y[6], mean[1] = {2}, variance[1] = {1};
    const int64_t shape[3] = {2, 1, 3};
    static _Alignas(HALNORM_WORKSPACE_ALIGNMENT) unsigned char workspace[4096];

    for (int32_t i = 0; i < halnorm_variant_count(); i++) {
        halnorm_variant_info info;
        if (halnorm_variant_get(i, &info) != HALNORM_OK)
            return 1;
        printf("%s%s%s%s\n", info.name, info.experimental ? " experimental" : "",
               info.supported ? " supported" : "", info.chosen ? " chosen" : "");
    }
    halnorm_config config = halnorm_default_config(1);
    config.variant = argc > 1 ? argv[1] : NULL;
    config.epsilon = 0;
    const halnorm_tensor tx = halnorm_dense_tensor(x, HALNORM_FLOAT32, 3, shape);
    const halnorm_tensor ty = halnorm_dense_tensor(y, HALNORM_FLOAT32, 3, shape);
    if (halnorm_forward_inference(&config, &tx, NULL, NULL, mean, variance, &ty, workspace,
                                  sizeof workspace) != HALNORM_OK) {
        fprintf(stderr, "%s\n", halnorm_last_error());
        return 1;
    }
    printf("ran %s\n", halnorm_last_variant());
    for (int i = 0; i < 6; i++) {
        if (y[i] != x[i] - 2)
            return 1;
    }
    return 0;
}
