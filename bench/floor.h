// The least that a pass over memory costs: ways to read one or two tensors and to write a third,
// and to do nothing else. The fastest of them, at the size of a case and in the same run, is the
// floor of that case.
#pragma once

#include <cstddef>
#include <vector>

namespace bench {

struct Sweep {
    const char *name;
    // y = x, or x ^ x2 of their bits where two are read. Dense buffers of `bytes` each that do not
    // overlap; x2 is not used where one is read. y is written when this returns, streaming or not.
    void (*run)(const void *x, const void *x2, void *y, size_t bytes);
};

// `reads` is 1 (inference, training: copy, streaming copy, memcpy) or 2 (backward: ordinary and
// streaming stores), with the widest vectors that this machine has.
const std::vector<Sweep> &floor_sweeps(int reads);

}  // namespace bench
