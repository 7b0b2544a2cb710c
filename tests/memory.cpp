#include "memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "halnorm/halnorm.h"
#include "options.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif
// Requests that are a few moves of registers where valgrind does not run the program.
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#define HALNORM_TEST_VALGRIND 1
#endif

namespace test {

Options options;

namespace {

void check(bool ok, const char *what) {
    if (!ok) {
        perror(what);
        abort();
    }
}

void forbid(unsigned char *from, unsigned char *to) {
    const size_t bytes = static_cast<size_t>(to - from);
    static_cast<void>(bytes);
#if defined(__SANITIZE_ADDRESS__)
    ASAN_POISON_MEMORY_REGION(from, bytes);
#elif HALNORM_TEST_VALGRIND
    static_cast<void>(VALGRIND_MAKE_MEM_NOACCESS(from, bytes));
#endif
}

void allow(unsigned char *from, unsigned char *to) {
    const size_t bytes = static_cast<size_t>(to - from);
    static_cast<void>(bytes);
#if defined(__SANITIZE_ADDRESS__)
    ASAN_UNPOISON_MEMORY_REGION(from, bytes);
#elif HALNORM_TEST_VALGRIND
    static_cast<void>(VALGRIND_MAKE_MEM_DEFINED(from, bytes));
#endif
}

}  // namespace

void make_undefined(void *data, size_t bytes) {
    static_cast<void>(data), static_cast<void>(bytes);
#if HALNORM_TEST_VALGRIND
    static_cast<void>(VALGRIND_MAKE_MEM_UNDEFINED(data, bytes));
#endif
}

std::vector<unsigned char> Memory::bytes_within() const {
    std::vector<unsigned char> all(data_, data_ + bytes_);
    allow(all.data(), all.data() + all.size());
    return all;
}

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
    forbid_surroundings();
}

Memory::~Memory() {
    allow_surroundings();
    munmap(mapping_, mapped_);
}

void Memory::forbid_surroundings() const {
    forbid(first_, data_);
    forbid(data_ + bytes_, first_ + usable_);
}

void Memory::allow_surroundings() const {
    allow(first_, data_);
    allow(data_ + bytes_, first_ + usable_);
}

bool Memory::surroundings_intact() const {
    allow_surroundings();
    // All bytes are the fill if the first is, and each is what the one before it is.
    const auto filled = [this](const unsigned char *from, const unsigned char *to) {
        const size_t size = static_cast<size_t>(to - from);
        return size == 0 || (*from == fill_ && memcmp(from, from + 1, size - 1) == 0);
    };
    const bool intact = filled(first_, data_) && filled(data_ + bytes_, first_ + usable_);
    forbid_surroundings();
    return intact;
}

std::unique_ptr<Memory> lend_workspace(size_t bytes, Guard guard) {
    auto workspace = std::make_unique<Memory>(bytes, HALNORM_WORKSPACE_ALIGNMENT,
                                              Placement{guard, 0}, output_fill);
    workspace->make_undefined();
    return workspace;
}

}  // namespace test
