/* A library of somebody's, NAME, which uses halnorm inside. */
#include <halnorm/halnorm.h>

#define JOINED(a, b) a##b
#define FUNCTION(name, what) JOINED(name, what)

const char *FUNCTION(NAME, _error)(void);
int FUNCTION(NAME, _fails)(void);
int FUNCTION(NAME, _works)(void);

const char *FUNCTION(NAME, _error)(void) {
    return halnorm_last_error();
}

int FUNCTION(NAME, _fails)(void) {
    size_t bytes;
    return halnorm_forward_inference_workspace(NULL, NULL, &bytes) != HALNORM_OK;
}

int FUNCTION(NAME, _works)(void) {
    float x[2] = {1, 2}, mean[1] = {1}, variance[1] = {1};
    const int64_t shape[3] = {2, 1, 1};
    const halnorm_config config = halnorm_default_config(1);
    const halnorm_tensor t = halnorm_dense_tensor(x, HALNORM_FLOAT32, 3, shape);
    _Alignas(HALNORM_WORKSPACE_ALIGNMENT) unsigned char workspace[1024];
    return halnorm_forward_inference(&config, &t, NULL, NULL, mean, variance, &t, workspace, sizeof workspace) == HALNORM_OK &&
           x[0] == 0 && x[1] > 0.9f && x[1] < 1;
}
