// Memory for tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

namespace halnorm_tool {

// Memory aligned for any kernel; std::bad_alloc without enough. At least one byte is allocated, so
// that empty tensors have an address too.
class Buffer {
public:
    explicit Buffer(uint64_t bytes);

    void *data() const { return memory_.get(); }
    size_t size() const { return size_; }

private:
    struct Free {
        void operator()(void *memory) const { std::free(memory); }
    };
    size_t size_;
    std::unique_ptr<void, Free> memory_;
};

}  // namespace halnorm_tool
