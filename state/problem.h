// What functions of this part return. The one exception that passes through them is that of an
// exhausted memory; none leaves StateDict.
#pragma once

#include <string>
#include <utility>

namespace halnorm_state {

// Nothing, or what was wrong with which subject: "<subject>: <text>", "was ..., should be ...".
struct [[nodiscard]] Problem {
    std::string subject, text;

    Problem() = default;
    Problem(std::string subject_, std::string text_)
        : subject(std::move(subject_)), text(std::move(text_)) {}
    explicit operator bool() const { return !text.empty(); }
};

}  // namespace halnorm_state

// Returns from the enclosing function with the problem of `call` if it has one.
#define HALNORM_TRY_IO(call)                           \
    do {                                               \
        if (::halnorm_state::Problem problem = (call)) \
            return problem;                            \
    } while (0)
