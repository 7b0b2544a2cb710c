// What the driver and one side of a comparison agree on. A side is a shared object that holds the
// runtime of one state of the tree and the kernels of one variant that one pipeline needs, in one
// layout and dtype. The driver includes no header of the tree, so the two sides may differ in all
// of them. Memory is the driver's, and the same for both sides: where a buffer lies changes its
// time.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bench::side {

struct Case {
    const char *variant, *activation;
    bool nhwc, float64;
    int32_t threads;
    int64_t n, c, s;
    // n * c * s values each; dy is used by the backward pass, dx is y.
    void *x, *dy, *y;
    // c values each.
    void *gamma, *beta, *moving_mean, *moving_variance, *dgamma, *dbeta;
    double *saved_mean, *saved_inv_std;
    void *workspace;
    size_t workspace_bytes;
};

struct Variant {
    const char *name, *why_unsupported;  // NULL where this machine runs it
    bool chosen;
};

struct Side {
    // Variant `index` of the state's list; false beyond its end.
    bool (*variant)(int32_t index, Variant *variant);
    // Bytes of workspace. On failure the state's message is in *error.
    size_t (*workspace)(const Case *, const char **error);
    // A call that is ready to be made. It keeps no reference to the Case.
    void *(*prepare)(const Case *);
    // NULL, or the state's message.
    const char *(*call)(void *prepared);
    void (*release)(void *prepared);
};

}  // namespace bench::side

extern "C" __attribute__((visibility("default"))) const bench::side::Side halnorm_side;
