#include "prefetch.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "stages.h"

namespace halnorm {

using Halide::Expr;
using Halide::Parameter;
using namespace Halide::Internal;

namespace {

// Dense vectors that an expression loads.
class Loads : public IRVisitor {
public:
    std::vector<const Load *> found;

protected:
    using IRVisitor::visit;
    void visit(const Load *load) override {
        const Ramp *ramp = load->index.as<Ramp>();
        if (ramp != nullptr && is_const_one(ramp->stride))
            found.push_back(load);
        IRVisitor::visit(load);
    }
};

}  // namespace

Expr Prefetch::distance_in(Halide::Type type) const {
    const Expr elements = bytes_ / type.bytes();
    return ahead_.defined() ? select(ahead_ == 0, elements, ahead_) : elements;
}

Stmt Prefetch::before(const Expr &value, const Stmt &s) {
    if (bytes_ == none)
        return s;
    const Expr without_lets = substitute_in_all_lets(value);
    Loads loads;
    without_lets.accept(&loads);
    Stmt result = s;
    for (const Load *load : loads.found) {
        const auto same_name = [&](const Parameter &b) { return b.name() == load->name; };
        const auto same_load = [&](const Expr &e) { return equal(e, load); };
        if (std::none_of(buffers_.begin(), buffers_.end(), same_name) ||
            std::any_of(done_.begin(), done_.end(), same_load))
            continue;
        done_.push_back(load);
        result = Block::make(prefetch(load->name, load->type.element_of(), load->index), result);
    }
    return result;
}

Stmt Prefetch::prefetch(const std::string &name, Halide::Type type, const Expr &index) const {
    const Expr at = index.as<Ramp>()->base + distance_in(type);
    return Evaluate::make(Call::make(
        type, Call::prefetch, {Variable::make(Halide::Handle(), name), at, 1, 64 / type.bytes()},
        Call::Intrinsic));
}

Stmt Prefetch::visit(const For *loop) {
    const int outside = bytes_;
    const size_t at = loop->name.find(prefetching_loop);
    if (at != std::string::npos)
        bytes_ = std::stoi(loop->name.substr(at + std::strlen(prefetching_loop)));
    done_.clear();
    stored_.clear();
    const Stmt result = IRMutator::visit(loop);
    done_.clear();
    stored_.clear();
    bytes_ = outside;
    return result;
}

Stmt Prefetch::visit(const Store *store) {
    const Stmt stored = before(store->value, store);
    const Ramp *ramp = store->index.as<Ramp>();
    if (bytes_ == none || store->name != result_ || ramp == nullptr ||
        !is_const_one(ramp->stride) || !is_const_one(store->predicate))
        return stored;
    const Halide::Type type = store->value.type().element_of();
    for (const Expr &base : stored_) {
        const auto distance = as_const_int(simplify(ramp->base - base));
        if (distance && *distance >= 0 && *distance < 64 / type.bytes())
            return stored;  // of one line
    }
    stored_.push_back(ramp->base);
    return Block::make(prefetch(store->name, type, store->index), stored);
}

Stmt Prefetch::visit(const LetStmt *let) {
    const Stmt result = IRMutator::visit(let);
    return before(let->value, result);
}

}  // namespace halnorm
