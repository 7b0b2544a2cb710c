// Variants that run on a GPU.
#pragma once

#include "dispatch.h"
#include "kernels.h"

namespace halnorm {

struct Plan;

// nullptr if tensors can be normalized on the device; otherwise why not, in static memory. Probes once.
const char *why_no_device(VariantDevice device);

// Describes device memory at `address` to a kernel.
void set_device_buffer(VariantDevice device, Buffer *buffer, const void *address);

// values[0, count) = value, x's dtype, on the plan's device.
void fill_device_array(const Plan &plan, void *values, int64_t count, double value);

}  // namespace halnorm
