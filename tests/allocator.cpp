#include "allocator.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

namespace test {

std::atomic<int64_t> allocations{0}, living_allocations{0};

namespace {

thread_local AllocationFault armed;
thread_local int64_t seen = 0;
thread_local bool failed = false;

}  // namespace

void begin_fault(AllocationFault fault) {
    seen = 0;
    failed = false;
    armed = fault;
}

bool end_fault() {
    armed = {};
    return failed;
}

}  // namespace test

#if !HALNORM_INSTRUMENTED
namespace {

bool refused() {
    using namespace test;
    allocations++;
    if (armed.which == 0)
        return false;
    const int64_t number = ++seen;
    if (number != armed.which && !(armed.onwards && number > armed.which))
        return false;
    failed = true;
    errno = ENOMEM;
    return true;
}

void *counted(void *memory) {
    test::living_allocations += memory != nullptr;
    return memory;
}

}  // namespace

extern "C" {
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *memory);

void *malloc(size_t size) noexcept {
    return refused() ? nullptr : counted(__libc_malloc(size));
}
void *calloc(size_t count, size_t size) noexcept {
    return refused() ? nullptr : counted(__libc_calloc(count, size));
}
void *realloc(void *memory, size_t size) noexcept {
    if (refused())
        return nullptr;
    void *const moved = __libc_realloc(memory, size);
    test::living_allocations += (moved != nullptr) - (memory != nullptr && (moved || size == 0));
    return moved;
}
void *memalign(size_t alignment, size_t size) noexcept {
    return refused() ? nullptr : counted(__libc_memalign(alignment, size));
}
void *aligned_alloc(size_t alignment, size_t size) noexcept {
    return memalign(alignment, size);
}
int posix_memalign(void **memory, size_t alignment, size_t size) noexcept {
    void *const got = memalign(alignment, size);
    if (got == nullptr)
        return ENOMEM;
    *memory = got;
    return 0;
}
void free(void *memory) noexcept {
    test::living_allocations -= memory != nullptr;
    __libc_free(memory);
}
}
#endif
