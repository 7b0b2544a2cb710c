#include "tails.h"

#include "agreed.h"

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
    const int step = row_alignment / type.bytes(), lanes = type.lanes();
    const Expr kept = lanes_kept(store->predicate);
    if (!kept.defined() || index == nullptr || !is_const_one(index->stride) ||
        index->base.type().is_vector() || lanes <= step)
        return IRMutator::visit(store);
    const std::string name = unique_name("tail");
    const Expr tail = Variable::make(type, name);
    const auto part = [&](int lane, int count) {
        const Expr at = index->base + lane;
        const bool one = count == 1;
        return Store::make(store->name,
                           one ? Shuffle::make_extract_element(tail, lane) :
                                 Shuffle::make_slice(tail, lane, 1, count),
                           one ? at : Ramp::make(at, make_one(at.type()), count), store->param,
                           const_true(count), ModulusRemainder());
    };
    const auto then = [](const Stmt &first, const Stmt &more) {
        return more.defined() ? Block::make(first, more) : first;
    };
    // `rest`: of what is left beyond a lane, one by one.
    Stmt narrow, rest;
    for (int lane = lanes - step; lane >= 0; lane -= step) {
        if (lane + step < lanes) {
            narrow = then(part(lane, step), narrow);
            if (odd_singly_ || lane > 0)
                narrow = IfThenElse::make(kept >= lane + step, narrow);
        }
        Stmt singles;
        for (int k = lane + step - 2; k >= lane; k--) {
            singles = then(part(k, 1), singles);
            if (k > lane)
                singles = IfThenElse::make(kept > k, singles);
        }
        rest = rest.defined() ? IfThenElse::make(kept < lane + step, singles, rest) : singles;
    }
    const auto all = [&](const Expr &predicate) {
        return Store::make(store->name, tail, store->index, store->param, predicate,
                           store->alignment);
    };
    const Expr some = kept > 0 && kept < lanes, odd = kept % step != 0;
    if (odd_singly_) {
        narrow = Block::make(narrow, IfThenElse::make(simplify(odd), rest));
        narrow =
            IfThenElse::make(simplify(some), narrow,
                             IfThenElse::make(simplify(kept >= lanes), all(const_true(lanes))));
    } else {
        narrow = IfThenElse::make(simplify(some && !odd), narrow, all(store->predicate));
    }
    return LetStmt::make(name, store->value, narrow);
}

}  // namespace halnorm
