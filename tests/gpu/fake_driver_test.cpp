// What the library asks of a CUDA driver and what it makes of the answers, on a machine without
// one: libcuda.so.1 is the stand-in beside this file. A driver is looked for once per process, so
// each sort of machine is a run of its own:
//     halnorm_fake_driver_test [WHAT IS WRONG]
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "fake_driver_calls.h"
#include "halnorm/halnorm.h"

namespace {

using gpu::Gradients;
using gpu::Training;

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
    // From here on; what works in another one counts among the "others".
    void expect_stream(void *stream) const { call("fake_cuda_expect_stream", stream); }
    template<typename... Arguments>
    int call(const char *name, Arguments... arguments) const {
        return reinterpret_cast<int (*)(Arguments...)>(dlsym(library, name))(arguments...);
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

// On the device, with a context.
void gradients_that_work(const Books &books, void *stream) {
    Gradients g;
    g.config.cuda_stream = stream;
    const int allocations = books.of("allocations");
    expect(g.all(), "the backward pass");
    expect(g.saved_mean == g.mean && books.of("copies") == 1, "saved_mean is copied on the device");
    expect(books.of("reads") >= 2, "gamma is read, a piece at a time");
    const int loads = books.of("loads");
    expect(g.all() && books.of("loads") == loads, "its kernels are loaded once");
    expect(books.of("allocations") == allocations, "no allocation by the backward pass");
    expect(books.of("others") == 0, "nothing but the caller's stream in the backward pass");

    g.gamma[150] = 0;
    g.dgamma.assign(g.dgamma.size(), 7);
    const int launches = books.of("launches");
    expect_error(g.backward(), HALNORM_ERROR_PARAMETER, "args.gamma[150] (weight): was 0");
    expect(books.of("launches") == launches && g.dgamma == std::vector<float>(g.c, 7),
           "nothing was done");
}

// Where gamma cannot be read, nobody knows whether it is 0.
void unreadable_memory(const Books &books) {
    int a_context = 0;
    expect(reason().empty(), "supported");
    books.call("cuCtxPushCurrent_v2", static_cast<void *>(&a_context));
    Gradients g;
    g.from_y = true;
    expect_error(g.backward(), HALNORM_ERROR_KERNEL,
                 "cuMemcpyDtoHAsync: CUDA_ERROR_ILLEGAL_ADDRESS");
    unsetenv("FAKE_CUDA");
    expect(g.backward() == HALNORM_OK, "the next call works");
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
    books.expect_stream(&a_stream);
    expect(on_device.run() == HALNORM_OK, "device tensors");
    expect(books.of("allocations") == before && allocations > 0, "no allocation");
    expect(books.of("others") == 0, "nothing but the caller's stream");
    expect(books.of("loads") > loads, "another context loads the kernels again");
    expect(books.of("contexts") == 1, "the caller's context stays");
    gradients_that_work(books, &a_stream);
    on_device.config.variant = "generic";
    expect_error(on_device.run(), HALNORM_ERROR_DEVICE, "x.device");
}

void inject(const Books &books, const std::string &name, int which, int code) {
    books.call("fake_cuda_count_calls");
    setenv("FAKE_CUDA", ("fails " + name + " " + std::to_string(which) + " " + std::to_string(code))
                            .c_str(), 1);
}

// Each call of each entry point fails once, with tensors on the host and on the device; then the
// processor takes the same tensors, and the next call on the device works.
void every_call_fails(const Books &books) {
    constexpr int out_of_memory = 2, launch_failed = 719, unknown = 999;
    int a_context = 0;
    // least: of so many calls in a pass each is known to be checked.
    const struct {
        const char *name;
        int code, least;
        bool on_device;
    } faults[] = {{"cuDevicePrimaryCtxRetain", out_of_memory, 1, false},
                  {"cuCtxPushCurrent_v2", unknown, 1, false},
                  {"cuMemAlloc_v2", out_of_memory, 5, false},
                  {"cuMemcpyHtoD_v2", launch_failed, 4, false},
                  {"cuModuleGetFunction", unknown, 5, false},
                  {"cuLaunchKernel", launch_failed, 5, false},
                  {"cuMemcpyDtoHAsync_v2", launch_failed, 3, false},
                  {"cuStreamSynchronize", launch_failed, 3, false},
                  {"cuMemsetD32Async", launch_failed, 2, false},
                  {"cuCtxGetCurrent", unknown, 1, true},
                  {"cuModuleGetFunction", unknown, 5, true},
                  {"cuLaunchKernel", launch_failed, 5, true},
                  {"cuMemsetD32Async", launch_failed, 2, true}};
    expect(reason().empty(), "supported");
    for (const auto &f : faults) {
        if (f.on_device)
            books.call("cuCtxPushCurrent_v2", static_cast<void *>(&a_context));
        const int contexts = books.of("contexts");
        int k = 1;
        for (bool failed = true; failed && k < 100; k++) {
            const std::string call = std::string(f.name) + " " + std::to_string(k);
            Training t = forced();
            if (f.on_device)
                t.device = HALNORM_CUDA;
            inject(books, f.name, k, f.code);
            const halnorm_status status = t.run();
            unsetenv("FAKE_CUDA");
            failed = status != HALNORM_OK;
            expect(failed || k > f.least, call + ": its failure goes unnoticed");
            if (!failed)
                break;
            std::string entry = f.name;
            if (entry.size() > 3 && entry.substr(entry.size() - 3) == "_v2")
                entry.resize(entry.size() - 3);
            expect(status == HALNORM_ERROR_KERNEL || status == HALNORM_ERROR_DEVICE,
                   call + ": a status of the device, was " + halnorm_status_name(status));
            expect(strstr(halnorm_last_error(), entry.c_str()) != nullptr,
                   call + ": a message that names it");
            expect(strstr(halnorm_last_error(), std::to_string(f.code).c_str()) != nullptr,
                   call + ": a message with the driver's code");
            expect(books.of("live") == 0, call + ": memory was left behind");
            expect(books.of("contexts") == contexts, call + ": a context was left behind");
            // What comes back last may be there in part.
            if (entry != "cuMemcpyDtoHAsync" && entry != "cuStreamSynchronize" && !f.on_device)
                expect(t.untouched(), call + ": outputs as they were");
            Training on_cpu;
            expect(on_cpu.run() == HALNORM_OK && !on_cpu.untouched(), call + ": the processor does it");
            expect(t.run() == HALNORM_OK, call + ": the next call works");
        }
        expect(k > f.least && k < 100, std::string(f.name) + ": at least so many calls failed");
        if (f.on_device) {
            void *popped = nullptr;
            books.call("cuCtxPopCurrent_v2", &popped);
        }
    }
}

// A child's own failures, counted as ours.
template<typename Body>
void in_a_child(const std::string &what, Body body) {
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        body();
        fflush(stdout);
        _exit(failures == 0 ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    expect(status == 0, what);
}

// Kernels are loaded once: each time that fails is in a process of its own.
void every_load_fails(const Books &books) {
    constexpr int out_of_memory = 2, kernels = 5;
    for (int k = 1; k <= kernels; k++) {
        in_a_child("cuModuleLoadData " + std::to_string(k), [&] {
            Training t = forced();
            inject(books, "cuModuleLoadData", k, out_of_memory);
            expect_error(t.run(), HALNORM_ERROR_KERNEL,
                         "cuModuleLoadData: CUDA_ERROR_OUT_OF_MEMORY");
            unsetenv("FAKE_CUDA");
            expect(t.untouched(), "outputs as they were");
            expect(books.of("loads") == k - 1, "nothing is loaded after it");
            expect(books.of("live") == 0 && books.of("contexts") == 0, "nothing left behind");
            expect(t.run() == HALNORM_OK && books.of("loads") >= kernels, "the next call works");
        });
    }
}

// What a driver may say when it is looked for, each in a process of its own.
void probes_that_fail(const Books &books) {
    constexpr int no_device = 100, mismatch = 803, unknown = 999;
    const struct {
        const char *name;
        int code;
        const char *why;
    } faults[] = {{"cuInit", no_device, "CUDA_ERROR_NO_DEVICE"},
                  {"cuInit", mismatch, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"},
                  {"cuInit", unknown, "unknown error"},
                  {"cuDeviceGetCount", no_device, "CUDA_ERROR_NO_DEVICE"},
                  {"cuDeviceGet", unknown, "no CUDA device of compute capability 7.0 or more"},
                  {"cuDeviceGetAttribute", unknown,
                   "no CUDA device of compute capability 7.0 or more"}};
    for (const auto &f : faults) {
        in_a_child(std::string(f.name) + " says " + std::to_string(f.code), [&] {
            inject(books, f.name, 1, f.code);
            machine_without(f.why);
        });
    }
}

}  // namespace

int main(int argc, char **argv) {
    halnorm_enable_gpu();
    const std::string wrong = argc > 1 ? argv[1] : "";
    if (!wrong.empty())
        setenv("FAKE_CUDA", wrong.c_str(), 1);
    const Books books;
    if (wrong == "a broken driver") {
        machine_without("libcuda.so.1 not found: no CUDA driver");
        return failures == 0 ? 0 : 1;
    }
    if (books.library == nullptr || dlsym(books.library, "fake_cuda_book") == nullptr) {
        printf("the stand-in was not found: %s\n", dlerror());
        return 1;
    }
    // In this process a driver is looked for now; not where children are to look for it.
    if (wrong != "probing" && reason() == "not in this build") {
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
    else if (wrong == "unreadable memory")
        unreadable_memory(books);
    else if (wrong == "every call")
        every_load_fails(books), every_call_fails(books);
    else if (wrong == "probing")
        probes_that_fail(books);
    else if (wrong == "an old driver")
        machine_without("libcuda.so.1 lacks an entry point: the CUDA driver is too old");
    else
        expect(false, "known: " + wrong);
    return failures == 0 ? 0 : 1;
}
