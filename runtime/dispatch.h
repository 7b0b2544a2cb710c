// The generated list of variants, and the choice among them.
#pragma once

#include <stdint.h>

#include "cpu_features.h"
#include "halnorm/halnorm.h"

namespace halnorm {

enum class VariantDevice { cpu, cuda, opencl };

struct Variant {
    const char *name, *arch, *features;
    bool experimental;
    VariantDevice device;
    bool streaming;  // has kernels whose stores go past the cache
};

// Generated from schedules/CMakeLists.txt, in order of preference; `generic`, which needs nothing,
// is last.
extern const Variant variants[];
extern const int32_t variant_count;

// Bit i: a machine with these words runs variant i. Processors only; devices are probed when they
// are asked for.
uint64_t variants_for(const CpuWords &words);

// Of those, the one that a call without a name runs.
int32_t preferred_variant(uint64_t runs);

// nullptr if this machine runs the variant; otherwise why not, in static memory.
const char *why_not(int32_t index);

// Index of the variant that a call with this configuration and device of x runs, or a failure that
// lists the good names.
halnorm_status choose_variant(const halnorm_config &config, halnorm_device device, int32_t *index);

}  // namespace halnorm
