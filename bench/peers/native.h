/* What the processes of `./run bench --peers` need of C, loaded by native.py: halnorm's calls, the
 * floor's sweeps, another library's calls through a pointer, and the clock around them. One process
 * is one thread; errors are a phrase that peers_error() has until the next one. */
#ifndef HALNORM_BENCH_PEERS_NATIVE_H_
#define HALNORM_BENCH_PEERS_NATIVE_H_

#include <halnorm/halnorm.h>

#define HALNORM_PEERS_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

typedef enum peers_pipeline { PEERS_INFERENCE, PEERS_TRAINING, PEERS_BACKWARD } peers_pipeline;

/* Enumerators of halnorm.h as their numbers. prepared: inference in two steps, the first before the
 * clock. */
typedef struct peers_case {
    int32_t pipeline, activation, layout, dtype, rank, threads, stores, prepared;
    int64_t shape[HALNORM_MAX_RANK]; /* in the layout's order */
} peers_case;

/* Dense tensors like x; the others have a value per channel. A backward pass reads dy and writes dx
 * into out. */
typedef struct peers_memory {
    void *x, *dy, *out, *gamma, *beta, *moving_mean, *moving_variance;
    double *saved_mean, *saved_inv_std;
    void *dgamma, *dbeta;
} peers_memory;

/* Something to be timed. */
typedef struct peers_contender peers_contender;

HALNORM_PEERS_API const char *peers_error(void);

/* NULL where halnorm refuses the case. The memory is the caller's; moving statistics are updated by
 * training. */
HALNORM_PEERS_API peers_contender *peers_halnorm(const peers_case *c, const peers_memory *memory);

/* The floor's sweeps (bench/floor.h) that read `reads` tensors of `bytes`: how many there are,
 * their names, one of them. */
HALNORM_PEERS_API int32_t peers_sweep_count(int32_t reads);
HALNORM_PEERS_API const char *peers_sweep_name(int32_t reads, int32_t index);
HALNORM_PEERS_API peers_contender *peers_sweep(int32_t reads, int32_t index, const void *x,
                                               const void *x2, void *out, size_t bytes);

/* A call of oneDNN's dnnl_primitive_execute, whose address is given, then its dnnl_stream_wait:
 * both return 0 when they succeed. */
typedef int (*peers_execute)(void *primitive, void *stream, int count, const void *arguments);
typedef int (*peers_wait)(void *stream);
HALNORM_PEERS_API peers_contender *peers_onednn(peers_execute execute, peers_wait wait,
                                                void *primitive, void *stream, int32_t count,
                                                const void *arguments);

/* Seconds that `calls` calls took, of the process's processor time or of real time; negative on an
 * error. */
HALNORM_PEERS_API double peers_time(peers_contender *contender, int64_t calls, int32_t cpu_time);
HALNORM_PEERS_API void peers_free(peers_contender *contender);

/* Which variant the last call of halnorm ran. */
HALNORM_PEERS_API const char *peers_variant(void);

/* Memory aligned to a page, zeroed; NULL where there is none. */
HALNORM_PEERS_API void *peers_allocate(size_t bytes);
HALNORM_PEERS_API void peers_release(void *memory);

/* Pseudo-random numbers in [low, high), the same for the same seed. */
HALNORM_PEERS_API void peers_fill(void *data, int32_t dtype, int64_t count, uint64_t seed,
                                  double low, double high);

/* How many elements differ by more than tolerance * (1 + |a|), or are NaN in one only. */
HALNORM_PEERS_API int64_t peers_differences(const void *a, const void *b, int32_t dtype,
                                            int64_t count, double tolerance);

#ifdef __cplusplus
}
#endif

#endif /* HALNORM_BENCH_PEERS_NATIVE_H_ */
