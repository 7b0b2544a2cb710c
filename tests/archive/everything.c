/* An app that calls every function of the library. */
#include <halnorm/halnorm.h>

int main(void) {
    double x[6] = {0, 1, 2, 3, 4, 5}, z[6] = {0}, dy[6] = {1}, sum_g[1], sum_g_xhat[1],
           mean[1] = {0}, variance[1] = {1}, m2[1], saved_mean[1], saved_inv_std[1];
    const int64_t shape[3] = {2, 1, 3};
    _Alignas(HALNORM_WORKSPACE_ALIGNMENT) static unsigned char workspace[4096];
    int64_t count = 0;
    size_t bytes = 0;
    halnorm_variant_info info;
    int failed = 0;

    halnorm_config config = halnorm_default_config(1);
    const halnorm_tensor t = halnorm_dense_tensor(x, HALNORM_FLOAT64, 3, shape);
    failed |= halnorm_activation_from_name("elu", &config.activation);
    config.activation_alpha = halnorm_activation_default_alpha(config.activation);
    failed |= halnorm_forward_inference_workspace(&config, &t, &bytes);
    failed |= halnorm_forward_inference(&config, &t, NULL, NULL, mean, variance, &t, workspace,
                                        sizeof workspace);
    const halnorm_prepared *prepared = NULL;
    failed |= halnorm_prepare_inference_memory(&config, &t, &bytes);
    failed |= halnorm_prepare_inference(&config, &t, NULL, NULL, mean, variance, &t, workspace,
                                        sizeof workspace, &prepared);
    failed |= halnorm_run_prepared(prepared, x, NULL, x);
    failed |= halnorm_forward_training_workspace(&config, &t, &bytes);
    failed |= halnorm_forward_training(&config, &t, NULL, NULL, mean, variance, &t, saved_mean,
                                       saved_inv_std, workspace, sizeof workspace);
    const halnorm_tensor gradient = halnorm_dense_tensor(dy, HALNORM_FLOAT64, 3, shape);
    const halnorm_tensor other = halnorm_dense_tensor(z, HALNORM_FLOAT64, 3, shape);
    failed |= halnorm_forward_inference_add(&config, &t, &other, NULL, NULL, mean, variance, &t,
                                            workspace, sizeof workspace);
    failed |= halnorm_prepare_inference_add(&config, &t, &other, NULL, NULL, mean, variance, &t,
                                            workspace, sizeof workspace, &prepared);
    failed |= halnorm_run_prepared(prepared, x, z, x);
    failed |= halnorm_forward_training_add(&config, &t, &other, NULL, NULL, mean, variance, &t,
                                           saved_mean, saved_inv_std, workspace, sizeof workspace);
    halnorm_backward_args args = {0};
    args.x = &t;
    args.z = &other;
    args.dy = args.dx = &gradient;
    args.saved_mean = saved_mean;
    args.saved_inv_std = saved_inv_std;
    failed |= halnorm_backward_workspace(&config, &args, &bytes);
    failed |= halnorm_backward(&config, &args, workspace, sizeof workspace);
    failed |= halnorm_backward_reduce_workspace(&config, &args, &bytes);
    failed |=
        halnorm_backward_reduce(&config, &args, sum_g, sum_g_xhat, workspace, sizeof workspace);
    failed |= halnorm_backward_apply_workspace(&config, &args, &bytes);
    failed |=
        halnorm_backward_apply(&config, &args, 6, sum_g, sum_g_xhat, workspace, sizeof workspace);
    failed |= halnorm_statistics_workspace(&config, &t, &bytes);
    failed |= halnorm_statistics(&config, &t, &count, saved_mean, m2, workspace, sizeof workspace);
    failed |= halnorm_forward_apply_workspace(&config, &t, &bytes);
    failed |= halnorm_forward_apply(&config, &t, NULL, count, saved_mean, m2, NULL, NULL, NULL,
                                    NULL, &t, NULL, NULL, workspace, sizeof workspace);
    failed |= halnorm_statistics_merge(1, &count, saved_mean, m2, count, mean, variance);
    for (int32_t i = 0; i < halnorm_variant_count(); i++)
        failed |= halnorm_variant_get(i, &info);
    failed |= halnorm_activation_name(config.activation) == NULL || *halnorm_last_variant() == '\0';
    failed |= *halnorm_status_name(HALNORM_OK) == '\0' || *halnorm_last_error() != '\0';
    return failed;
}
