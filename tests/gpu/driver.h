// The CUDA driver as the programs here need it: memory, copies, events, a context. Opened at run
// time, so that a program starts on a machine without one.
#pragma once

#include <stddef.h>
#include <string>

namespace gpu {

class Driver {
public:
    // Opens the driver and makes a context on the first device current. False, and why not, where
    // there is none.
    bool open(std::string *why);

    std::string device_name() const { return name_; }

    void *allocate(size_t bytes) const;
    void release(void *memory) const;
    void upload(void *to, const void *from, size_t bytes) const;
    void download(void *to, const void *from, size_t bytes) const;  // after all work before it
    void copy(void *to, const void *from, size_t bytes) const;  // on the device, without waiting

    // Milliseconds that the device takes from start() to stop().
    void start();
    float stop();

private:
    template<typename... Arguments>
    int call(const char *name, Arguments... arguments) const;
    // Ends the program where a call fails: nothing that the programs here measure would make sense
    // any more.
    template<typename... Arguments>
    void must(const char *name, Arguments... arguments) const;

    void *library_ = nullptr;
    void *begin_ = nullptr, *end_ = nullptr;  // events
    std::string name_;
};

// Device memory with a copy of `count` elements.
template<typename T>
class DeviceArray {
public:
    DeviceArray(const Driver &driver, const T *values, size_t count)
        : driver_(driver), bytes_(count * sizeof(T)),
          data_(driver.allocate(bytes_ > 0 ? bytes_ : 1)) {
        if (values != nullptr)
            driver_.upload(data_, values, bytes_);
    }
    ~DeviceArray() { driver_.release(data_); }
    DeviceArray(const DeviceArray &) = delete;
    T *data() const { return static_cast<T *>(data_); }
    void read(T *values) const { driver_.download(values, data_, bytes_); }
    void write(const T *values) const { driver_.upload(data_, values, bytes_); }

private:
    const Driver &driver_;
    size_t bytes_;
    void *data_;
};

}  // namespace gpu
