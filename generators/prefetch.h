// Prefetches that Halide 21's directive is no use for: where channels are side by side it takes
// each of them for a line of its own.
#pragma once

#include <Halide.h>

#include <string>
#include <vector>

namespace halnorm {

// A lowering pass: where a loop that is named by prefetching(bytes) (stages.h) loads a whole vector
// of one of the buffers, or stores one to `result`, what lies so many bytes further on is
// prefetched, or `ahead` elements where that is defined and not 0; of a line that is stored in
// several vectors once.
class Prefetch : public Halide::Internal::IRMutator {
public:
    Prefetch(std::vector<Halide::Parameter> buffers, Halide::Expr ahead, std::string result = "")
        : buffers_(std::move(buffers)), ahead_(std::move(ahead)), result_(std::move(result)) {}

protected:
    using Halide::Internal::IRMutator::visit;
    Halide::Internal::Stmt visit(const Halide::Internal::For *loop) override;
    Halide::Internal::Stmt visit(const Halide::Internal::Store *store) override;
    Halide::Internal::Stmt visit(const Halide::Internal::LetStmt *let) override;

private:
    Halide::Expr distance_in(Halide::Type type) const;  // in elements
    Halide::Internal::Stmt before(const Halide::Expr &value, const Halide::Internal::Stmt &s);
    Halide::Internal::Stmt prefetch(const std::string &name, Halide::Type type,
                                    const Halide::Expr &index) const;

    std::vector<Halide::Parameter> buffers_;
    Halide::Expr ahead_;
    std::string result_;
    int bytes_ = none;
    static constexpr int none = -1;     // in no such loop
    std::vector<Halide::Expr> done_;    // loads, in this iteration
    std::vector<Halide::Expr> stored_;  // where such lines of the result begin
};

}  // namespace halnorm
