#include "memory.h"

#include <map>
#include <mutex>
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

size_t page_size() {
    static const size_t size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    return size;
}

size_t guard_size() {
    return options.guard_pages ? page_size() : 256 * page_size();  // several rows' width
}

// Pages between pages that fault, kept for the next buffer of their size: to map, protect and unmap
// them takes longer than what most tests do in them.
class Mappings {
public:
    unsigned char *take(size_t usable) {
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            std::vector<unsigned char *> &kept = kept_[usable];
            if (!kept.empty()) {
                unsigned char *const first = kept.back();
                kept.pop_back();
                kept_bytes_ -= usable;
                allow(first, first + usable);
                return first;
            }
        }
        const size_t guard = guard_size();
        void *const mapping = mmap(nullptr, usable + 2 * guard, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        check(mapping != MAP_FAILED, "mmap");
        unsigned char *const first = static_cast<unsigned char *>(mapping) + guard;
        if (options.guard_pages) {
            check(mprotect(mapping, guard, PROT_NONE) == 0, "mprotect");
            check(mprotect(first + usable, guard, PROT_NONE) == 0, "mprotect");
        }
        return first;
    }
    void give_back(unsigned char *first, size_t usable) {
        constexpr size_t enough = 128 << 20;
        const std::lock_guard<std::mutex> lock(mutex_);
        if (kept_bytes_ + usable > enough) {
            munmap(first - guard_size(), usable + 2 * guard_size());
            return;
        }
        // Who still uses it is reported by ASan and valgrind, and otherwise finds no number.
        memset(first, input_fill, usable);
        forbid(first, first + usable);
        kept_bytes_ += usable;
        kept_[usable].push_back(first);
    }

private:
    std::mutex mutex_;
    std::map<size_t, std::vector<unsigned char *>> kept_;  // by their usable bytes
    size_t kept_bytes_ = 0;
};

Mappings &mappings() {
    static Mappings *const all = new Mappings;  // for buffers that outlive main()
    return *all;
}

}  // namespace

void make_undefined(void *data, size_t bytes) {
    static_cast<void>(data), static_cast<void>(bytes);
#if HALNORM_TEST_VALGRIND
    static_cast<void>(VALGRIND_MAKE_MEM_UNDEFINED(data, bytes));
#endif
}

// They are if the first is, and each is what the one before it is.
bool all_are(unsigned char fill, const unsigned char *from, const unsigned char *to) {
    const size_t size = static_cast<size_t>(to - from);
    return size == 0 || (*from == fill && memcmp(from, from + 1, size - 1) == 0);
}

std::vector<unsigned char> Memory::bytes_within() const {
    std::vector<unsigned char> all(data_, data_ + bytes_);
    allow(all.data(), all.data() + all.size());
    return all;
}

Memory::Memory(size_t bytes, size_t alignment, Placement placement, unsigned char fill)
    : bytes_(bytes), fill_(fill) {
    const size_t page = page_size();
    const size_t shift = static_cast<size_t>(placement.offset) * alignment;
    usable_ = (bytes + shift + alignment + page - 1) / page * page;
    first_ = mappings().take(usable_);
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
    mappings().give_back(first_, usable_);
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
    const bool intact =
        all_are(fill_, first_, data_) && all_are(fill_, data_ + bytes_, first_ + usable_);
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
