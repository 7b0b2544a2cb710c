// Is a variant right, before it is timed? One pipeline in one layout and dtype against the tests'
// reference, over the shapes of the tests' grid (tails, few and many channels, rows of 1 and 49,
// long rows), in guarded memory, strided, in place, with every activation in turn. It is linked
// with the kernels that are tried and with no others, so it makes no call that runs the other
// layout's.
#include <gtest/gtest.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "backward_call.h"
#include "call.h"
#include "grid_shapes.h"
#include "random.h"

namespace {

using namespace test;

struct Asked {
    std::string variant, pipeline, layout, dtype = "float32", activation;
    bool plain = false;
} asked;

// What is being called, for the report of a failure or a crash.
std::string running;

void check(const Case &c, uint64_t seed) {
    running = c.describe();
    Call(c, seed).expect_reference();
}

void check(const BackwardCase &c, uint64_t seed) {
    running = c.describe();
    BackwardCall(c, seed).expect_reference();
}

halnorm_activation activation_of_turn(size_t turn) {
    halnorm_activation activation = HALNORM_ACT_NONE;
    halnorm_activation_from_name(asked.activation.c_str(), &activation);
    return turn % 2 == 0 || asked.plain ?
               activation :
               static_cast<halnorm_activation>(turn / 2 % HALNORM_ACT_COUNT);
}

void settle(Setting *s, const Shape &shape, Random *dice, size_t turn) {
    s->variant = asked.variant;
    s->layout = asked.layout == "nhwc" ? HALNORM_NHWC : HALNORM_NCHW;
    s->dtype = asked.dtype == "float64" ? HALNORM_FLOAT64 : HALNORM_FLOAT32;
    s->activation = activation_of_turn(turn);
    s->n = shape.n, s->c = shape.c, s->s = shape.s;
    if (asked.plain)
        return;
    s->rank = static_cast<int>(s->s == 1 ? 2 + dice->below(4) : 3 + dice->below(3));
    s->gamma = dice->below(4) != 0;
    s->beta = dice->below(4) != 0;
    s->placement.guard = dice->below(2) == 0 ? Guard::after : Guard::before;
    s->placement.offset = offsets[dice->below(3)];
    s->threads = dice->below(4) == 0 ? 2 : 1;
}

Spread any_spread(Random *dice) {
    constexpr Spread gaps[] = {Spread::dense, Spread::dense, Spread::channel_gap,
                               Spread::image_gap};
    return gaps[dice->below(4)];
}

void check_forward(const Shape &shape, size_t turn) {
    Random dice(turn);
    Case c;
    settle(&c, shape, &dice, turn);
    c.pipeline = asked.pipeline == "training" ? Pipeline::training : Pipeline::inference;
    if (!asked.plain) {
        c.in_place = dice.below(2) == 0;
        c.moving = c.pipeline == Pipeline::inference || dice.below(4) != 0;
        c.saved = dice.below(4) != 0;
        c.x_spread = any_spread(&dice);
        c.y_spread = any_spread(&dice);
    }
    check(c, turn);
}

void check_backward(const Shape &shape, size_t turn) {
    Random dice(turn);
    BackwardCase c;
    settle(&c, shape, &dice, turn);
    if (!asked.plain) {
        c.batch = dice.below(4) != 0;
        c.from_y = invertible(c.activation) && dice.below(3) == 0;
        c.add = !c.from_y && dice.below(4) == 0;
        c.dz = c.add && dice.below(2) == 0;
        c.dgamma = dice.below(4) != 0;
        c.dbeta = dice.below(4) != 0;
        c.over = dice.below(3) == 0         ? Over::dx :
                 c.dz && dice.below(2) == 0 ? Over::dz :
                                              Over::nothing;
        c.x_spread = any_spread(&dice);
        c.dy_spread = any_spread(&dice);
        c.dx_spread = any_spread(&dice);
    }
    check(c, turn);
}

class Report : public testing::EmptyTestEventListener {
public:
    int failures = 0;

private:
    void OnTestPartResult(const testing::TestPartResult &result) override {
        if (!result.failed() || ++failures > 3)
            return;  // one kind of mistake need not fill the screen
        std::string what = result.message();
        what.resize(std::min(what.size(), what.find("\nGoogle Test trace:")));
        if (what.rfind("Failed\n", 0) == 0)
            what.erase(0, strlen("Failed\n"));
        for (size_t at = 0; (at = what.find('\n', at)) != std::string::npos; at += 5)
            what.replace(at, 1, "\n    ");
        fprintf(stderr, "  %s\n    %s\n", running.c_str(), what.c_str());
    }
};

// With what may be called in a signal handler.
void crashed(int number) {
    const char *const why = number == SIGSEGV || number == SIGBUS ?
                                "read or wrote memory beside a buffer" :
                            number == SIGILL ? "an instruction that this machine does not know" :
                                               "aborted";
    for (const char *part : {"  ", running.c_str(), "\n    ", why, "\n"})
        static_cast<void>(!write(STDERR_FILENO, part, strlen(part)));
    _exit(1);
}

class Check : public testing::Test {
public:
    explicit Check(Report *report) : report_(report) {}
    void TestBody() override {
        const bool nchw = asked.layout == "nchw";
        size_t turn = 0;
        for (const Shape &shape : shapes(nchw ? HALNORM_NCHW : HALNORM_NHWC, 30000, false)) {
            // Rows of one pixel run the NHWC kernels, and one channel the NCHW kernels.
            if (nchw ? shape.s == 1 : shape.c == 1)
                continue;
            asked.pipeline == "backward" ? check_backward(shape, turn) : check_forward(shape, turn);
            turn++;
            if (report_->failures > 0)
                return;
        }
    }

private:
    Report *report_;
};

}  // namespace

int main(int argc, char **argv) {
    CLI::App app("Checks a variant against the reference.");
    app.add_option("--variant", asked.variant)->required();
    app.add_option("--pipeline", asked.pipeline)
        ->required()
        ->check(CLI::IsMember({"inference", "training", "backward"}));
    app.add_option("--layout", asked.layout)->required()->check(CLI::IsMember({"nchw", "nhwc"}));
    app.add_option("--dtype", asked.dtype)->check(CLI::IsMember({"float32", "float64"}));
    app.add_option("--act", asked.activation)->required();
    app.add_flag(
        "--plain", asked.plain,
        "dense tensors, that activation alone, out of place, statistics of the batch: what an "
        "autoscheduler's kernels are made for");
    CLI11_PARSE(app, argc, argv);

    int none = 1;
    testing::InitGoogleTest(&none, argv);
    testing::TestEventListeners &listeners = testing::UnitTest::GetInstance()->listeners();
    delete listeners.Release(listeners.default_result_printer());
    Report *const report = new Report;
    listeners.Append(report);
    testing::RegisterTest("Check", "matches_reference", nullptr, nullptr, __FILE__, __LINE__,
                          [=]() -> testing::Test * { return new Check(report); });
    for (int number : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT})
        signal(number, crashed);
    return RUN_ALL_TESTS();
}
