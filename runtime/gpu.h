// Variants that run on a GPU: what a call does around its kernels, for either driver.
#pragma once

#include "kernels.h"
#include "plan.h"

namespace halnorm {

struct GpuDriver;

// What halnorm_enable_gpu makes known: kernels, and the drivers of this build or nullptr.
struct GpuModule {
    const GpuKernels *kernels;
    const GpuDriver *cuda, *opencl;
};
void enable_gpu(const GpuModule *gpu);

// Of a variant that runs on a device, and so of an enabled module.
const GpuKernels *enabled_gpu_kernels();

// nullptr if tensors can be normalized on the device; otherwise why not, in static memory. Probes
// once.
const char *why_no_device(VariantDevice device);

// What describes memory to a kernel as a device's. Kernels look at the interface of no buffer.
extern const halide_device_interface_t some_device_interface;

// values[0, count) = value, on the plan's device.
void fill_device_array(const Plan &plan, halnorm_dtype dtype, void *values, int64_t count,
                       double value);

// Copies from a device array to the host, or to another, within a DeviceCall. Reading: false where
// it failed, which the call's end() reports.
bool read_device_array(const Plan &plan, void *to, const void *from, size_t bytes);
void copy_device_array(const Plan &plan, void *to, const void *from, size_t bytes);

// The device for the time of one call, on the calling thread. Where the variant runs on the CPU all
// of it does nothing.
class DeviceCall {
public:
    explicit DeviceCall(const Plan &plan) : plan_(plan) {}
    ~DeviceCall() {
        if (built::gpu && entered_)
            leave();
    }
    DeviceCall(const DeviceCall &) = delete;

    // Tensors on the device: takes the caller's context and stream. Tensors in host memory: gives
    // each of the arguments memory on the device, copies all of them there but `workspace` (an
    // index), and points `ranges` at the copies.
    halnorm_status begin(halnorm_device tensors, Range *ranges, int count, int workspace) {
        return plan_.on_cpu() ? HALNORM_OK : enter(tensors, ranges, count, workspace);
    }

    // `ranges` point at copies.
    bool has_copies() const { return built::gpu && count_ > 0; }

    // The status of the call: `code` from the kernels, or what the driver reported first. Copies
    // outputs back.
    halnorm_status end(int code) {
        return built::gpu && entered_ ? finish(code) : kernel_status(plan_, code);
    }

private:
    halnorm_status enter(halnorm_device tensors, Range *ranges, int count, int workspace);
    halnorm_status finish(int code);
    void leave();
    halnorm_status failure(halnorm_status status) const;  // with what the driver said

    const Plan &plan_;
    bool entered_ = false;
    int count_ = 0;
    struct Copy {
        void *host, *device;
        size_t bytes;
        bool owned, output;
    } copies_[max_ranges];
};

}  // namespace halnorm
