#include "memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "options.h"

namespace test {

Options options;

namespace {

void check(bool ok, const char *what) {
    if (!ok) {
        perror(what);
        abort();
    }
}

}  // namespace

Memory::Memory(size_t bytes, size_t alignment, Placement placement, unsigned char fill)
    : bytes_(bytes), fill_(fill) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t guard = options.guard_pages ? page : 256 * page;  // several rows' width
    const size_t shift = static_cast<size_t>(placement.offset) * alignment;
    usable_ = (bytes + shift + alignment + page - 1) / page * page;
    mapped_ = usable_ + 2 * guard;
    void *mapping =
        mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(mapping != MAP_FAILED, "mmap");
    mapping_ = static_cast<unsigned char *>(mapping);
    first_ = mapping_ + guard;
    if (options.guard_pages) {
        check(mprotect(mapping_, guard, PROT_NONE) == 0, "mprotect");
        check(mprotect(first_ + usable_, guard, PROT_NONE) == 0, "mprotect");
    }
    memset(first_, fill, usable_);
    if (placement.guard == Guard::before) {
        data_ = first_ + shift;
    } else {
        const size_t start = usable_ - shift - bytes;
        data_ = first_ + (start & ~(alignment - 1));
    }
}

Memory::~Memory() {
    munmap(mapping_, mapped_);
}

bool Memory::surroundings_intact() const {
    // All bytes are the fill if the first is, and each is what the one before it is.
    const auto filled = [this](const unsigned char *from, const unsigned char *to) {
        const size_t size = static_cast<size_t>(to - from);
        return size == 0 || (*from == fill_ && memcmp(from, from + 1, size - 1) == 0);
    };
    return filled(first_, data_) && filled(data_ + bytes_, first_ + usable_);
}

}  // namespace test
