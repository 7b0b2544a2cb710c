/* Camera frames of 96 x 96 x 16 features, normalized in place with the weights of a trained layer, on memory that is all
 * static: no heap, no threads, one file.
 *
 *     cc -Os frames.c -I.../include -L.../lib -lhalnorm -lm -o frames
 */
#include <halnorm/halnorm.h>
#include <stdio.h>
#include <time.h>

enum { frames = 50, height = 96, width = 96, channels = 16 };

/* As a training leaves them: by `halnorm::state` in a safetensors file, or copied from any framework. */
static const float gamma_[channels] = {1.02f, 0.97f, 1.11f, 0.88f, 1.00f, 1.05f, 0.93f, 1.21f,
                                       0.99f, 1.04f, 0.91f, 1.07f, 0.86f, 1.13f, 0.95f, 1.01f};
static const float beta_[channels] = {0.10f, -0.21f, 0.05f, 0.00f, 0.31f, -0.12f, 0.07f, 0.02f,
                                      -0.04f, 0.15f, -0.09f, 0.22f, 0.01f, -0.18f, 0.06f, 0.11f};
static const float moving_mean[channels] = {0.48f, 0.51f, 0.46f, 0.55f, 0.50f, 0.47f, 0.52f, 0.49f,
                                            0.53f, 0.45f, 0.50f, 0.54f, 0.48f, 0.51f, 0.47f, 0.50f};
static const float moving_variance[channels] = {0.08f, 0.07f, 0.09f, 0.08f, 0.10f, 0.08f, 0.07f, 0.09f,
                                                0.08f, 0.08f, 0.09f, 0.07f, 0.08f, 0.10f, 0.08f, 0.09f};

static float frame[height * width * channels];

/* What halnorm_prepare_inference_memory asks for here is less; the program says so if it is not. */
static _Alignas(HALNORM_WORKSPACE_ALIGNMENT) unsigned char memory[8192];

static void take_picture(unsigned seed) {
    for (int i = 0; i < height * width * channels; i++) {
        seed = seed * 1664525u + 1013904223u;
        frame[i] = (float)(seed >> 8) / 16777216.0f;
    }
}

static int failed(const char *what) {
    fprintf(stderr, "%s: %s\n", what, halnorm_last_error());
    return 1;
}

int main(void) {
    const int64_t shape[4] = {1, height, width, channels};
    const halnorm_tensor x = halnorm_dense_tensor(frame, HALNORM_FLOAT32, 4, shape);
    halnorm_config config = halnorm_default_config(channels);
    config.layout = HALNORM_NHWC;
    config.activation = HALNORM_ACT_RELU6;
    config.threads = 1;

    size_t bytes = 0;
    const halnorm_prepared *layer = NULL;
    if (halnorm_prepare_inference_memory(&config, &x, &bytes) != HALNORM_OK)
        return failed("size of the memory");
    if (bytes > sizeof memory) {
        fprintf(stderr, "memory: was %zu bytes, should be %zu\n", sizeof memory, bytes);
        return 1;
    }
    if (halnorm_prepare_inference(&config, &x, gamma_, beta_, moving_mean, moving_variance, &x, memory, sizeof memory,
                                  &layer) != HALNORM_OK)
        return failed("preparation");

    clock_t ticks = 0;
    double mean = 0;
    for (unsigned k = 0; k < frames; k++) {
        take_picture(k);
        const clock_t begin = clock();
        if (halnorm_run_prepared(layer, frame, NULL, frame) != HALNORM_OK)
            return failed("inference");
        ticks += clock() - begin;
        for (int i = 0; i < height * width * channels; i++)
            mean += frame[i];
    }
    printf("%d frames of %d x %d x %d by %s: %.0f us each, mean %.4f, %zu bytes of memory\n", frames, height, width,
           channels, halnorm_last_variant(), 1e6 * (double)ticks / CLOCKS_PER_SEC / frames,
           mean / frames / (height * width * channels), bytes);
    return 0;
}
