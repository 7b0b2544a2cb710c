// Memory that notices who reads or writes beside it.
#pragma once

#include <memory>
#include <stddef.h>
#include <vector>

namespace test {

// Which end of the buffer touches a page that faults on any access, and how many elements the
// buffer is moved away from there, so that kernels meet pointers that are aligned to an element
// only.
enum class Guard { before, after };
struct Placement {
    Guard guard = Guard::after;
    int offset = 0;  // in elements
};

// What fills everything that is not an element. Inputs have NaN there: who reads it, spoils the
// result. Outputs have a small number there: who writes a result, or a NaN from the input's gaps,
// changes it.
constexpr unsigned char input_fill = 0xff, output_fill = 0xa5;

// Tells valgrind, where that runs this, that nothing was written there yet: who computes with it
// before that is reported. The bytes stay what they are.
void make_undefined(void *data, size_t bytes);

// Whether all bytes from `from` to before `to` are `fill`.
bool all_are(unsigned char fill, const unsigned char *from, const unsigned char *to);

// A buffer between two pages that fault on any access. What lies between it and them is nobody's:
// under ASan and valgrind each access to it is reported.
class Memory {
public:
    // The start is a multiple of `alignment`, a power of two up to a page.
    Memory(size_t bytes, size_t alignment, Placement placement, unsigned char fill);
    ~Memory();
    Memory(const Memory &) = delete;
    Memory &operator=(const Memory &) = delete;

    unsigned char *data() const { return data_; }
    size_t bytes() const { return bytes_; }
    unsigned char fill() const { return fill_; }

    // All bytes, to compare: of a structure's holes too, of which valgrind knows that nothing was
    // written there.
    std::vector<unsigned char> bytes_within() const;

    // Whether what lies between the buffer and the pages that fault still is what it was.
    bool surroundings_intact() const;

    // For memory that is lent without anything in it.
    void make_undefined() const { test::make_undefined(data_, bytes_); }

private:
    void forbid_surroundings() const;
    void allow_surroundings() const;

    unsigned char *first_, *data_;  // of the pages and of the buffer
    size_t usable_, bytes_;
    unsigned char fill_;
};

// Workspace for one call. Whichever end the other buffers guard, its end is the one that a kernel
// runs over.
std::unique_ptr<Memory> lend_workspace(size_t bytes, Guard guard);

}  // namespace test
