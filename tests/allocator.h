// This program's malloc: counts, and fails where a test wants it to.
#pragma once

#include <atomic>
#include <stdint.h>

namespace test {

#if HALNORM_INSTRUMENTED  // tests/CMakeLists.txt: a sanitizer has put itself there already
constexpr bool counts_allocations = false;
#else
constexpr bool counts_allocations = true;
#endif

extern std::atomic<int64_t> allocations;        // asked for, of all threads
extern std::atomic<int64_t> living_allocations;  // not freed yet

// Which allocation of this thread fails, counted from 1; 0: none. `onwards`: and all that follow.
struct AllocationFault {
    int64_t which = 0;
    bool onwards = false;
};

// call() under a fault; `reached` says whether there was an allocation that failed.
void begin_fault(AllocationFault fault);
bool end_fault();
template<typename Call>
auto with_fault(AllocationFault fault, bool *reached, Call call) {
    begin_fault(fault);
    auto result = call();
    *reached = end_fault();
    return result;
}

}  // namespace test
