/* An app that has a trained layer and needs no more of the library than this. */
#include <halnorm/halnorm.h>

int main(void) {
    float x[6] = {0, 1, 2, 3, 4, 5}, mean[1] = {2}, variance[1] = {3};
    const int64_t shape[3] = {2, 1, 3};
    const halnorm_config config = halnorm_default_config(1);
    const halnorm_tensor t = halnorm_dense_tensor(x, HALNORM_FLOAT32, 3, shape);
    _Alignas(HALNORM_WORKSPACE_ALIGNMENT) static unsigned char workspace[4096];
    return (int)halnorm_forward_inference(&config, &t, NULL, NULL, mean, variance, &t, workspace,
                                          sizeof workspace);
}
