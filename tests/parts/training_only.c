/* An app that trains one layer on the device and needs no more of the library than this. */
#include <halnorm/halnorm.h>

int main(void) {
    float x[6] = {0, 1, 2, 3, 4, 5}, y[6], dy[6] = {1}, gamma[1] = {1}, beta[1] = {0}, dgamma[1], dbeta[1];
    float moving_mean[1] = {0}, moving_variance[1] = {1};
    double saved_mean[1], saved_inv_std[1];
    const int64_t shape[3] = {2, 1, 3};
    _Alignas(HALNORM_WORKSPACE_ALIGNMENT) static unsigned char workspace[4096];
    const halnorm_config config = halnorm_default_config(1);
    const halnorm_tensor in = halnorm_dense_tensor(x, HALNORM_FLOAT32, 3, shape);
    const halnorm_tensor out = halnorm_dense_tensor(y, HALNORM_FLOAT32, 3, shape);
    const halnorm_tensor gradient = halnorm_dense_tensor(dy, HALNORM_FLOAT32, 3, shape);
    halnorm_backward_args args = {0};
    args.x = &in;
    args.dy = args.dx = &gradient;
    args.gamma = gamma;
    args.beta = beta;
    args.saved_mean = saved_mean;
    args.saved_inv_std = saved_inv_std;
    args.dgamma = dgamma;
    args.dbeta = dbeta;
    return halnorm_forward_training(&config, &in, gamma, beta, moving_mean, moving_variance, &out, saved_mean, saved_inv_std,
                                    workspace, sizeof workspace) != HALNORM_OK ||
           halnorm_backward(&config, &args, workspace, sizeof workspace) != HALNORM_OK;
}
