// Stores of the last elements of a row, where they are fewer than a vector has.
#pragma once

#include <Halide.h>

namespace halnorm {

// A lowering pass: stores under a mask that keeps some first lanes, a multiple of 16 bytes of them,
// become stores of 16 bytes; with odd_singly so do those of any other number, and what is left is
// stored one by one. To the processor a masked store covers the whole vector, so that in place
// the next row, whose first elements lie there, is loaded only when that store has gone to the
// cache. All in place, us (relu, AVX-512 and AVX2, Zen 5, 2026-11-28): inference of 8x256x10x10 20,
// now 8.9, 8x1024x14x14 99 and 62, 8x512x6x6 32 and 8.7, training 31 and 20, 178 and 139, 44 and
// 20. Singly, AVX-512; AVX2, inference of 8x512x3x3 31 and 6.5; 30 and 5.6, 8x512x5x5 31 and 7.8;
// 32 and 8.0, 8x512x9x9 39 and 18; 40 and 19, 8x512x13x13 47 and 32; 54 and 35, training 55 and 30
// (54, 30), 38 and 15, 57 and 36, 82 and 67, backward 60 and 43, 38 and 27, 73 and 64, 116 and 114.
//
// Out of place it makes no difference, but that of 3x3 inference takes 6.5 us, not 4.6, with
// AVX-512, and with AVX2 all of these rows 0.97 of the time. On x86-64 a library is 0.7 % larger,
// singly 1.7 %: rows of NHWC are long, or fold to whole vectors, and where four tensors bound the
// time (activation_gradient), longer rows lost up to 7 %.
class NarrowTails : public Halide::Internal::IRMutator {
public:
    explicit NarrowTails(bool odd_singly) : odd_singly_(odd_singly) {}

protected:
    using Halide::Internal::IRMutator::visit;
    Halide::Internal::Stmt visit(const Halide::Internal::Store *store) override;

private:
    bool odd_singly_;
};

}  // namespace halnorm
