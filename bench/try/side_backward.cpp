#include "prepared.h"

namespace {

using bench::side::Prepared;

struct Backward {
    static halnorm_status workspace(const Prepared &p, size_t *bytes) {
        return halnorm_backward_workspace(&p.config, &p.gradients, bytes);
    }
    static halnorm_status call(const Prepared &p) {
        return halnorm_backward(&p.config, &p.gradients, p.c.workspace, p.c.workspace_bytes);
    }
};

}  // namespace

const bench::side::Side halnorm_side = bench::side::side_of<Backward>();
