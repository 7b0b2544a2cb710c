#include "gpu.h"

#include <atomic>
#include <string.h>

#include "gpu_driver.h"
#include "host.h"
#include "plan.h"
#include "stages.h"
#include "status.h"

namespace halnorm {
namespace {

std::atomic<const GpuModule *> enabled{nullptr};

const GpuDriver *driver_of(VariantDevice device) {
    const GpuModule *gpu = enabled.load(std::memory_order_acquire);
    if (gpu == nullptr || device == VariantDevice::cpu)
        return nullptr;
    return device == VariantDevice::cuda ? gpu->cuda : gpu->opencl;
}

struct FirstFailure {
    const char *what, *said;  // what: nullptr if there is none
    int64_t code;
};
HALNORM_PER_THREAD FirstFailure first_failure = {};

}  // namespace

const halide_device_interface_t some_device_interface = {};

void gpu_failed(const char *what, const char *said, int64_t code) {
    if (first_failure.what == nullptr)
        first_failure = {what, said, code};
}

bool gpu_has_failed() {
    return first_failure.what != nullptr;
}

void enable_gpu(const GpuModule *gpu) {
    enabled.store(gpu, std::memory_order_release);
}

const GpuKernels *enabled_gpu_kernels() {
    return enabled.load(std::memory_order_acquire)->kernels;
}

const char *why_no_device(VariantDevice device) {
    if (enabled.load(std::memory_order_acquire) == nullptr)
        return "this program did not call halnorm_enable_gpu()";
    const GpuDriver *driver = driver_of(device);
    return driver != nullptr ? driver->why_not() : "this build has no variant for the device";
}

void fill_device_array(const Plan &plan, halnorm_dtype dtype, void *values, int64_t count,
                       double value) {
    uint64_t bits = 0;
    const float narrow = static_cast<float>(value);
    if (dtype == HALNORM_FLOAT64) {
        memcpy(&bits, &value, sizeof value);
    } else {
        memcpy(&bits, &narrow, sizeof narrow);
    }
    driver_of(plan.device)->fill(values, count, size_of(dtype), bits);
}

bool read_device_array(const Plan &plan, void *to, const void *from, size_t bytes) {
    driver_of(plan.device)->download(to, from, bytes);
    return !gpu_has_failed();
}

void copy_device_array(const Plan &plan, void *to, const void *from, size_t bytes) {
    driver_of(plan.device)->copy(to, from, bytes);
}

halnorm_status DeviceCall::enter(halnorm_device tensors, Range *ranges, int count, int workspace) {
    const GpuDriver *driver = driver_of(plan_.device);
    first_failure = {};
    const bool callers = tensors == HALNORM_CUDA;
    driver->enter(callers, callers ? plan_.config->cuda_stream : nullptr);
    entered_ = true;
    if (gpu_has_failed())
        return failure(HALNORM_ERROR_DEVICE);
    for (int i = 0; i < count && !callers && !gpu_has_failed(); i++) {
        Range &r = ranges[i];
        if (r.data == nullptr || r.bytes == 0)
            continue;
        Copy &copy = copies_[count_];
        copy = {const_cast<void *>(r.data), nullptr, r.bytes, true, r.output && i != workspace};
        // In place: the checks let an output be the memory of another argument only as a whole.
        for (int k = 0; k < count_ && copy.device == nullptr; k++) {
            Copy &earlier = copies_[k];
            if (earlier.host != copy.host || earlier.bytes != copy.bytes ||
                !(earlier.output || copy.output))
                continue;
            copy.device = earlier.device;
            copy.owned = false;
        }
        if (copy.device == nullptr)
            copy.device = driver->allocate(r.bytes);
        if (copy.device == nullptr)
            break;
        count_++;
        if (copy.owned && i != workspace)
            driver->upload(copy.device, copy.host, copy.bytes);
        r.data = copy.device;
    }
    return gpu_has_failed() ? failure(HALNORM_ERROR_KERNEL) : HALNORM_OK;
}

halnorm_status DeviceCall::finish(int code) {
    for (int i = 0; i < count_ && code == 0; i++) {
        if (copies_[i].output)
            driver_of(plan_.device)->download(copies_[i].host, copies_[i].device, copies_[i].bytes);
    }
    return gpu_has_failed() ? failure(HALNORM_ERROR_KERNEL) : kernel_status(plan_, code);
}

halnorm_status DeviceCall::failure(halnorm_status status) const {
    const FirstFailure &f = first_failure;
    return status == HALNORM_ERROR_DEVICE ?
               fail<Message::device_failed>(plan_.variant, f.what, f.said, f.code) :
               fail<Message::device_failed_in_call>(plan_.variant, f.what, f.said, f.code);
}

void DeviceCall::leave() {
    const GpuDriver *driver = driver_of(plan_.device);
    for (int i = 0; i < count_; i++) {
        if (copies_[i].owned)
            driver->release(copies_[i].device);
    }
    driver->leave();
    first_failure = {};
}

}  // namespace halnorm

#if defined(HALNORM_HAS_CUDA) || defined(HALNORM_HAS_OPENCL)
extern "C" int halnorm_halide_copy_to_device(void *, halide_buffer_t *,
                                             const halide_device_interface_t *);

// All buffers of a kernel are on the device already.
int halnorm_halide_copy_to_device(void *, halide_buffer_t *, const halide_device_interface_t *) {
    return 0;
}
#endif
