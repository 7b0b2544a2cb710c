/* A stand-in for libcuda.so.1 that keeps books: device memory is host memory, kernels do nothing.
 * FAKE_CUDA in the environment says what is wrong with the machine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long long pointer;

enum {
    invalid_value = 1,
    out_of_memory = 2,
    no_device = 100,
    bad_ptx = 222,
    illegal_address = 700,
    launch_failed = 719,
    mismatch = 803 /* of the driver's library and its kernel module */
};

static struct {
    int allocations, live, loads, launches, contexts, retained;
    int copies, reads; /* within the device, and from it */
    int calls;         /* of the entry point that is to fail */
    int others;        /* works in another stream than the test expects */
    void *stream;
    void *current[8];
} books;

static const char *fault(void) {
    const char *name = getenv("FAKE_CUDA");
    return name != NULL ? name : "";
}

static int fails(const char *name) {
    return strcmp(fault(), name) == 0;
}

/* "fails NAME K CODE": the K-th call of an entry point does, counted from fake_cuda_count_calls(). */
static int injected(const char *name) {
    char which[64];
    int k, code;
    if (sscanf(fault(), "fails %63s %d %d", which, &k, &code) != 3 || strcmp(which, name) != 0)
        return 0;
    return ++books.calls == k ? code : 0;
}
#define INJECT()                              \
    do {                                      \
        const int code = injected(__func__);  \
        if (code != 0)                        \
            return code;                      \
    } while (0)

static void works_in(void *stream) {
    if (stream != books.stream)
        books.others++;
}

/* For the test. */
int fake_cuda_book(const char *name) {
    if (strcmp(name, "allocations") == 0)
        return books.allocations;
    if (strcmp(name, "live") == 0)
        return books.live;
    if (strcmp(name, "loads") == 0)
        return books.loads;
    if (strcmp(name, "launches") == 0)
        return books.launches;
    if (strcmp(name, "contexts") == 0)
        return books.contexts;
    if (strcmp(name, "copies") == 0)
        return books.copies;
    if (strcmp(name, "reads") == 0)
        return books.reads;
    if (strcmp(name, "others") == 0)
        return books.others;
    return -1;
}
void fake_cuda_count_calls(void) {
    books.calls = 0;
}
void fake_cuda_expect_stream(void *stream) {
    books.stream = stream;
}

int cuInit(unsigned flags) {
    INJECT();
    (void)flags;
    return fails("no driver for the device") ? no_device : 0;
}
int cuDeviceGetCount(int *count) {
    INJECT();
    *count = fails("no device") ? 0 : 1;
    return 0;
}
int cuDeviceGet(int *device, int ordinal) {
    INJECT();
    *device = ordinal;
    return 0;
}
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    INJECT();
    (void)attribute, (void)device;
    *value = fails("an old device") ? 6 : 9;
    return 0;
}
int cuDevicePrimaryCtxRetain(void **context, int device) {
    INJECT();
    (void)device;
    books.retained++;
    *context = &books.retained;
    return 0;
}
int cuCtxGetCurrent(void **context) {
    INJECT();
    *context = books.contexts > 0 ? books.current[books.contexts - 1] : NULL;
    return 0;
}
int cuCtxPushCurrent_v2(void *context) {
    INJECT();
    books.current[books.contexts++] = context;
    return 0;
}
int cuCtxPopCurrent_v2(void **context) {
    INJECT();
    *context = books.current[--books.contexts];
    return 0;
}
int cuModuleLoadData(void **module, const void *image) {
    INJECT();
    if (fails("an unknown PTX"))
        return bad_ptx;
    books.loads++;
    *module = (void *)(size_t)image;
    return 0;
}
int cuModuleGetFunction(void **function, void *module, const char *name) {
    INJECT();
    /* The name must be an entry of the text that was loaded. */
    *function = strstr(module, name);
    return *function != NULL ? 0 : invalid_value;
}
int cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                   unsigned bz, unsigned shared, void *stream, void **parameters, void **extra) {
    INJECT();
    (void)function, (void)shared, (void)extra;
    if (fails("a broken device"))
        return launch_failed;
    if (parameters == NULL || gx == 0 || gy == 0 || gz == 0 || gy > 65535 || gz > 65535 ||
        bx * by * bz > 1024) {
        return invalid_value;
    }
    works_in(stream);
    books.launches++;
    return 0;
}
int cuMemAlloc_v2(pointer *memory, size_t bytes) {
    INJECT();
    if (fails("little memory") && books.live == 3)
        return out_of_memory;
    books.allocations++;
    books.live++;
    *memory = (pointer)(size_t)malloc(bytes);
    return 0;
}
int cuMemFree_v2(pointer memory) {
    INJECT();
    books.live--;
    free((void *)(size_t)memory);
    return 0;
}
int cuMemcpyHtoD_v2(pointer to, const void *from, size_t bytes) {
    INJECT();
    works_in(NULL);
    memcpy((void *)(size_t)to, from, bytes);
    return 0;
}
int cuMemcpyDtoHAsync_v2(void *to, pointer from, size_t bytes, void *stream) {
    INJECT();
    if (fails("unreadable memory"))
        return illegal_address;
    works_in(stream);
    books.reads++;
    memcpy(to, (const void *)(size_t)from, bytes);
    return 0;
}
int cuMemcpyDtoDAsync_v2(pointer to, pointer from, size_t bytes, void *stream) {
    INJECT();
    works_in(stream);
    books.copies++;
    memmove((void *)(size_t)to, (const void *)(size_t)from, bytes);
    return 0;
}
int cuStreamSynchronize(void *stream) {
    INJECT();
    works_in(stream);
    return 0;
}
int cuMemsetD32Async(pointer to, unsigned value, size_t count, void *stream) {
    INJECT();
    unsigned *words = (unsigned *)(size_t)to;
    works_in(stream);
    for (size_t i = 0; i < count; i++)
        words[i] = value;
    return 0;
}
#ifndef OLD_DRIVER /* lacks it */
int cuMemsetD2D32Async(pointer to, size_t pitch, unsigned value, size_t width, size_t height,
                       void *stream) {
    INJECT();
    works_in(stream);
    for (size_t row = 0; row < height; row++) {
        unsigned *words = (unsigned *)(size_t)(to + row * pitch);
        for (size_t i = 0; i < width; i++)
            words[i] = value;
    }
    return 0;
}
#endif
int cuGetErrorName(int result, const char **name) {
    *name = result == out_of_memory   ? "CUDA_ERROR_OUT_OF_MEMORY" :
            result == no_device       ? "CUDA_ERROR_NO_DEVICE" :
            result == bad_ptx         ? "CUDA_ERROR_UNSUPPORTED_PTX_VERSION" :
            result == illegal_address ? "CUDA_ERROR_ILLEGAL_ADDRESS" :
            result == launch_failed   ? "CUDA_ERROR_LAUNCH_FAILED" :
            result == mismatch        ? "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH" :
            result == invalid_value   ? "CUDA_ERROR_INVALID_VALUE" :
                                        NULL; /* newer than this driver */
    return *name != NULL ? 0 : invalid_value;
}
