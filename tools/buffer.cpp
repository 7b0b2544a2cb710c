#include "buffer.h"

#include <algorithm>
#include <limits>
#include <new>

namespace halnorm_tool {

Buffer::Buffer(uint64_t bytes) : size_(static_cast<size_t>(bytes)) {
    constexpr size_t alignment = 64;
    if (bytes > std::numeric_limits<size_t>::max() - alignment)
        throw std::bad_alloc();
    // aligned_alloc wants a multiple of the alignment.
    const size_t padded = std::max(alignment, (size_ + alignment - 1) / alignment * alignment);
    memory_.reset(std::aligned_alloc(alignment, padded));
    if (memory_ == nullptr)
        throw std::bad_alloc();
}

}  // namespace halnorm_tool
