// Checks variant cuda on a machine with a GPU, and measures it: halnorm_cuda_check [--no-times].
// The program can be copied to a machine that has a driver and nothing else. Exit status: 0, 1
// where a result is wrong, 77 where there is no GPU.
#include <stdio.h>
#include <string.h>

#include "cuda_call.h"

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

int check_all(const gpu::Driver &driver) {
    int done = 0, failed = 0;
    const auto check = [&](const Case &k) {
        const std::string wrong = gpu::check(driver, k);
        done++;
        if (wrong.empty())
            return;
        failed++;
        if (failed <= 20)
            printf("FAILED: %s: %s\n", k.describe().c_str(), wrong.c_str());
    };
    for (bool training : {false, true}) {
        for (halnorm_layout layout : {HALNORM_NCHW, HALNORM_NHWC}) {
            for (halnorm_dtype dtype : {HALNORM_FLOAT32, HALNORM_FLOAT64}) {
                Case k;
                k.training = training;
                k.layout = layout;
                k.dtype = dtype;
                for (const Shape &shape : shapes) {
                    k.n = shape.n, k.c = shape.c, k.s = shape.s;
                    for (bool on_device : {true, false}) {
                        for (bool in_place : {false, true}) {
                            k.on_device = on_device;
                            k.in_place = in_place;
                            check(k);
                        }
                    }
                }
                k.on_device = true;
                k.in_place = false;
                k.n = 8, k.c = 33, k.s = 49;
                for (int a = 0; a < HALNORM_ACT_COUNT; a++) {
                    k.activation = static_cast<halnorm_activation>(a);
                    check(k);
                }
            }
        }
    }
    printf("%d of %d checks passed\n", done - failed, done);
    return failed;
}

void measure_all(gpu::Driver &driver) {
    constexpr Shape resnet[] = {{32, 64, 12544}, {32, 256, 3136}, {32, 512, 784},
                                {32, 1024, 196}, {32, 2048, 49},  {1, 64, 12544},
                                {1, 256, 3136},  {1, 2048, 49},   {4096, 256, 1}};
    printf("\nfloat32, relu; a copy of x to y on the device moves what inference moves at least\n");
    printf("%-18s %-6s %10s %12s %6s %12s %6s\n", "n x c x s", "layout", "copy us", "inference us",
           "share", "training us", "share");
    for (const Shape &shape : resnet) {
        for (halnorm_layout layout : {HALNORM_NCHW, HALNORM_NHWC}) {
            Case k;
            k.n = shape.n, k.c = shape.c, k.s = shape.s;
            k.layout = layout;
            k.activation = HALNORM_ACT_RELU;
            k.training = false;
            const gpu::Times inference = gpu::measure(driver, k);
            k.training = true;
            const gpu::Times training = gpu::measure(driver, k);
            char name[64];
            snprintf(name, sizeof name, "%lld x %lld x %lld", static_cast<long long>(k.n),
                     static_cast<long long>(k.c), static_cast<long long>(k.s));
            printf("%-18s %-6s %10.1f %12.1f %5.0f%% %12.1f %5.0f%%\n", name,
                   layout == HALNORM_NCHW ? "nchw" : "nhwc", inference.copy, inference.call,
                   100 * inference.copy / inference.call, training.call,
                   100 * training.copy / training.call);
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
