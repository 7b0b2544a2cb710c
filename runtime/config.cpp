// Values that a caller starts from.
#include <math.h>

#include "halnorm/halnorm.h"

extern "C" {

halnorm_config halnorm_default_config(int64_t num_channels) {
    halnorm_config config = {};
    config.num_channels = num_channels;
    config.activation_alpha = static_cast<double>(NAN);
    config.momentum = 0.9;
    config.epsilon = 1e-5;
    return config;
}

halnorm_tensor halnorm_dense_tensor(void *data, halnorm_dtype dtype, int32_t rank,
                                    const int64_t *shape) {
    halnorm_tensor t = {};
    t.data = data;
    t.dtype = dtype;
    t.rank = rank;
    if (rank < 1 || rank > HALNORM_MAX_RANK || shape == nullptr)
        return t;
    int64_t stride = 1;
    for (int i = rank - 1; i >= 0; i--) {
        t.shape[i] = shape[i];
        t.strides[i] = stride;
        if (shape[i] > 0 && stride <= INT64_MAX / shape[i])
            stride *= shape[i];  // too large is refused by the calls
    }
    return t;
}

}  // extern "C"
