#include "tails.h"

namespace halnorm {

using Halide::Expr;
using namespace Halide::Internal;

namespace {

// How many lanes a predicate keeps, all of them the first; undefined where it is another.
Expr lanes_kept(const Expr &predicate) {
    const LT *less = predicate.as<LT>();
    const LE *most = predicate.as<LE>();
    if (less == nullptr && most == nullptr)
        return Expr();
    const Ramp *lanes = (less != nullptr ? less->a : most->a).as<Ramp>();
    const Broadcast *end = (less != nullptr ? less->b : most->b).as<Broadcast>();
    if (lanes == nullptr || end == nullptr || !is_const_one(lanes->stride) ||
        lanes->base.type().is_vector() || end->value.type().is_vector())
        return Expr();
    return simplify(end->value - lanes->base + (less != nullptr ? 0 : 1));
}

}  // namespace

Stmt NarrowTails::visit(const Store *store) {
    const Ramp *index = store->index.as<Ramp>();
    const Halide::Type type = store->value.type();
    const int step = 16 / type.bytes();
    const Expr kept = lanes_kept(store->predicate);
    if (!kept.defined() || index == nullptr || !is_const_one(index->stride) ||
        index->base.type().is_vector() || type.lanes() <= step)
        return IRMutator::visit(store);
    const std::string name = unique_name("tail");
    const Expr tail = Variable::make(type, name);
    Stmt narrow;
    for (int lane = type.lanes() - 2 * step; lane >= 0; lane -= step) {
        const Stmt part =
            Store::make(store->name, Shuffle::make_slice(tail, lane, 1, step),
                        Ramp::make(index->base + lane, make_one(index->base.type()), step),
                        store->param, const_true(step), ModulusRemainder());
        const Stmt more = narrow.defined() ? Block::make(part, narrow) : part;
        narrow = lane == 0 ? more : IfThenElse::make(kept > lane, more);
    }
    const Stmt masked = Store::make(store->name, tail, store->index, store->param, store->predicate,
                                    store->alignment);
    const Expr whole = kept % step == 0 && kept > 0 && kept < type.lanes();
    return LetStmt::make(name, store->value, IfThenElse::make(simplify(whole), narrow, masked));
}

}  // namespace halnorm
