// Load time is first use: no static constructor runs, and what the environment says is read once.
#include "dispatch.h"

#include <atomic>
#include <stdlib.h>
#include <string.h>

#include "built.h"
#include "cpu_features.h"
#include "gpu.h"
#include "host.h"
#include "status.h"

#if HALNORM_HAS_STANDARD_ERROR
#include <unistd.h>
#endif

namespace halnorm {
namespace {

// What the environment said, written once by whoever comes first and read by all others after
// `ready`.
enum class State { unread, reading, ready };
struct Environment {
    CpuWords words;  // reading them costs tens of microseconds in a virtual machine: CPUID traps
    uint64_t runs;   // bit i: this machine runs variant i; processors only, devices are probed when
                     // they are asked for
    int32_t variant;  // -1: HALNORM_VARIANT names no variant that this machine can run
    char forced[48];  // its text, cut off; "" where it is not set
};
std::atomic<State> state{State::unread};
Environment shared = {};  // a constant: without the braces it has a static constructor

constexpr const char first_fit[] = "the first of the list that this machine can run";
constexpr const char forced_fit[] = "forced by HALNORM_VARIANT";

const char *why_unsupported(const CpuWords &words, const Variant &v) {
    return !built::gpu || v.device == VariantDevice::cpu ? missing_cpu_feature(words, v.features) :
                                                           why_no_device(v.device);
}

int32_t find(const char *name) {
    for (int32_t i = 0; i < variant_count; i++) {
        if (strcmp(variants[i].name, name) == 0)
            return i;
    }
    return -1;
}

bool is_set(uint64_t bits, int32_t i) {
    return i >= 0 && (bits >> i & 1) != 0;
}

// One write, so that lines of several processes do not mix. Nothing where there is nowhere to
// write.
void report(const char *name, const char *why) {
#if HALNORM_HAS_STANDARD_ERROR
    char line[160];
    *line = '\0';
    const char *const parts[] = {"halnorm: variant ", name, " (", why, ")\n"};
    for (const char *part : parts)
        strncat(line, part, sizeof line - strlen(line) - 1);
    const ssize_t written = write(STDERR_FILENO, line, strlen(line));
    static_cast<void>(written);
#else
    static_cast<void>(name), static_cast<void>(why);
#endif
}

void read_environment(Environment &e) {
    e.words = read_cpu_words();
    e.runs = variants_for(e.words);
    *e.forced = '\0';
    const char *forced = getenv("HALNORM_VARIANT");
    if (forced == nullptr || *forced == '\0') {
        e.variant = preferred_variant(e.runs);
        return;
    }
    strncat(e.forced, forced, sizeof e.forced - 1);
    const int32_t i = find(forced);
    e.variant = i >= 0 && why_unsupported(e.words, variants[i]) == nullptr ? i : -1;
}

// The few threads that arrive while the first one reads do the same work for themselves, in `own`,
// rather than wait.
const Environment &environment(Environment &own) {
    if (state.load(std::memory_order_acquire) == State::ready)
        return shared;
    read_environment(own);
    State expected = State::unread;
    if (state.compare_exchange_strong(expected, State::reading, std::memory_order_acq_rel)) {
        shared = own;
        state.store(State::ready, std::memory_order_release);
        const char *verbose = getenv("HALNORM_VERBOSE");
        if (own.variant >= 0 && verbose != nullptr && strcmp(verbose, "1") == 0)
            report(variants[own.variant].name, *own.forced != '\0' ? forced_fit : first_fit);
    }
    return own;
}

halnorm_status by_name(const char *source, const char *name, int32_t *index) {
    const int32_t i = find(name);
    Environment own;
    const Environment &e = environment(own);
    if (is_set(e.runs, i)) {
        *index = i;
        return HALNORM_OK;
    }
    const char *why = i < 0 ? nullptr : why_unsupported(e.words, variants[i]);
    if (i >= 0 && why == nullptr) {
        *index = i;
        return HALNORM_OK;
    }
    const CallersText text = {name};
    return why != nullptr ? fail<Message::variant_unsupported>(source, text, why) :
                            fail<Message::variant_unknown>(source, text);
}

}  // namespace

const char *why_not(int32_t index) {
    Environment own;
    return why_unsupported(environment(own).words, variants[index]);
}

uint64_t variants_for(const CpuWords &words) {
    uint64_t runs = 0;
    for (int32_t i = 0; i < variant_count; i++) {
        const Variant &v = variants[i];
        if (v.device == VariantDevice::cpu && missing_cpu_feature(words, v.features) == nullptr)
            runs |= uint64_t{1} << i;
    }
    return runs;
}

int32_t preferred_variant(uint64_t runs) {
    for (int32_t i = 0; i < variant_count; i++) {
        if (!variants[i].experimental && is_set(runs, i))
            return i;
    }
    return variant_count - 1;  // unreachable: generic needs nothing
}

halnorm_status choose_variant(const halnorm_config &config, halnorm_device device, int32_t *index) {
    if (config.variant != nullptr) {
        HALNORM_TRY(by_name("config.variant", config.variant, index));
    } else if (device == HALNORM_CPU) {
        Environment own;
        const Environment &e = environment(own);
        *index = e.variant;
        if (e.variant < 0)
            HALNORM_TRY(by_name("HALNORM_VARIANT", e.forced, index));
    } else {
        *index = built::gpu ? find("cuda") : -1;
        const char *why =
            built::gpu ? why_no_device(VariantDevice::cuda) : "this build has no kernels for GPUs";
        if (*index < 0 || why != nullptr) {
            return fail<Message::device_unavailable>(why);
        }
    }
    if (device == HALNORM_CUDA && (!built::gpu || variants[*index].device != VariantDevice::cuda)) {
        return fail<Message::device_of_variant>(*index);
    }
    return HALNORM_OK;
}

}  // namespace halnorm

using namespace halnorm;

extern "C" {

int32_t halnorm_variant_count(void) {
    return variant_count;
}

halnorm_status halnorm_variant_get(int32_t index, halnorm_variant_info *info) {
    if (info == nullptr)
        return fail<Message::variant_info_null>();
    if (index < 0 || index >= variant_count)
        return fail<Message::variant_index>(index, variant_count - 1);
    Environment own;
    const Environment &e = environment(own);
    int32_t chosen = e.variant;
    if (chosen < 0)
        HALNORM_TRY(by_name("HALNORM_VARIANT", e.forced, &chosen));
    const Variant &v = variants[index];
    const char *why = why_unsupported(e.words, v);
    info->name = v.name;
    info->arch = v.arch;
    info->features = v.features;
    info->experimental = v.experimental;
    info->supported = why == nullptr;
    info->chosen = index == chosen;
    if (why != nullptr) {
        info->reason = why;
    } else if (index == chosen) {
        info->reason = *e.forced != '\0' ? forced_fit : first_fit;
    } else if (v.experimental) {
        info->reason = "experimental: runs only when it is named";
    } else if (v.device == VariantDevice::cuda) {
        info->reason = "runs tensors on the device, or when it is named";
    } else if (v.device != VariantDevice::cpu) {
        info->reason = "supported: runs only when it is named";
    } else {
        info->reason = *e.forced != '\0' ? "supported, but another one is forced" :
                                           "supported, but a better one comes first";
    }
    return HALNORM_OK;
}

}  // extern "C"
