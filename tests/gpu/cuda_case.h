// What the calls of both passes have in common: the case, where its arrays lie, the comparison with
// the reference and the clock.
#pragma once

#include <functional>
#include <math.h>
#include <memory>
#include <stdio.h>
#include <stdlib.h>
#include <string>
#include <vector>

#include "driver.h"
#include "halnorm/halnorm.h"
#include "tolerance.h"

namespace gpu {

struct Setting {
    bool on_device = true;
    halnorm_layout layout = HALNORM_NCHW;
    halnorm_dtype dtype = HALNORM_FLOAT32;
    halnorm_activation activation = HALNORM_ACT_NONE;
    int64_t n = 2, c = 3, s = 4;

    size_t numel() const { return static_cast<size_t>(n * c * s); }
    size_t channels() const { return static_cast<size_t>(c); }
    size_t channel_of(size_t index) const;
    halnorm_config config() const;
    // Images first to last of a dense tensor at `data`, in host memory or where the case lies.
    halnorm_tensor host_tensor(void *data) const;
    halnorm_tensor tensor(void *data) const { return images(data, 0, n); }
    halnorm_tensor images(void *data, int64_t first, int64_t last) const;
    std::string describe() const;
};

// An array of a call: host memory, and from place() on a copy on the device where the case lies
// there.
template<typename T>
class Array {
public:
    std::vector<T> values;

    void place(const Driver &driver, bool on_device) {
        if (on_device)
            device_ = std::make_unique<DeviceArray<T>>(driver, values.data(), values.size());
    }
    T *data() { return device_ ? device_->data() : values.data(); }
    void read() {
        if (device_)
            device_->read(values.data());
    }
    void write() {
        if (device_)
            device_->write(values.data());
    }

private:
    std::unique_ptr<DeviceArray<T>> device_;
};

class Workspace {
public:
    Workspace(const Driver &driver, bool on_device, size_t bytes)
        : driver_(driver), on_device_(on_device),
          data_(on_device ? driver.allocate(bytes > 0 ? bytes : 1) :
                            aligned_alloc(alignment, (bytes / alignment + 1) * alignment)) {}
    ~Workspace() { on_device_ ? driver_.release(data_) : free(data_); }
    Workspace(const Workspace &) = delete;
    void *data() const { return data_; }

private:
    static constexpr size_t alignment = HALNORM_WORKSPACE_ALIGNMENT;
    const Driver &driver_;
    bool on_device_;
    void *data_;
};

// The name of a status, and the message.
std::string words(halnorm_status status);

// The first number that is too far from what it should be; "" if there is none.
template<typename T, typename Tolerance>
std::string compare(const char *name, halnorm_dtype dtype, const std::vector<T> &actual,
                    const std::vector<double> &expected, Tolerance tolerance) {
    for (size_t i = 0; i < expected.size(); i++) {
        const double was = static_cast<double>(actual[i]);
        if (test::close(dtype, was, expected[i], tolerance(i)))
            continue;
        char text[160];
        snprintf(text, sizeof text, "%s[%zu] is %.9g, should be %.9g, tolerance %.3g", name, i, was,
                 expected[i], tolerance(i));
        return text;
    }
    return "";
}

// Microseconds of one call on float32 tensors on the device, and of a copy of x to y there: the
// least of some.
struct Times {
    double call, copy;
};
Times least_times(Driver &driver, const Setting &settings, void *to, const void *from,
                  const std::function<halnorm_status()> &call);

}  // namespace gpu
