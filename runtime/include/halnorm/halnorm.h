/* halnorm: batch normalization for training and inference on devices.
 *
 * This header says what each function takes, returns and refuses. The formulas, the edges (one
 * element per channel, empty tensors, constant channels, NaN) and the accuracy that holds are in
 * docs/semantics.md (share/doc/halnorm/semantics.md where it is installed).
 *
 * How a call works: describe tensors as views of your memory, fill in a halnorm_config, ask how
 * much workspace the call needs, lend it, call. Functions return a status; nothing here aborts,
 * throws, prints (but for one line where HALNORM_VERBOSE is 1 in the environment), or, when it runs
 * serially or on your executor, allocates or takes a lock. Where a check fails, no output has been
 * touched. All functions may be called from many threads at once as long as they do not write the
 * same memory; where there is no operating system, whose threads have memory of their own, one task
 * at a time.
 */
#ifndef HALNORM_HALNORM_H_
#define HALNORM_HALNORM_H_

#include <stddef.h>
#include <stdint.h>

#define HALNORM_VERSION_MAJOR 0
#define HALNORM_VERSION_MINOR 1
#define HALNORM_VERSION_PATCH 0

#ifdef __cplusplus
extern "C" {
#endif

/* An enum is an int: in C++, where a number that is no enumerator is refused by the call that gets
 * it, and in C by a last enumerator that nothing uses, also where compilers make enums as small as
 * they can be (-fshort-enums, the default of those for bare ARM). */
#ifdef __cplusplus
#define HALNORM_ENUM_OF_INT : int
#define HALNORM_ENUM_END(name)
#else
#define HALNORM_ENUM_OF_INT
#define HALNORM_ENUM_END(name) , name = 0x7fffffff
#endif

/* ---- Status ---- */

typedef enum halnorm_status HALNORM_ENUM_OF_INT {
    HALNORM_OK = 0,
    HALNORM_ERROR_NULL,      /* a required pointer is NULL */
    HALNORM_ERROR_RANK,      /* rank is not 2 to 5 */
    HALNORM_ERROR_SHAPE,     /* a negative extent, or shapes or channels that do not match */
    HALNORM_ERROR_STRIDE,    /* strides that overlap within a tensor or do not fold to (s, c, n) */
    HALNORM_ERROR_OVERLAP,   /* an output shares memory with another argument in a way that is not
                                allowed */
    HALNORM_ERROR_ALIGNMENT, /* a pointer is not a multiple of its element's size */
    HALNORM_ERROR_DTYPE,     /* unknown, or x and y differ */
    HALNORM_ERROR_PARAMETER, /* a field of the configuration is out of its range */
    HALNORM_ERROR_TOO_LARGE, /* an extent, stride or size beyond what a kernel can address */
    HALNORM_ERROR_WORKSPACE, /* workspace or memory NULL, misaligned or smaller than needed */
    HALNORM_ERROR_VARIANT_UNKNOWN,     /* no variant of that name in this build */
    HALNORM_ERROR_VARIANT_UNSUPPORTED, /* this machine cannot run that variant */
    HALNORM_ERROR_DEVICE,      /* device unavailable, or a tensor is not where the variant works */
    HALNORM_ERROR_KERNEL,      /* a kernel or the device's driver reported a failure */
    HALNORM_ERROR_UNSUPPORTED, /* valid, but not in this version or this build */
    HALNORM_ERROR_FILE         /* halnorm::state: a file cannot be read or written, or holds
                                  something else */
        HALNORM_ENUM_END(HALNORM_STATUS_END)
} halnorm_status;

/* Name of a status, e.g. "HALNORM_ERROR_SHAPE"; never NULL. */
const char *halnorm_status_name(halnorm_status status);

/* What the calling thread's last failed call complained of: the argument, what it was, what it
 * should have been. Valid until the thread's next failed call; "" before the first. A program that
 * does not call it does not contain the messages, 6 KB; the layer in C++ calls it. */
const char *halnorm_last_error(void);

/* ---- Tensors ---- */

typedef enum halnorm_dtype HALNORM_ENUM_OF_INT {
    HALNORM_FLOAT32 = 0,
    HALNORM_FLOAT64 = 1 HALNORM_ENUM_END(HALNORM_DTYPE_END)
} halnorm_dtype;

/* Which axis holds the channels: axis 1 (NCHW, and NC, NCL, NCDHW), or the last (NHWC, and NC, NLC,
 * NDHWC). */
typedef enum halnorm_layout HALNORM_ENUM_OF_INT {
    HALNORM_NCHW = 0,
    HALNORM_NHWC = 1 HALNORM_ENUM_END(HALNORM_LAYOUT_END)
} halnorm_layout;

/* Where a tensor's memory lies. HALNORM_CUDA: data is a CUdeviceptr of the current CUDA context. */
typedef enum halnorm_device HALNORM_ENUM_OF_INT {
    HALNORM_CPU = 0,
    HALNORM_CUDA = 1 HALNORM_ENUM_END(HALNORM_DEVICE_END)
} halnorm_device;

#define HALNORM_MAX_RANK 5

/* A view of memory that the caller owns. Extents may be 0. Strides count elements and are positive;
 * they may leave gaps (padding, a slice of channels) as long as the axes fold to three dimensions:
 * the axes other than the channel's must step through memory like one axis or two, and the inner of
 * these or the channel axis be dense or of extent 1. */
typedef struct halnorm_tensor {
    void *data;
    halnorm_dtype dtype;
    halnorm_device device;
    int32_t rank; /* 2 to 5 */
    int64_t shape[HALNORM_MAX_RANK];
    int64_t strides[HALNORM_MAX_RANK]; /* in elements */
} halnorm_tensor;

/* A dense row-major tensor on the CPU: strides are computed from shape[0..rank). A rank outside 2
 * to 5 is kept and refused by the call that receives the tensor; shape is not to be NULL. */
halnorm_tensor halnorm_dense_tensor(void *data, halnorm_dtype dtype, int32_t rank,
                                    const int64_t *shape);

/* ---- Configuration ---- */

/* v is the normalized value; the formulas are in docs/semantics.md. activation_alpha is the slope
 * of leaky_relu (default 0.02) and hardsigmoid (0.2), and the alpha of elu (1). */
typedef enum halnorm_activation HALNORM_ENUM_OF_INT {
    HALNORM_ACT_NONE = 0,
    HALNORM_ACT_RELU,
    HALNORM_ACT_RELU6,
    HALNORM_ACT_LEAKY_RELU,
    HALNORM_ACT_ELU,
    HALNORM_ACT_SIGMOID,
    HALNORM_ACT_TANH,
    HALNORM_ACT_SILU,
    HALNORM_ACT_SWISH, /* another name for silu */
    HALNORM_ACT_HARDSIGMOID,
    HALNORM_ACT_HARDSWISH,
    HALNORM_ACT_GELU,
    HALNORM_ACT_GELU_TANH,
    HALNORM_ACT_SOFTPLUS,
    HALNORM_ACT_MISH,
    HALNORM_ACT_COUNT HALNORM_ENUM_END(HALNORM_ACTIVATION_END)
} halnorm_activation;

/* Name as in docs/semantics.md ("leaky_relu"); NULL for a number that is no activation. */
const char *halnorm_activation_name(halnorm_activation activation);

/* The number for a name, and HALNORM_ERROR_PARAMETER with the list of names for an unknown one. */
halnorm_status halnorm_activation_from_name(const char *name, halnorm_activation *activation);

/* The alpha that an activation has by default (0.02, 1, 0.2; 0 where it has none). */
double halnorm_activation_default_alpha(halnorm_activation activation);

/* Estimator of the variance that enters the moving variance: M2 / m, or M2 / (m - 1) as PyTorch's.
 */
typedef enum halnorm_variance_estimator HALNORM_ENUM_OF_INT {
    HALNORM_VARIANCE_POPULATION = 0,
    HALNORM_VARIANCE_SAMPLE = 1 HALNORM_ENUM_END(HALNORM_VARIANCE_ESTIMATOR_END)
} halnorm_variance_estimator;

/* How y, or dx of a backward pass, is stored. Streaming stores go past the cache: memory is not
 * read before it is written, and x is not displaced, but whoever reads y next finds none of it in
 * the cache. The results are the same bits. On x86 with AVX2 or AVX-512, where y is no other tensor
 * of the call and its rows (a pixel's channels in NHWC, an image's channel in NCHW) allow it. In
 * NHWC they, or those of some pixels that follow one another, are whole multiples of 64 bytes (16
 * float32, 8 float64), and start at multiples of 16 bytes (64 with activations other than none,
 * relu, relu6 and hardsigmoid). In NCHW they have 64 bytes or more, wherever they start, and follow
 * one another; with gaps between them 32 KB, or 8 KB in training and backward. Otherwise, where the
 * gradient of a curved activation is made in dx first, in builds without HALNORM_STREAMING and on
 * all other machines, stores are ordinary. */
typedef enum halnorm_stores HALNORM_ENUM_OF_INT {
    HALNORM_STORES_AUTOMATIC = 0, /* streaming where the tensors of the call exceed 0.8 of the
                                     last-level cache; in a virtual machine, of up to 32 MB, and
                                     with one thread 0.7, or 0.55 where the call reduces */
    HALNORM_STORES_ORDINARY,      /* for a consumer that reads y next, before it is evicted */
    HALNORM_STORES_STREAMING      /* wherever that is possible */
        HALNORM_ENUM_END(HALNORM_STORES_END)
} halnorm_stores;

/* Your threads. parallel_for calls task(argument, i) once for each i in [0, tasks), in any order,
 * on any threads, and returns when all of them have returned. It must not throw. Calls on less than
 * 64 K elements are serial. */
typedef struct halnorm_executor {
    void (*parallel_for)(void *context, int64_t tasks, void (*task)(void *argument, int64_t index),
                         void *argument);
    void *context;
} halnorm_executor;

typedef struct halnorm_config {
    int64_t num_channels;          /* >= 1, < 2^31; x's channel axis must have this extent */
    halnorm_layout layout;         /* default HALNORM_NCHW */
    halnorm_activation activation; /* default HALNORM_ACT_NONE */
    double activation_alpha; /* finite in x's dtype; NaN (the default): the activation's own */
    double momentum;         /* finite, weight of the OLD moving value; default 0.9 */
    double epsilon;          /* finite, >= 0; default 1e-5 */
    halnorm_variance_estimator moving_variance_estimator; /* default population */
    const char
        *variant;    /* NULL: HALNORM_VARIANT of the environment, else the best for this machine */
    int32_t threads; /* 0: all cores, 1: serial, 256 at most; the result is the same bits for any
                        number. The pool works for one call at a time, and others that come
                        meanwhile are serial. Its threads, made when first needed, end with the
                        process: see docs/embedding.md before you unload a library that holds
                        halnorm */
    const halnorm_executor *executor; /* NULL: the built-in pool; otherwise `threads` is not used */
    halnorm_stores stores;            /* default HALNORM_STORES_AUTOMATIC */
    /* CUstream for tensors on HALNORM_CUDA; NULL: the default stream. Such a call returns when its
     * work is in the stream. Once that is done the results are there, or the stream reports that a
     * kernel failed; until then the arguments' memory has to live, and its workspace serves no call
     * on another stream. */
    void *cuda_stream;
} halnorm_config;

/* All defaults, with num_channels. */
halnorm_config halnorm_default_config(int64_t num_channels);

/* ---- Pipelines ----
 *
 * x, y:  same dtype, shape, device and order of axes in memory (padding may differ). y may be x
 * itself (same data and strides): in place. Any other overlap of an output with another argument is
 * an error. A tensor counts as all of the memory from its first to its last element, its gaps
 * included. gamma, beta, moving_mean, moving_variance: num_channels values of x's dtype. gamma NULL
 * acts as 1, beta NULL as 0. workspace: at least as many bytes as the pipeline's ..._workspace
 * function says for the same config and x, aligned to HALNORM_WORKSPACE_ALIGNMENT, not shared with
 * a concurrent call. May be NULL where that is 0. All arrays of a call lie on x's device, the
 * workspace and those of doubles too.
 */
#define HALNORM_WORKSPACE_ALIGNMENT 64

/* Bytes of workspace for the pipelines on a tensor like x (data is not read and may be NULL). */
halnorm_status halnorm_forward_inference_workspace(const halnorm_config *config,
                                                   const halnorm_tensor *x, size_t *bytes);
halnorm_status halnorm_forward_training_workspace(const halnorm_config *config,
                                                  const halnorm_tensor *x, size_t *bytes);
halnorm_status halnorm_statistics_workspace(const halnorm_config *config, const halnorm_tensor *x,
                                            size_t *bytes);

/* y = act(gamma * (x - moving_mean) / sqrt(moving_variance + epsilon) + beta). */
halnorm_status halnorm_forward_inference(const halnorm_config *config, const halnorm_tensor *x,
                                         const void *gamma, const void *beta,
                                         const void *moving_mean, const void *moving_variance,
                                         const halnorm_tensor *y, void *workspace,
                                         size_t workspace_bytes);

/* Inference by weights and statistics that stay as they are, as in an app that does not train: all
 * that halnorm_forward_inference does before it looks at elements (checks, choice of kernels,
 * coefficients of channels) is done once, and halnorm_run_prepared is left with the elements. The
 * results are the same bits. For the CPU: HALNORM_ERROR_UNSUPPORTED for tensors elsewhere, and
 * where a variant for GPUs is asked for.
 *
 * memory: at least as many bytes as ..._memory says for the same config and x, aligned to
 * HALNORM_WORKSPACE_ALIGNMENT, shared with no other argument. *prepared points into it, and is good
 * as long as nobody writes there or moves it; there is nothing to release. Tensors are those of
 * halnorm_forward_inference; their data is not used and may be NULL. Everything else is read now
 * and may go afterwards, but for executor->context. */
typedef struct halnorm_prepared halnorm_prepared;
halnorm_status halnorm_prepare_inference_memory(const halnorm_config *config,
                                                const halnorm_tensor *x, size_t *bytes);
halnorm_status halnorm_prepare_inference(const halnorm_config *config, const halnorm_tensor *x,
                                         const void *gamma, const void *beta,
                                         const void *moving_mean, const void *moving_variance,
                                         const halnorm_tensor *y, void *memory, size_t memory_bytes,
                                         const halnorm_prepared **prepared);
/* Of halnorm_forward_inference_add. */
halnorm_status halnorm_prepare_inference_add(const halnorm_config *config, const halnorm_tensor *x,
                                             const halnorm_tensor *z, const void *gamma,
                                             const void *beta, const void *moving_mean,
                                             const void *moving_variance, const halnorm_tensor *y,
                                             void *memory, size_t memory_bytes,
                                             const halnorm_prepared **prepared);
/* y from x, and z where that was prepared, else NULL: the elements of tensors like those that were
 * prepared for, with their strides. y may be x or z itself where their strides are the same. Any
 * number of threads may run one `prepared` at once, for y of their own. Needs no workspace. Checks
 * pointers alone: NULL, alignment, overlap, a z that was not prepared for (PARAMETER). */
halnorm_status halnorm_run_prepared(const halnorm_prepared *prepared, const void *x, const void *z,
                                    void *y);

/* y = act(gamma * (x - mean) / sqrt(var + epsilon) + beta) over the mean and variance of the batch.
 * moving_mean, moving_variance: read and updated in place, new = old * momentum + batch * (1 -
 * momentum); NULL, both or neither: there are none. saved_mean, saved_inv_std: num_channels doubles
 * each for the backward pass, or NULL, both or neither. With one element per channel y = act(x),
 * both saved values are 0 and the moving statistics stay as they are; an empty x leaves everything
 * as it is, but sets the saved values to 0. */
halnorm_status halnorm_forward_training(const halnorm_config *config, const halnorm_tensor *x,
                                        const void *gamma, const void *beta, void *moving_mean,
                                        void *moving_variance, const halnorm_tensor *y,
                                        double *saved_mean, double *saved_inv_std, void *workspace,
                                        size_t workspace_bytes);

/* The same with a second addend, for residual networks: y = act(gamma * (x - mean) / sqrt(var +
 * epsilon) + beta + z). z: a tensor like x. y may be x itself or z itself. With one element per
 * channel in training y = act(x + z). The workspace is that of the function without _add. */
halnorm_status halnorm_forward_inference_add(const halnorm_config *config, const halnorm_tensor *x,
                                             const halnorm_tensor *z, const void *gamma,
                                             const void *beta, const void *moving_mean,
                                             const void *moving_variance, const halnorm_tensor *y,
                                             void *workspace, size_t workspace_bytes);
halnorm_status halnorm_forward_training_add(const halnorm_config *config, const halnorm_tensor *x,
                                            const halnorm_tensor *z, const void *gamma,
                                            const void *beta, void *moving_mean,
                                            void *moving_variance, const halnorm_tensor *y,
                                            double *saved_mean, double *saved_inv_std,
                                            void *workspace, size_t workspace_bytes);

/* The two halves of training, for a batch that is spread over machines: each computes the
 * statistics of its part, they are exchanged and merged, and each normalizes its part by the whole
 * batch's. Done on one machine they give what halnorm_forward_training gives, up to the order of
 * sums. */

/* count = elements per channel (on the host, also for tensors on a device), mean and m2 = sum((x -
 * mean)^2): num_channels doubles each. */
halnorm_status halnorm_statistics(const halnorm_config *config, const halnorm_tensor *x,
                                  int64_t *count, double *mean, double *m2, void *workspace,
                                  size_t workspace_bytes);

/* Merges statistics of another part of the batch into (count, mean, m2) by Chan's formula: a sum
 * over machines or over pieces of a batch. All arrays hold num_channels doubles in the host's
 * memory, none shares memory with another. HALNORM_ERROR_PARAMETER for a negative count,
 * HALNORM_ERROR_TOO_LARGE for a sum of counts beyond 64 bits. */
halnorm_status halnorm_statistics_merge(int64_t num_channels, int64_t *count, double *mean,
                                        double *m2, int64_t other_count, const double *other_mean,
                                        const double *other_m2);

/* The second half: halnorm_forward_training with the statistics of the whole batch, of which x is a
 * part. count: elements per channel of the whole, at least as many as x has. mean, m2: num_channels
 * doubles each, as halnorm_statistics gives them. z: a second addend as in ..._add, or NULL. */
halnorm_status halnorm_forward_apply_workspace(const halnorm_config *config,
                                               const halnorm_tensor *x, size_t *bytes);
halnorm_status halnorm_forward_apply(const halnorm_config *config, const halnorm_tensor *x,
                                     const halnorm_tensor *z, int64_t count, const double *mean,
                                     const double *m2, const void *gamma, const void *beta,
                                     void *moving_mean, void *moving_variance,
                                     const halnorm_tensor *y, double *saved_mean,
                                     double *saved_inv_std, void *workspace,
                                     size_t workspace_bytes);

/* ---- Backward ---- */

/* What a backward pass reads, and the results that are wanted (NULL: not wanted, not computed).
 * Tensors have the shape, dtype and device of x; they must fold together with it. Pointers to
 * per-channel values are as in the forward pass. */
typedef struct halnorm_backward_args {
    /* What the forward pass normalized. Or, where x is gone because that ran in place, y instead
     * and x NULL: for the activations none, leaky_relu and elu with an alpha > 0 of which 1 / alpha
     * is finite in x's dtype, without z, and where no gamma is 0, since x is recovered as
     * act^-1(y). An elu that has rounded to -alpha counts as that of log(u), u = 2^-24 (float64:
     * 2^-53). */
    const halnorm_tensor *x, *y;
    const halnorm_tensor *z; /* the second addend of the forward pass; NULL: there was none */
    const halnorm_tensor *dy;
    const void *gamma, *beta;
    /* The statistics that the forward pass used: of the batch, as it saved them, or the moving
     * ones. Two of the four are given. */
    const double *saved_mean, *saved_inv_std;
    const void *moving_mean, *moving_variance;

    /* Gradients by x and z: with g = dy * act'(.), xhat = (x - mean) * inv_std, m elements per
     * channel,
     *     dbeta = sum(g), dgamma = sum(g * xhat), dz = g,
     *     dx = gamma * inv_std * (g - dbeta / m - xhat * dgamma / m)   saved statistics
     *     dx = gamma * inv_std * g                                     moving statistics
     * dx or dz may be dy itself (same data and strides). relu's derivative at 0 is 0; other
     * kinks are in docs/semantics.md. */
    const halnorm_tensor *dx, *dz;
    void *dgamma, *dbeta; /* num_channels values of x's dtype */
} halnorm_backward_args;

/* Bytes of workspace for the same arguments (no data is read). Where neither dx nor dz is wanted,
 * and in the first half below, a z and all activations but none, relu, relu6, leaky_relu and
 * hardsigmoid need room for g. */
halnorm_status halnorm_backward_workspace(const halnorm_config *config,
                                          const halnorm_backward_args *args, size_t *bytes);

/* With saved statistics of one element per channel (m == 1): dx = dz = g, dgamma = dbeta = 0. For
 * an empty x: dgamma = dbeta = 0. */
halnorm_status halnorm_backward(const halnorm_config *config, const halnorm_backward_args *args,
                                void *workspace, size_t workspace_bytes);

/* The two halves, for a batch that is spread over machines: the sums of each part are exchanged and
 * added, and the totals applied to each part.
 * reduce: sum_g = sum(g) and sum_g_xhat = sum(g * xhat), num_channels doubles each; the results in
 * args are not used.
 * apply: the results in args from the totals over `count` elements per channel, at least as many as
 * dy has. */
halnorm_status halnorm_backward_reduce_workspace(const halnorm_config *config,
                                                 const halnorm_backward_args *args, size_t *bytes);
halnorm_status halnorm_backward_reduce(const halnorm_config *config,
                                       const halnorm_backward_args *args, double *sum_g,
                                       double *sum_g_xhat, void *workspace, size_t workspace_bytes);
halnorm_status halnorm_backward_apply_workspace(const halnorm_config *config,
                                                const halnorm_backward_args *args, size_t *bytes);
halnorm_status halnorm_backward_apply(const halnorm_config *config,
                                      const halnorm_backward_args *args, int64_t count,
                                      const double *sum_g, const double *sum_g_xhat,
                                      void *workspace, size_t workspace_bytes);

/* ---- Variants ---- */

typedef struct halnorm_variant_info {
    const char *name;     /* e.g. "x86_avx2" */
    const char *arch;     /* e.g. "x86-64" */
    const char *features; /* space-separated, e.g. "sse41 avx f16c fma avx2"; "" for none */
    int32_t experimental; /* chosen only by name */
    int32_t supported;    /* this machine can run it */
    int32_t chosen;       /* a call with config.variant == NULL and tensors on the CPU uses it */
    const char
        *reason; /* why it is or is not supported or chosen, one phrase; points to static memory */
} halnorm_variant_info;

/* Variants in this build, in order of preference; the last is one that every machine of the
 * platform runs. */
int32_t halnorm_variant_count(void);

/* index in [0, halnorm_variant_count()), else HALNORM_ERROR_PARAMETER.
 * HALNORM_ERROR_VARIANT_UNKNOWN or _UNSUPPORTED for any index where HALNORM_VARIANT of the
 * environment names none that this machine runs, as from every call on the CPU without
 * config.variant. */
halnorm_status halnorm_variant_get(int32_t index, halnorm_variant_info *info);

/* Makes the variants for GPUs (cuda, opencl) available. They are large (about 1 MB), and a program
 * in which nothing calls this does not carry them: they are listed, and refused with a reason. Call
 * it before any other function; a second call does nothing. Without such variants in the build it
 * does nothing either. */
void halnorm_enable_gpu(void);

/* Which variant's kernels the calling thread's last successful pipeline call ran; "" before the
 * first. */
const char *halnorm_last_variant(void);

#ifdef __cplusplus
}
#endif

#endif /* HALNORM_HALNORM_H_ */
