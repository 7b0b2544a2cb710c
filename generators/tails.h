// Stores of the last elements of a row, where they are fewer than a vector has.
#pragma once

#include <Halide.h>

namespace halnorm {

// A lowering pass: stores under a mask that keeps some first lanes, a multiple of 16 bytes of them,
// become stores of 16 bytes. To the processor a masked store covers the whole vector, so that in
// place the next row, whose first elements lie there, is loaded only when that store has gone to
// the cache: inference of 8x256x10x10 20 us, now 8.9, 8x1024x14x14 99 and 62, 8x512x6x6 32 and 8.7,
// training 31 and 20, 178 and 139, 44 and 20, all in place (relu, AVX-512 and AVX2, Zen 5,
// 2026-11-28). Out of place it makes no difference, and on x86-64 a library is 0.7 % larger.
class NarrowTails : public Halide::Internal::IRMutator {
protected:
    using Halide::Internal::IRMutator::visit;
    Halide::Internal::Stmt visit(const Halide::Internal::Store *store) override;
};

}  // namespace halnorm
