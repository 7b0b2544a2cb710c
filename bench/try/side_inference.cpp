#include "prepared.h"

namespace {

using bench::side::Prepared;

struct Inference {
    static halnorm_status workspace(const Prepared &p, size_t *bytes) {
        return halnorm_forward_inference_workspace(&p.config, &p.x, bytes);
    }
    static halnorm_status call(const Prepared &p) {
        return halnorm_forward_inference(&p.config, &p.x, p.c.gamma, p.c.beta, p.c.moving_mean,
                                         p.c.moving_variance, &p.y, p.c.workspace,
                                         p.c.workspace_bytes);
    }
};

}  // namespace

const bench::side::Side halnorm_side = bench::side::side_of<Inference>();
