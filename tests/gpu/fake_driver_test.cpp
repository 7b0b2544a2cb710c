// What the library asks of a CUDA driver and what it makes of the answers, on a machine without
// one: libcuda.so.1 is the stand-in beside this file. A driver is looked for once per process, so
// each sort of machine is a run of its own:
//     halnorm_fake_driver_test [WHAT IS WRONG]
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <string>
#include <vector>

#include "halnorm/halnorm.h"

namespace {

int failures = 0;

void expect(bool good, const std::string &what) {
    if (good)
        return;
    failures++;
    printf("FAILED: %s; last error: \"%s\"\n", what.c_str(), halnorm_last_error());
}

void expect_error(halnorm_status status, halnorm_status expected, const std::string &words) {
    expect(status == expected,
           std::string(halnorm_status_name(expected)) + ", was " + halnorm_status_name(status));
    expect(strstr(halnorm_last_error(), words.c_str()) != nullptr,
           "a message with \"" + words + "\"");
}

struct Books {
    void *library = dlopen("libcuda.so.1", RTLD_NOW);
    int of(const char *name) const {
        return reinterpret_cast<int (*)(const char *)>(dlsym(library, "fake_cuda_book"))(name);
    }
    void *stream() const {
        return reinterpret_cast<void *(*)()>(dlsym(library, "fake_cuda_stream"))();
    }
    template<typename... Arguments>
    int call(const char *name, Arguments... arguments) const {
        return reinterpret_cast<int (*)(Arguments...)>(dlsym(library, name))(arguments...);
    }
};

// One call of training on host memory that pretends to be the device's where `device` says so.
struct Training {
    static constexpr int64_t n = 8, c = 5, s = 49, numel = n * c * s;
    std::vector<float> x = std::vector<float>(numel, 2), y = std::vector<float>(numel, 7);
    std::vector<float> mean = std::vector<float>(c, 3), variance = std::vector<float>(c, 4);
    halnorm_config config = halnorm_default_config(c);
    halnorm_device device = HALNORM_CPU;

    halnorm_status run() {
        const int64_t shape[] = {n, c, s};
        halnorm_tensor in = halnorm_dense_tensor(x.data(), HALNORM_FLOAT32, 3, shape);
        halnorm_tensor out = halnorm_dense_tensor(y.data(), HALNORM_FLOAT32, 3, shape);
        in.device = out.device = device;
        size_t bytes = 0;
        const halnorm_status status = halnorm_forward_training_workspace(&config, &in, &bytes);
        if (status != HALNORM_OK)
            return status;
        void *workspace = aligned_alloc(HALNORM_WORKSPACE_ALIGNMENT, (bytes + 63) / 64 * 64);
        const halnorm_status result =
            halnorm_forward_training(&config, &in, nullptr, nullptr, mean.data(), variance.data(),
                                     &out, nullptr, nullptr, workspace, bytes);
        free(workspace);
        return result;
    }
    bool untouched() const {
        return x == std::vector<float>(numel, 2) && y == std::vector<float>(numel, 7) &&
               mean == std::vector<float>(c, 3) && variance == std::vector<float>(c, 4);
    }
};

Training forced() {
    Training t;
    t.config.variant = "cuda";
    return t;
}

std::string reason() {
    halnorm_variant_info info;
    for (int32_t i = 0; halnorm_variant_get(i, &info) == HALNORM_OK; i++) {
        if (strcmp(info.name, "cuda") == 0)
            return info.supported ? "" : info.reason;
    }
    return "not in this build";
}

void machine_without(const char *why) {
    expect(reason() == why, std::string("the reason ") + why + ", was " + reason());
    Training t = forced();
    expect_error(t.run(), HALNORM_ERROR_VARIANT_UNSUPPORTED, why);
    t.config.variant = nullptr;
    t.device = HALNORM_CUDA;
    expect_error(t.run(), HALNORM_ERROR_DEVICE, why);
    expect(t.untouched(), "outputs as they were");
    t.device = HALNORM_CPU;
    expect(t.run() == HALNORM_OK, "the processor does it");
}

// A call fails half way; the next one finds a machine in order.
void call_that_fails(const Books &books, const char *what, const char *said) {
    expect(reason().empty(), "supported");
    Training t = forced();
    expect_error(t.run(), HALNORM_ERROR_KERNEL, std::string(what) + ": " + said);
    expect(t.untouched(), "outputs as they were");
    expect(books.of("live") == 0 && books.of("contexts") == 0, "nothing left behind");
    unsetenv("FAKE_CUDA");
    expect(t.run() == HALNORM_OK, "the next call works");
}

void calls_that_work(const Books &books) {
    Training t = forced();
    expect(t.run() == HALNORM_OK, "host tensors");
    expect(strcmp(halnorm_last_variant(), "cuda") == 0, "the variant that ran");
    expect(books.of("launches") >= 5, "kernels were launched");
    expect(books.of("live") == 0 && books.of("contexts") == 0, "nothing left behind");
    const int loads = books.of("loads"), allocations = books.of("allocations");
    expect(t.run() == HALNORM_OK && books.of("loads") == loads, "kernels are loaded once");

    // Tensors on the device: the caller's context and stream, no memory of the library's own.
    Training on_device;
    on_device.device = HALNORM_CUDA;
    expect_error(on_device.run(), HALNORM_ERROR_DEVICE, "no current context");
    int a_context = 0, a_stream = 0;
    books.call("cuCtxPushCurrent_v2", static_cast<void *>(&a_context));
    on_device.config.cuda_stream = &a_stream;
    const int before = books.of("allocations");
    expect(on_device.run() == HALNORM_OK, "device tensors");
    expect(books.of("allocations") == before && allocations > 0, "no allocation");
    expect(books.stream() == &a_stream, "the caller's stream");
    expect(books.of("loads") > loads, "another context loads the kernels again");
    expect(books.of("contexts") == 1, "the caller's context stays");
    on_device.config.variant = "generic";
    expect_error(on_device.run(), HALNORM_ERROR_DEVICE, "x.device");
}

}  // namespace

int main(int argc, char **argv) {
    halnorm_enable_gpu();
    const std::string wrong = argc > 1 ? argv[1] : "";
    if (!wrong.empty())
        setenv("FAKE_CUDA", wrong.c_str(), 1);
    const Books books;
    if (books.library == nullptr || dlsym(books.library, "fake_cuda_book") == nullptr) {
        printf("the stand-in was not found: %s\n", dlerror());
        return 1;
    }
    if (reason() == "not in this build") {
        printf("skipped: this build has no variant for CUDA\n");
        return 77;
    }
    if (wrong.empty())
        calls_that_work(books);
    else if (wrong == "no driver for the device")
        machine_without("CUDA_ERROR_NO_DEVICE");
    else if (wrong == "no device")
        machine_without("no CUDA device");
    else if (wrong == "an old device")
        machine_without("no CUDA device of compute capability 7.0 or more");
    else if (wrong == "little memory")
        call_that_fails(books, "cuMemAlloc", "CUDA_ERROR_OUT_OF_MEMORY");
    else if (wrong == "an unknown PTX")
        call_that_fails(books, "cuModuleLoadData", "CUDA_ERROR_UNSUPPORTED_PTX_VERSION");
    else if (wrong == "a broken device")
        call_that_fails(books, "cuLaunchKernel", "CUDA_ERROR_LAUNCH_FAILED");
    else
        expect(false, "known: " + wrong);
    return failures == 0 ? 0 : 1;
}
