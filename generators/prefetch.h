// Prefetches that Halide 21's directive is no use for: where channels are side by side it takes
// each of them for a line of its own.
#pragma once

#include <Halide.h>

#include <string>
#include <vector>

namespace halnorm {

// A lowering pass: where a loop of this name loads a whole vector of one of the buffers, what lies
// so many bytes further on is prefetched.
class Prefetch : public Halide::Internal::IRMutator {
public:
    Prefetch(std::string loop, std::vector<Halide::Parameter> buffers, int bytes)
        : loop_(std::move(loop)), buffers_(std::move(buffers)), bytes_(bytes) {}

protected:
    using Halide::Internal::IRMutator::visit;
    Halide::Internal::Stmt visit(const Halide::Internal::For *loop) override;
    Halide::Internal::Stmt visit(const Halide::Internal::Store *store) override;
    Halide::Internal::Stmt visit(const Halide::Internal::LetStmt *let) override;

private:
    Halide::Internal::Stmt before(const Halide::Expr &value, const Halide::Internal::Stmt &s);

    std::string loop_;
    std::vector<Halide::Parameter> buffers_;
    int bytes_;
    bool inside_ = false;
    std::vector<Halide::Expr> done_;  // loads, in this iteration
};

}  // namespace halnorm
