// CUDA through the driver's own library, opened when it is first asked for. The few declarations
// that are needed are here, so nothing of a CUDA toolkit is wanted at build time or link time.
#include <HalideRuntime.h>
#include <dlfcn.h>

#include "gpu_driver.h"
#include "gpu_load.h"

namespace halnorm {
namespace {

using Result = int;
using Device = int;
using Pointer = unsigned long long;
struct ContextTag;
struct ModuleTag;
struct FunctionTag;
struct StreamTag;
using Context = ContextTag *;
using Module = ModuleTag *;
using Function = FunctionTag *;
using Stream = StreamTag *;

constexpr int compute_capability_major = 75;  // CUdevice_attribute
constexpr int needed_major = 7;               // the PTX is for 7.0

struct Api {
    Result (*cuInit)(unsigned flags);
    Result (*cuDeviceGetCount)(int *count);
    Result (*cuDeviceGet)(Device *device, int ordinal);
    Result (*cuDeviceGetAttribute)(int *value, int attribute, Device device);
    Result (*cuDevicePrimaryCtxRetain)(Context *context, Device device);
    Result (*cuCtxGetCurrent)(Context *context);
    Result (*cuCtxPushCurrent)(Context context);
    Result (*cuCtxPopCurrent)(Context *context);
    Result (*cuModuleLoadData)(Module *module, const void *image);
    Result (*cuModuleGetFunction)(Function *function, Module module, const char *name);
    Result (*cuLaunchKernel)(Function function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                             unsigned block_x, unsigned block_y, unsigned block_z,
                             unsigned shared_bytes, Stream stream, void **parameters, void **extra);
    Result (*cuMemAlloc)(Pointer *pointer, size_t bytes);
    Result (*cuMemFree)(Pointer pointer);
    Result (*cuMemcpyHtoD)(Pointer to, const void *from, size_t bytes);
    Result (*cuMemcpyDtoHAsync)(void *to, Pointer from, size_t bytes, Stream stream);
    Result (*cuMemcpyDtoDAsync)(Pointer to, Pointer from, size_t bytes, Stream stream);
    Result (*cuStreamSynchronize)(Stream stream);
    Result (*cuMemsetD32Async)(Pointer to, unsigned value, size_t count, Stream stream);
    Result (*cuMemsetD2D32Async)(Pointer to, size_t pitch, unsigned value, size_t width,
                                 size_t height, Stream stream);
    Result (*cuGetErrorName)(Result result, const char **name);
    Result (*cuCtxGetId)(Context context,
                         unsigned long long *id);  // from CUDA 12 on; nullptr before
};

Api api;
Device device;
Probed probed = {};

// The versions of the entry points are those that cuda.h maps the plain names to.
bool find_all(void *library) {
    find(library, "cuCtxGetId", &api.cuCtxGetId);
    return find(library, "cuInit", &api.cuInit) &&
           find(library, "cuDeviceGetCount", &api.cuDeviceGetCount) &&
           find(library, "cuDeviceGet", &api.cuDeviceGet) &&
           find(library, "cuDeviceGetAttribute", &api.cuDeviceGetAttribute) &&
           find(library, "cuDevicePrimaryCtxRetain", &api.cuDevicePrimaryCtxRetain) &&
           find(library, "cuCtxGetCurrent", &api.cuCtxGetCurrent) &&
           find(library, "cuCtxPushCurrent_v2", &api.cuCtxPushCurrent) &&
           find(library, "cuCtxPopCurrent_v2", &api.cuCtxPopCurrent) &&
           find(library, "cuModuleLoadData", &api.cuModuleLoadData) &&
           find(library, "cuModuleGetFunction", &api.cuModuleGetFunction) &&
           find(library, "cuLaunchKernel", &api.cuLaunchKernel) &&
           find(library, "cuMemAlloc_v2", &api.cuMemAlloc) &&
           find(library, "cuMemFree_v2", &api.cuMemFree) &&
           find(library, "cuMemcpyHtoD_v2", &api.cuMemcpyHtoD) &&
           find(library, "cuMemcpyDtoHAsync_v2", &api.cuMemcpyDtoHAsync) &&
           find(library, "cuMemcpyDtoDAsync_v2", &api.cuMemcpyDtoDAsync) &&
           find(library, "cuStreamSynchronize", &api.cuStreamSynchronize) &&
           find(library, "cuMemsetD32Async", &api.cuMemsetD32Async) &&
           find(library, "cuMemsetD2D32Async", &api.cuMemsetD2D32Async) &&
           find(library, "cuGetErrorName", &api.cuGetErrorName);
}

const char *words(Result result) {
    const char *name = nullptr;
    return api.cuGetErrorName(result, &name) == 0 && name != nullptr ? name : "unknown error";
}

// Driver packages install libcuda.so.1; the plain name comes with a toolkit. Never closed: the
// driver's threads live on.
const char *probe() {
    void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr)
        library = dlopen("libcuda.so", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr)
        return "libcuda.so.1 not found: no CUDA driver";
    if (!find_all(library))
        return "libcuda.so.1 lacks an entry point: the CUDA driver is too old";
    if (const Result result = api.cuInit(0))
        return words(result);
    int count = 0, major = 0;
    if (const Result result = api.cuDeviceGetCount(&count))
        return words(result);
    if (count == 0)
        return "no CUDA device";
    for (int i = 0; i < count; i++) {
        if (api.cuDeviceGet(&device, i) == 0 &&
            api.cuDeviceGetAttribute(&major, compute_capability_major, device) == 0 &&
            major >= needed_major) {
            return nullptr;
        }
    }
    return "no CUDA device of compute capability 7.0 or more";
}

const char *why_not() {
    return probed.why_not(probe);
}

// What this thread's call works with, from enter() to leave().
struct Current {
    Context context;
    Stream stream;
    Module module;  // of the kernel that runs now
    bool pushed;
};
thread_local Current current = {};
LoadedKernels modules = {};

// Calls an entry point unless something failed before; false and noted where it fails.
template<typename F, typename... Arguments>
bool call(const char *what, F *function, Arguments... arguments) {
    if (gpu_has_failed())
        return false;
    const Result result = function(arguments...);
    if (result != 0)
        gpu_failed(what, words(result), result);
    return result == 0;
}
#define HALNORM_CUDA_CALL(name, ...) call(#name, api.name, __VA_ARGS__)

void enter(bool callers, void *stream) {
    current = {nullptr, static_cast<Stream>(stream), nullptr, false};
    if (callers) {
        if (HALNORM_CUDA_CALL(cuCtxGetCurrent, &current.context) && current.context == nullptr) {
            gpu_failed("cuCtxGetCurrent", "this thread has no current context", 0);
        }
        return;
    }
    // Retained once more each time and never released: the kernels loaded into it stay.
    if (!HALNORM_CUDA_CALL(cuDevicePrimaryCtxRetain, &current.context, device))
        return;
    current.pushed = HALNORM_CUDA_CALL(cuCtxPushCurrent, current.context);
}

void leave() {
    Context popped;
    if (current.pushed)
        api.cuCtxPopCurrent(&popped);
    current = {};
}

void *allocate(size_t bytes) {
    Pointer p = 0;
    return HALNORM_CUDA_CALL(cuMemAlloc, &p, bytes) ? reinterpret_cast<void *>(p) : nullptr;
}

void release(void *memory) {
    api.cuMemFree(reinterpret_cast<Pointer>(memory));
}

void upload(void *to, const void *from, size_t bytes) {
    HALNORM_CUDA_CALL(cuMemcpyHtoD, reinterpret_cast<Pointer>(to), from, bytes);
}

void download(void *to, const void *from, size_t bytes) {
    // After what is in the stream: a stream of the caller need not wait for the default one.
    HALNORM_CUDA_CALL(cuMemcpyDtoHAsync, to, reinterpret_cast<Pointer>(from), bytes,
                      current.stream);
    HALNORM_CUDA_CALL(cuStreamSynchronize, current.stream);
}

void copy(void *to, const void *from, size_t bytes) {
    HALNORM_CUDA_CALL(cuMemcpyDtoDAsync, reinterpret_cast<Pointer>(to),
                      reinterpret_cast<Pointer>(from), bytes, current.stream);
}

// There is no fill of 64 bits: the two halves are columns of a table of two.
void fill(void *values, int64_t count, size_t element, uint64_t bits) {
    const Pointer to = reinterpret_cast<Pointer>(values);
    const size_t n = static_cast<size_t>(count);
    const unsigned low = static_cast<unsigned>(bits), high = static_cast<unsigned>(bits >> 32);
    if (element == 4 || low == high) {
        HALNORM_CUDA_CALL(cuMemsetD32Async, to, low, n * (element / 4), current.stream);
        return;
    }
    HALNORM_CUDA_CALL(cuMemsetD2D32Async, to, size_t{8}, low, size_t{1}, n, current.stream);
    HALNORM_CUDA_CALL(cuMemsetD2D32Async, to + 4, size_t{8}, high, size_t{1}, n, current.stream);
}

void *load(const char *ptx, size_t) {
    Module module = nullptr;
    return HALNORM_CUDA_CALL(cuModuleLoadData, &module, ptx) ? module : nullptr;
}

void initialize(const char *ptx, size_t bytes) {
    current.module = nullptr;
    if (gpu_has_failed())
        return;
    // A context destroyed and another made at its address differ in their ids.
    unsigned long long id = 0;
    if (api.cuCtxGetId != nullptr)
        api.cuCtxGetId(current.context, &id);
    current.module =
        static_cast<Module>(modules.find_or_load(current.context, id, ptx, bytes, load));
}

constexpr int max_arguments = 64;

void run(const char *name, const unsigned (&blocks)[3], const unsigned (&threads)[3],
         unsigned shared_bytes, const size_t *sizes, void **arguments, const int8_t *is_buffer) {
    Function function = nullptr;
    if (!HALNORM_CUDA_CALL(cuModuleGetFunction, &function, current.module, name))
        return;
    void *parameters[max_arguments];
    int count = 0;
    for (; sizes[count] != 0; count++) {
        if (count == max_arguments)
            return gpu_failed("cuLaunchKernel", "more arguments than the runtime expects", count);
        void *argument = arguments[count];
        parameters[count] =
            is_buffer[count] ? &static_cast<halide_buffer_t *>(argument)->device : argument;
    }
    HALNORM_CUDA_CALL(cuLaunchKernel, function, blocks[0], blocks[1], blocks[2], threads[0],
                      threads[1], threads[2], shared_bytes, current.stream, parameters,
                      static_cast<void **>(nullptr));
}

}  // namespace

const GpuDriver cuda_driver = {why_not, enter,    leave, allocate, release,
                               upload,  download, copy,  fill};

}  // namespace halnorm

// What the host side of a kernel calls (Halide 21; the prefix is given to the kernels' objects by
// the build). Kernels ignore what these return: failures are noted.
extern "C" {

int halnorm_halide_cuda_initialize_kernels(void *, void **, const char *source, int size);
int halnorm_halide_cuda_run(void *, void *, const char *name, int blocks_x, int blocks_y,
                            int blocks_z, int threads_x, int threads_y, int threads_z,
                            int shared_bytes, size_t *sizes, void **arguments, int8_t *is_buffer);
void halnorm_halide_cuda_finalize_kernels(void *, void *);
const halide_device_interface_t *halnorm_halide_cuda_device_interface();

int halnorm_halide_cuda_initialize_kernels(void *, void **, const char *source, int size) {
    halnorm::initialize(source, static_cast<size_t>(size));
    return 0;
}

int halnorm_halide_cuda_run(void *, void *, const char *name, int blocks_x, int blocks_y,
                            int blocks_z, int threads_x, int threads_y, int threads_z,
                            int shared_bytes, size_t *sizes, void **arguments, int8_t *is_buffer) {
    const auto u = [](int v) { return static_cast<unsigned>(v); };
    halnorm::run(name, {u(blocks_x), u(blocks_y), u(blocks_z)},
                 {u(threads_x), u(threads_y), u(threads_z)}, u(shared_bytes), sizes, arguments,
                 is_buffer);
    return 0;
}

void halnorm_halide_cuda_finalize_kernels(void *, void *) {}

const halide_device_interface_t *halnorm_halide_cuda_device_interface() {
    return nullptr;
}

}  // extern "C"
