#include "driver.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

namespace gpu {
namespace {

using Pointer = unsigned long long;  // CUdeviceptr

Pointer address(const void *p) {
    return reinterpret_cast<Pointer>(p);
}

}  // namespace

template<typename... Arguments>
int Driver::call(const char *name, Arguments... arguments) const {
    const auto function = reinterpret_cast<int (*)(Arguments...)>(dlsym(library_, name));
    return function != nullptr ? function(arguments...) : -1;
}

template<typename... Arguments>
void Driver::must(const char *name, Arguments... arguments) const {
    const int result = call(name, arguments...);
    if (result == 0)
        return;
    const char *said = "?";
    call("cuGetErrorName", result, &said);
    printf("%s: %s (%d)\n", name, said, result);
    exit(1);
}

bool Driver::open(std::string *why) {
    library_ = dlopen("libcuda.so.1", RTLD_NOW);
    if (library_ == nullptr) {
        *why = "libcuda.so.1 not found";
        return false;
    }
    int count = 0, device = 0;
    if (call("cuInit", 0u) != 0 || call("cuDeviceGetCount", &count) != 0 || count == 0) {
        *why = "the driver finds no device";
        return false;
    }
    must("cuDeviceGet", &device, 0);
    char name[128] = "";
    must("cuDeviceGetName", &name[0], static_cast<int>(sizeof name), device);
    name_ = name;
    void *context = nullptr;
    must("cuDevicePrimaryCtxRetain", &context, device);
    must("cuCtxSetCurrent", context);
    must("cuEventCreate", &begin_, 0u);
    must("cuEventCreate", &end_, 0u);
    return true;
}

void *Driver::allocate(size_t bytes) const {
    Pointer p = 0;
    must("cuMemAlloc_v2", &p, bytes);
    return reinterpret_cast<void *>(p);
}

void Driver::release(void *memory) const {
    must("cuMemFree_v2", address(memory));
}

void Driver::upload(void *to, const void *from, size_t bytes) const {
    if (bytes > 0)
        must("cuMemcpyHtoD_v2", address(to), from, bytes);
}

void Driver::download(void *to, const void *from, size_t bytes) const {
    must("cuCtxSynchronize");
    if (bytes > 0)
        must("cuMemcpyDtoH_v2", to, address(from), bytes);
}

void Driver::copy(void *to, const void *from, size_t bytes) const {
    must("cuMemcpyDtoDAsync_v2", address(to), address(from), bytes, static_cast<void *>(nullptr));
}

void Driver::start() {
    must("cuCtxSynchronize");
    must("cuEventRecord", begin_, static_cast<void *>(nullptr));
}

float Driver::stop() {
    float milliseconds = 0;
    must("cuEventRecord", end_, static_cast<void *>(nullptr));
    must("cuEventSynchronize", end_);
    must("cuEventElapsedTime", &milliseconds, begin_, end_);
    return milliseconds;
}

}  // namespace gpu
