// The only place that refers to the kernels for GPUs and to their drivers: a program that does not
// call this links neither.
#include "gpu.h"
#include "gpu_driver.h"

namespace halnorm {
namespace {

// HALNORM_HAS_CUDA, HALNORM_HAS_OPENCL: whether schedules/CMakeLists.txt lists such a variant.
#ifdef HALNORM_HAS_CUDA
constexpr const GpuDriver *cuda = &cuda_driver;
#else
constexpr const GpuDriver *cuda = nullptr;
#endif
#ifdef HALNORM_HAS_OPENCL
constexpr const GpuDriver *opencl = &opencl_driver;
#else
constexpr const GpuDriver *opencl = nullptr;
#endif
constexpr GpuModule module = {&gpu_kernels, cuda, opencl};

}  // namespace
}  // namespace halnorm

extern "C" void halnorm_enable_gpu(void) {
    halnorm::enable_gpu(&halnorm::module);
}
