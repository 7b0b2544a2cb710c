// Checks variant cuda on a machine with a GPU, and measures it: halnorm_cuda_check [--no-times].
// The program can be copied to a machine that has a driver and nothing else. Exit status: 0, 1
// where a result is wrong, 77 where there is no GPU.
#include <stdio.h>
#include <string.h>

#include "cuda_backward_call.h"
#include "cuda_call.h"

using gpu::BackwardCase;
using gpu::Case;

namespace {

struct Shape {
    int64_t n, c, s;
};

// Each branch of the plan and of the kernels: rows that are cut and not, tails of rows, of channels
// and of rows of blocks, one row, one element, more blocks than one.
constexpr Shape shapes[] = {{2, 3, 4},     {1, 1, 1},     {1, 7, 1},     {33, 33, 49},
                            {64, 257, 1},  {5000, 16, 1}, {16, 17, 196}, {3, 8, 784},
                            {3, 6, 1025},  {2, 5, 3136},  {1, 64, 3136}, {1, 3, 12544},
                            {2, 2, 50176}, {300, 64, 49}, {1, 4, 1031},  {9, 40, 100}};
constexpr Shape small_shape = {8, 33, 49};

class Checks {
public:
    explicit Checks(const gpu::Driver &driver) : driver_(driver) {}

    template<typename AnyCase>
    void check(const AnyCase &k) {
        note(k, gpu::check(driver_, k));
    }
    void check_zero_gamma(const BackwardCase &k, int64_t channel) {
        note(k, gpu::check_zero_gamma(driver_, k, channel));
    }
    int done() const { return done_; }
    int failed() const { return failed_; }

private:
    template<typename AnyCase>
    void note(const AnyCase &k, const std::string &wrong) {
        done_++;
        if (wrong.empty())
            return;
        failed_++;
        if (failed_ <= 20)
            printf("FAILED: %s: %s\n", k.describe().c_str(), wrong.c_str());
    }

    const gpu::Driver &driver_;
    int done_ = 0, failed_ = 0;
};

template<typename AnyCase>
AnyCase of_shape(AnyCase k, const Shape &shape) {
    k.n = shape.n, k.c = shape.c, k.s = shape.s;
    return k;
}

void check_forward(Checks &checks, halnorm_layout layout, halnorm_dtype dtype) {
    Case k;
    k.layout = layout;
    k.dtype = dtype;
    for (bool training : {false, true}) {
        k.training = training;
        for (const Shape &shape : shapes) {
            k = of_shape(k, shape);
            for (bool on_device : {true, false}) {
                for (bool in_place : {false, true}) {
                    k.on_device = on_device;
                    k.in_place = in_place;
                    checks.check(k);
                }
            }
            k.on_device = k.add = true;
            checks.check(k);
            k.add = false;
        }
        k = of_shape(k, small_shape);
        k.on_device = true;
        k.in_place = false;
        for (int a = 0; a < HALNORM_ACT_COUNT; a++) {
            k.activation = static_cast<halnorm_activation>(a);
            for (bool add : {false, true}) {
                k.add = add;
                checks.check(k);
            }
        }
        k.add = false;
        k.activation = HALNORM_ACT_NONE;
    }
}

// What a call reads and where its results go; each meets every shape, with an activation whose
// gradient is made in the sums (relu), or ahead of them (silu, and where there is a second addend).
struct Choice {
    bool batch, from_y, add, dx, in_place, halves;
    halnorm_activation activation;
};
constexpr Choice choices[] = {
    {true, false, false, true, false, false, HALNORM_ACT_RELU},
    {true, false, false, true, true, false, HALNORM_ACT_SILU},
    {true, false, false, false, false, false, HALNORM_ACT_SILU},
    {true, false, false, true, false, true, HALNORM_ACT_RELU},
    {true, false, true, true, true, false, HALNORM_ACT_RELU},
    {true, false, true, true, false, true, HALNORM_ACT_RELU},
    {true, true, false, true, true, false, HALNORM_ACT_LEAKY_RELU},
    {false, false, false, true, false, false, HALNORM_ACT_NONE},
    {false, false, true, true, false, false, HALNORM_ACT_SILU},
    {false, true, false, true, true, true, HALNORM_ACT_ELU},
};

bool invertible(halnorm_activation a) {
    return a == HALNORM_ACT_NONE || a == HALNORM_ACT_LEAKY_RELU || a == HALNORM_ACT_ELU;
}

void check_backward(Checks &checks, halnorm_layout layout, halnorm_dtype dtype) {
    BackwardCase k;
    k.layout = layout;
    k.dtype = dtype;
    for (const Choice &choice : choices) {
        k.batch = choice.batch;
        k.from_y = choice.from_y;
        k.add = choice.add;
        k.dx = choice.dx;
        k.in_place = choice.in_place;
        k.halves = choice.halves;
        k.activation = choice.activation;
        for (const Shape &shape : shapes)
            checks.check(of_shape(k, shape));
        k.on_device = false;
        checks.check(of_shape(k, small_shape));
        k.on_device = true;
    }
    k = of_shape(BackwardCase(), small_shape);
    k.layout = layout;
    k.dtype = dtype;
    for (int a = 0; a < HALNORM_ACT_COUNT; a++) {
        k.activation = static_cast<halnorm_activation>(a);
        for (bool batch : {true, false}) {
            k.batch = batch;
            checks.check(k);
            k.add = true;
            checks.check(k);
            k.add = false;
            k.from_y = true;
            if (invertible(k.activation))
                checks.check(k);
            k.from_y = false;
        }
    }
    // More channels than are read from the device at a time.
    k = of_shape(k, {2, 300, 4});
    k.activation = HALNORM_ACT_NONE;
    k.from_y = true;
    for (bool on_device : {true, false}) {
        k.on_device = on_device;
        for (int64_t channel : {0, 130, 299})
            checks.check_zero_gamma(k, channel);
    }
}

int check_all(const gpu::Driver &driver) {
    Checks checks(driver);
    for (halnorm_layout layout : {HALNORM_NCHW, HALNORM_NHWC}) {
        for (halnorm_dtype dtype : {HALNORM_FLOAT32, HALNORM_FLOAT64}) {
            check_forward(checks, layout, dtype);
            check_backward(checks, layout, dtype);
        }
    }
    printf("%d of %d checks passed\n", checks.done() - checks.failed(), checks.done());
    return checks.failed();
}

void measure_all(gpu::Driver &driver) {
    constexpr Shape resnet[] = {{32, 64, 12544}, {32, 256, 3136}, {32, 512, 784},
                                {32, 1024, 196}, {32, 2048, 49},  {1, 64, 12544},
                                {1, 256, 3136},  {1, 2048, 49},   {4096, 256, 1}};
    printf("\nfloat32, relu, batch statistics in backward. A copy of x to y on the device moves "
           "what inference\nmoves at least; backward reads two tensors twice and writes one: 2.5 "
           "copies.\n");
    printf("%-18s %-6s %10s %12s %6s %12s %6s %12s %6s\n", "n x c x s", "layout", "copy us",
           "inference us", "share", "training us", "share", "backward us", "share");
    for (const Shape &shape : resnet) {
        for (halnorm_layout layout : {HALNORM_NCHW, HALNORM_NHWC}) {
            Case k = of_shape(Case(), shape);
            k.layout = layout;
            k.activation = HALNORM_ACT_RELU;
            k.training = false;
            const gpu::Times inference = gpu::measure(driver, k);
            k.training = true;
            const gpu::Times training = gpu::measure(driver, k);
            BackwardCase b = of_shape(BackwardCase(), shape);
            b.layout = layout;
            b.activation = HALNORM_ACT_RELU;
            const gpu::Times backward = gpu::measure(driver, b);
            char name[64];
            snprintf(name, sizeof name, "%lld x %lld x %lld", static_cast<long long>(k.n),
                     static_cast<long long>(k.c), static_cast<long long>(k.s));
            printf("%-18s %-6s %10.1f", name, layout == HALNORM_NCHW ? "nchw" : "nhwc",
                   inference.copy);
            for (const gpu::Times &times : {inference, training, backward})
                printf(" %12.1f %5.0f%%", times.call, 100 * times.copy / times.call);
            printf("\n");
        }
    }
}

}  // namespace

int main(int argc, char **argv) {
    halnorm_enable_gpu();
    gpu::Driver driver;
    std::string why;
    if (!driver.open(&why)) {
        printf("skipped: no GPU: %s\n", why.c_str());
        return 77;
    }
    printf("%s\n", driver.device_name().c_str());
    if (check_all(driver) != 0)
        return 1;
    if (argc < 2 || strcmp(argv[1], "--no-times") != 0)
        measure_all(driver);
    return 0;
}
