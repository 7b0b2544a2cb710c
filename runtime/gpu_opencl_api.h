// What gpu_opencl.cpp needs of CL/cl.h, so that no header of OpenCL is wanted at build time.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace halnorm {
namespace opencl {

using Result = int32_t;
struct PlatformTag;
struct DeviceTag;
struct ContextTag;
struct QueueTag;
struct ProgramTag;
struct KernelTag;
using Platform = PlatformTag *;
using Device = DeviceTag *;
using Context = ContextTag *;
using Queue = QueueTag *;
using Program = ProgramTag *;
using Kernel = KernelTag *;

// Values of cl.h.
constexpr uint64_t device_type_gpu = 1 << 2, device_type_all = 0xffffffff;
constexpr uint32_t device_double_fp_config = 0x1032, device_svm_capabilities = 0x1053;
constexpr uint64_t memory_read_write = 1 << 0;
constexpr uint32_t blocking = 1;

struct Api {
    Result (*clGetPlatformIDs)(uint32_t room, Platform *platforms, uint32_t *count);
    Result (*clGetDeviceIDs)(Platform platform, uint64_t type, uint32_t room, Device *devices,
                             uint32_t *count);
    Result (*clGetDeviceInfo)(Device device, uint32_t name, size_t room, void *value,
                              size_t *bytes);
    Context (*clCreateContext)(const intptr_t *properties, uint32_t count, const Device *devices,
                               void (*notify)(const char *, const void *, size_t, void *),
                               void *argument, Result *result);
    Queue (*clCreateCommandQueueWithProperties)(Context context, Device device,
                                                const uint64_t *properties, Result *result);
    Program (*clCreateProgramWithSource)(Context context, uint32_t count, const char **sources,
                                         const size_t *bytes, Result *result);
    Result (*clBuildProgram)(Program program, uint32_t count, const Device *devices,
                             const char *options, void (*notify)(Program, void *), void *argument);
    Result (*clReleaseProgram)(Program program);
    Kernel (*clCreateKernel)(Program program, const char *name, Result *result);
    Result (*clReleaseKernel)(Kernel kernel);
    Result (*clSetKernelArg)(Kernel kernel, uint32_t index, size_t bytes, const void *value);
    Result (*clSetKernelArgSVMPointer)(Kernel kernel, uint32_t index, const void *value);
    Result (*clEnqueueNDRangeKernel)(Queue queue, Kernel kernel, uint32_t dimensions,
                                     const size_t *offset, const size_t *global,
                                     const size_t *local, uint32_t events, const void *wait,
                                     void *event);
    Result (*clEnqueueSVMMemcpy)(Queue queue, uint32_t block, void *to, const void *from,
                                 size_t bytes, uint32_t events, const void *wait, void *event);
    Result (*clEnqueueSVMMemFill)(Queue queue, void *to, const void *pattern, size_t pattern_bytes,
                                  size_t bytes, uint32_t events, const void *wait, void *event);
    Result (*clFinish)(Queue queue);
    void *(*clSVMAlloc)(Context context, uint64_t flags, size_t bytes, uint32_t alignment);
    void (*clSVMFree)(Context context, void *memory);
};

}  // namespace opencl
}  // namespace halnorm
