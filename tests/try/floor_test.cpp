// The floor's sweeps do what they are called: every byte of y and none beside it, whatever the
// length and the alignment. What they cost is for ./run try to say.
#include <gtest/gtest.h>

#include <cstring>

#include "../random.h"
#include "bench/floor.h"

namespace {

using namespace bench;

std::vector<char> random_bytes(size_t count, test::Random *dice) {
    std::vector<char> bytes(count);
    for (char &b : bytes)
        b = static_cast<char>(dice->bits());
    return bytes;
}

TEST(Floor, sweeps_write_y_and_nothing_else) {
    constexpr size_t longest = 700, margin = 128;
    test::Random dice(1);
    const std::vector<char> x = random_bytes(longest + 8, &dice),
                            x2 = random_bytes(longest + 8, &dice);
    for (const int reads : {1, 2}) {
        ASSERT_GE(floor_sweeps(reads).size(), 1u);
        for (const Sweep &sweep : floor_sweeps(reads)) {
            for (size_t bytes = 0; bytes <= longest; bytes++) {
                for (const size_t offset : {0, 4, 60}) {
                    std::vector<char> y(longest + margin + 128, 7), expected = y;
                    for (size_t i = 0; i < bytes; i++) {
                        const char read =
                            reads == 1 ? x[i + 4] : static_cast<char>(x[i + 4] ^ x2[i + 8]);
                        expected[64 + offset + i] = read;
                    }
                    sweep.run(x.data() + 4, reads == 1 ? nullptr : x2.data() + 8,
                              y.data() + 64 + offset, bytes);
                    ASSERT_TRUE(y == expected)
                        << reads << " " << sweep.name << " " << bytes << " " << offset;
                }
            }
        }
    }
}

}  // namespace
