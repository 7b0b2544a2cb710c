/* The first worked case of docs/semantics.md, in training, and then inference with the moving
 * statistics it left. */
#include <halnorm/halnorm.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const double expected_y[12] = {-2.18650869, -1.60714347, -1.02777826, -0.44841304,
                                      0.13095218,  0.71031739,  1.28968261,  1.86904782,
                                      2.44841304,  3.02777826,  3.60714347,  4.18650869};
static int failures = 0;

static void check(int good, const char *what) {
    if (!good) {
        fprintf(stderr, "%s; last error: \"%s\"\n", what, halnorm_last_error());
        failures++;
    }
}

static void check_near(double was, double expected, const char *what) {
    if (!(fabs(was - expected) <= 1e-8 * (1 + fabs(expected)))) {
        fprintf(stderr, "%s: was %.10g, should be %.10g\n", what, was, expected);
        failures++;
    }
}

/* Of the size that a query said, or NULL with a complaint. */
static void *workspace_of(size_t bytes) {
    const size_t alignment = HALNORM_WORKSPACE_ALIGNMENT;
    void *workspace = aligned_alloc(alignment, (bytes / alignment + 1) * alignment);
    check(workspace != NULL, "aligned_alloc");
    return workspace;
}

int main(void) {
    double x[12], y[12], gamma[1] = {2}, beta[1] = {1}, mean[1] = {0}, variance[1] = {1};
    double saved_mean[1], saved_inv_std[1];
    const int64_t shape[4] = {2, 1, 2, 3};
    for (int i = 0; i < 12; i++)
        x[i] = i;

    const halnorm_config config = halnorm_default_config(1);
    const halnorm_tensor tx = halnorm_dense_tensor(x, HALNORM_FLOAT64, 4, shape);
    const halnorm_tensor ty = halnorm_dense_tensor(y, HALNORM_FLOAT64, 4, shape);

    size_t bytes = 0;
    check(halnorm_forward_training_workspace(&config, &tx, &bytes) == HALNORM_OK,
          "training's workspace");
    void *workspace = workspace_of(bytes);
    check(halnorm_forward_training(&config, &tx, gamma, beta, mean, variance, &ty, saved_mean,
                                   saved_inv_std, workspace, bytes) == HALNORM_OK,
          "training");
    free(workspace);
    for (int i = 0; i < 12; i++)
        check_near(y[i], expected_y[i], "y in training");
    check_near(saved_mean[0], 5.5, "saved mean");
    check_near(saved_inv_std[0], 0.289682608, "saved inverse deviation");
    check_near(mean[0], 0.55, "moving mean");
    check_near(variance[0], 2.09166667, "moving variance");

    check(halnorm_forward_inference_workspace(&config, &tx, &bytes) == HALNORM_OK,
          "inference's workspace");
    workspace = workspace_of(bytes);
    check(halnorm_forward_inference(&config, &tx, gamma, beta, mean, variance, &ty, workspace,
                                    bytes) == HALNORM_OK,
          "inference");
    free(workspace);
    for (int i = 0; i < 12; i++) {
        check_near(y[i], 2 * (i - mean[0]) / sqrt(variance[0] + 1e-5) + 1, "y in inference");
    }

    printf("%s\n", halnorm_last_variant());
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
