// What the fuzzers have in common: how an input becomes a call. Numbers that describe it come from
// the end of the input, the tensors' values from its front.
#pragma once

#include <fuzzer/FuzzedDataProvider.h>
#include <initializer_list>
#include <string>
#include <vector>

#include "call.h"

namespace fuzz {

class Input : public FuzzedDataProvider {
public:
    using FuzzedDataProvider::FuzzedDataProvider;

    bool flag() { return ConsumeBool(); }
    int64_t number(int64_t least, int64_t most) {
        return ConsumeIntegralInRange<int64_t>(least, most);
    }
    template<typename T>
    T one_of(std::initializer_list<T> list) {
        return list.begin()[number(0, static_cast<int64_t>(list.size()) - 1)];
    }
    template<typename T>
    const T &one_of(const std::vector<T> &list) {
        return list[static_cast<size_t>(number(0, static_cast<int64_t>(list.size()) - 1))];
    }
};

// Once per program: a failed assertion of GoogleTest ends the process, as a sanitizer's report
// does.
void start();

// All of a setting, for a variant that runs on this machine's processor.
void take_setting(Input &input, test::Setting *setting);

test::Spread take_spread(Input &input, const test::Setting &setting);

// {} or where the batch is cut into parts.
std::vector<int64_t> take_cuts(Input &input, const test::Setting &setting);

// Values of tensors, taken from the bytes that are left: what layers meet, a center and steps from
// it, some steps very long.
class Values {
public:
    // Where `special`, some of the bytes mean NaN, an infinity, -0 or a subnormal number. Where
    // `near`, the center is 0: what is merged of a batch in parts are means, of 53 bits.
    Values(Input &input, halnorm_dtype dtype, bool special, bool near);

    // One of a tensor's values, each call the next; channels have different centers.
    double next(size_t channel);
    // In [-4, 4), or special; for what enters as a factor or a summand.
    double small();
    // In [0, 8), or special.
    double variance();

private:
    unsigned byte();
    bool is_special(unsigned byte, double *value) const;

    std::vector<uint8_t> bytes_;
    size_t next_ = 0;
    halnorm_dtype dtype_;
    bool special_;
    double center_, step_;
};

}  // namespace fuzz
