// OpenCL through the loader's library, opened when it is first asked for. Tensors come from host
// memory. Device memory is shared virtual memory, so that addresses of parts of an array are plain
// pointers, as on CUDA.
#include <HalideRuntime.h>
#include <dlfcn.h>

#include "gpu_driver.h"
#include "gpu_load.h"
#include "gpu_opencl_api.h"

namespace halnorm {
namespace {

using namespace opencl;

Api api;
Device device;
Context context;
Queue queue;
Probed probed = {};

#define HALNORM_FIND(name) find(library, #name, &api.name)
bool find_all(void *library) {
    return HALNORM_FIND(clGetPlatformIDs) && HALNORM_FIND(clGetDeviceIDs) &&
           HALNORM_FIND(clGetDeviceInfo) && HALNORM_FIND(clCreateContext) &&
           HALNORM_FIND(clCreateCommandQueueWithProperties) &&
           HALNORM_FIND(clCreateProgramWithSource) && HALNORM_FIND(clBuildProgram) &&
           HALNORM_FIND(clReleaseProgram) && HALNORM_FIND(clCreateKernel) &&
           HALNORM_FIND(clReleaseKernel) && HALNORM_FIND(clSetKernelArg) &&
           HALNORM_FIND(clSetKernelArgSVMPointer) && HALNORM_FIND(clEnqueueNDRangeKernel) &&
           HALNORM_FIND(clEnqueueSVMMemcpy) && HALNORM_FIND(clEnqueueSVMMemFill) &&
           HALNORM_FIND(clFinish) && HALNORM_FIND(clSVMAlloc) && HALNORM_FIND(clSVMFree);
}

// Double precision for the statistics, shared virtual memory for the arrays.
bool fits(Device d) {
    uint64_t doubles = 0, shared = 0;
    return api.clGetDeviceInfo(d, device_double_fp_config, sizeof doubles, &doubles, nullptr) ==
               0 &&
           doubles != 0 &&
           api.clGetDeviceInfo(d, device_svm_capabilities, sizeof shared, &shared, nullptr) == 0 &&
           shared != 0;
}

bool find_device(uint64_t type) {
    constexpr uint32_t room = 16;
    Platform platforms[room];
    uint32_t platform_count = 0;
    if (api.clGetPlatformIDs(room, platforms, &platform_count) != 0)
        return false;
    for (uint32_t p = 0; p < platform_count && p < room; p++) {
        Device devices[room];
        uint32_t device_count = 0;
        if (api.clGetDeviceIDs(platforms[p], type, room, devices, &device_count) != 0)
            continue;
        for (uint32_t d = 0; d < device_count && d < room; d++) {
            if (!fits(devices[d]))
                continue;
            device = devices[d];
            return true;
        }
    }
    return false;
}

// The first GPU, else the first device of any kind. Nothing is released: the context lives as long
// as the process.
const char *probe() {
    void *library = dlopen("libOpenCL.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr)
        return "libOpenCL.so.1 not found: no OpenCL loader";
    if (!find_all(library))
        return "libOpenCL.so.1 lacks an entry point: older than OpenCL 2.0";
    uint32_t platforms = 0;
    if (api.clGetPlatformIDs(0, nullptr, &platforms) != 0 || platforms == 0)
        return "no OpenCL platform";
    if (!find_device(device_type_gpu) && !find_device(device_type_all)) {
        return "no OpenCL device with double precision and shared virtual memory";
    }
    Result result = 0;
    context = api.clCreateContext(nullptr, 1, &device, nullptr, nullptr, &result);
    if (context == nullptr)
        return "the OpenCL device gives no context";
    queue = api.clCreateCommandQueueWithProperties(context, device, nullptr, &result);
    return queue != nullptr ? nullptr : "the OpenCL device gives no queue";
}

const char *why_not() {
    return probed.why_not(probe);
}

// The codes that the calls below can be expected to give; others are told by number alone.
const char *words(Result result) {
    switch (result) {
    case -4:
        return "CL_MEM_OBJECT_ALLOCATION_FAILURE";
    case -5:
        return "CL_OUT_OF_RESOURCES";
    case -6:
        return "CL_OUT_OF_HOST_MEMORY";
    case -11:
        return "CL_BUILD_PROGRAM_FAILURE";
    case -46:
        return "CL_INVALID_KERNEL_NAME";
    case -52:
        return "CL_INVALID_KERNEL_ARGS";
    case -54:
        return "CL_INVALID_WORK_GROUP_SIZE";
    default:
        return "OpenCL error";
    }
}

thread_local Program program;  // of the kernel that runs now
LoadedKernels programs = {};

bool check(const char *what, Result result) {
    if (result != 0)
        gpu_failed(what, words(result), result);
    return result == 0;
}

void enter(bool, void *) {}

void leave() {
    program = nullptr;
}

void *allocate(size_t bytes) {
    if (gpu_has_failed())
        return nullptr;
    void *memory = api.clSVMAlloc(context, memory_read_write, bytes, 0);
    if (memory == nullptr)
        gpu_failed("clSVMAlloc", "out of memory", 0);
    return memory;
}

// A failed call may leave work in the queue that still uses the memory.
void release(void *memory) {
    api.clFinish(queue);
    api.clSVMFree(context, memory);
}

void copy(void *to, const void *from, size_t bytes) {
    if (gpu_has_failed())
        return;
    check("clEnqueueSVMMemcpy",
          api.clEnqueueSVMMemcpy(queue, blocking, to, from, bytes, 0, nullptr, nullptr));
}

void fill(void *values, int64_t count, size_t element, uint64_t bits) {
    if (gpu_has_failed())
        return;
    check("clEnqueueSVMMemFill",
          api.clEnqueueSVMMemFill(queue, values, &bits, element,
                                  static_cast<size_t>(count) * element, 0, nullptr, nullptr));
}

void *load(const char *source, size_t bytes) {
    Result result = 0;
    const Program p = api.clCreateProgramWithSource(context, 1, &source, &bytes, &result);
    if (!check("clCreateProgramWithSource", result))
        return nullptr;
    if (check("clBuildProgram", api.clBuildProgram(p, 1, &device, "", nullptr, nullptr)))
        return p;
    api.clReleaseProgram(p);
    return nullptr;
}

void initialize(const char *source, size_t bytes) {
    program = nullptr;
    if (gpu_has_failed())
        return;
    // The size counts the terminating zero, which is no part of a program.
    while (bytes > 0 && source[bytes - 1] == '\0')
        bytes--;
    program = static_cast<Program>(programs.find_or_load(context, 0, source, bytes, load));
}

bool set_arguments(Kernel kernel, size_t shared_bytes, const size_t *sizes, void **arguments,
                   const int8_t *is_buffer) {
    uint32_t i = 0;
    for (; sizes[i] != 0; i++) {
        if (is_buffer[i]) {
            const uintptr_t address =
                static_cast<uintptr_t>(static_cast<halide_buffer_t *>(arguments[i])->device);
            const void *pointer = reinterpret_cast<const void *>(address);
            if (!check("clSetKernelArgSVMPointer",
                       api.clSetKernelArgSVMPointer(kernel, i, pointer)))
                return false;
        } else if (!check("clSetKernelArg",
                          api.clSetKernelArg(kernel, i, sizes[i], arguments[i]))) {
            return false;
        }
    }
    // The last argument of every kernel is its shared memory, of which there must not be nothing.
    return check("clSetKernelArg",
                 api.clSetKernelArg(kernel, i, shared_bytes > 0 ? shared_bytes : 1, nullptr));
}

void run(const char *name, const size_t (&blocks)[3], const size_t (&threads)[3],
         size_t shared_bytes, const size_t *sizes, void **arguments, const int8_t *is_buffer) {
    if (gpu_has_failed())
        return;
    Result result = 0;
    const Kernel kernel = api.clCreateKernel(program, name, &result);
    if (!check("clCreateKernel", result))
        return;
    if (set_arguments(kernel, shared_bytes, sizes, arguments, is_buffer)) {
        const size_t all[] = {blocks[0] * threads[0], blocks[1] * threads[1],
                              blocks[2] * threads[2]};
        check("clEnqueueNDRangeKernel", api.clEnqueueNDRangeKernel(queue, kernel, 3, nullptr, all,
                                                                   threads, 0, nullptr, nullptr));
    }
    api.clReleaseKernel(kernel);
}

}  // namespace

const GpuDriver opencl_driver = {why_not, enter, leave, allocate, release, copy, copy, copy, fill};

}  // namespace halnorm

// See gpu_cuda.cpp.
extern "C" {

int halnorm_halide_opencl_initialize_kernels(void *, void **, const char *source, int size);
int halnorm_halide_opencl_run(void *, void *, const char *name, int blocks_x, int blocks_y,
                              int blocks_z, int threads_x, int threads_y, int threads_z,
                              int shared_bytes, size_t *sizes, void **arguments, int8_t *is_buffer);
void halnorm_halide_opencl_finalize_kernels(void *, void *);
const halide_device_interface_t *halnorm_halide_opencl_device_interface();

int halnorm_halide_opencl_initialize_kernels(void *, void **, const char *source, int size) {
    halnorm::initialize(source, static_cast<size_t>(size));
    return 0;
}

int halnorm_halide_opencl_run(void *, void *, const char *name, int blocks_x, int blocks_y,
                              int blocks_z, int threads_x, int threads_y, int threads_z,
                              int shared_bytes, size_t *sizes, void **arguments,
                              int8_t *is_buffer) {
    const auto u = [](int v) { return static_cast<size_t>(v); };
    halnorm::run(name, {u(blocks_x), u(blocks_y), u(blocks_z)},
                 {u(threads_x), u(threads_y), u(threads_z)}, u(shared_bytes), sizes, arguments,
                 is_buffer);
    return 0;
}

void halnorm_halide_opencl_finalize_kernels(void *, void *) {}

const halide_device_interface_t *halnorm_halide_opencl_device_interface() {
    return nullptr;
}

}  // extern "C"
