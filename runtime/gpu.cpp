#include "gpu.h"

namespace halnorm {

const char *why_no_device(VariantDevice) {
    return "this build has no variant for a GPU";
}

void set_device_buffer(VariantDevice, Buffer *, const void *) {}

void fill_device_array(const Plan &, void *, int64_t, double) {}

}  // namespace halnorm
