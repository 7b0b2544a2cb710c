// Every supported variant on the shapes of cases.cpp, beside memcpy of the same tensor in the same
// run.
//
//     halnorm_bench [--all] [--threads=N] [options of Google Benchmark, e.g.
//     --benchmark_filter=training.*8x64x56x56]
//
// Cases are interleaved at random and repeated, because the machines that this runs on are shared:
// compare ratios within a run, never times between runs. bytes_per_second counts the least traffic:
// one read of x and one write of y; backward reads x and dy.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "cases.h"
#include "share_reporter.h"

namespace {

void run_case(benchmark::State &state, const bench::Case &c, int threads) {
    bench::Run run(c, threads);
    for (auto _ : state) {
        if (const char *error = run()) {
            state.SkipWithError(error);
            break;
        }
        benchmark::ClobberMemory();
    }
    state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * c.bytes());
}

// The OpenCL variant exists to test the GPU schedule's logic; on a CPU its times mean nothing.
std::vector<std::string> supported_variants() {
    std::vector<std::string> names;
    for (int32_t i = 0; i < halnorm_variant_count(); i++) {
        halnorm_variant_info info;
        if (halnorm_variant_get(i, &info) == HALNORM_OK && info.supported &&
            std::strcmp(info.name, "opencl") != 0) {
            names.push_back(info.name);
        }
    }
    return names;
}

// Cases without a variant: what is compared in one row.
std::vector<bench::Case> groups(bool all) {
    std::vector<bench::Case> list;
    for (const bench::Pipeline pipeline :
         {bench::Pipeline::inference, bench::Pipeline::training, bench::Pipeline::backward}) {
        for (const halnorm_activation activation :
             {HALNORM_ACT_NONE, HALNORM_ACT_RELU, HALNORM_ACT_SILU}) {
            for (const halnorm_layout layout : {HALNORM_NCHW, HALNORM_NHWC}) {
                for (const halnorm_dtype dtype : {HALNORM_FLOAT32, HALNORM_FLOAT64}) {
                    const bool usual = activation == HALNORM_ACT_RELU && dtype == HALNORM_FLOAT32;
                    for (const bench::Shape &shape : bench::shapes()) {
                        if (!all && !(usual && shape.short_list))
                            continue;
                        if (shape.s == 1 && layout == HALNORM_NCHW)
                            continue;  // rank 2 is the same in both
                        list.push_back({pipeline, activation, layout, dtype, shape, ""});
                    }
                }
            }
        }
    }
    return list;
}

bool take_flag(int &argc, char **argv, const char *name, const char **value) {
    const size_t length = std::strlen(name);
    for (int i = 1; i < argc; i++) {
        if (std::strncmp(argv[i], name, length) != 0 ||
            (argv[i][length] != '\0' && argv[i][length] != '='))
            continue;
        *value = argv[i][length] == '=' ? argv[i] + length + 1 : "";
        for (int k = i; k + 1 < argc; k++)
            argv[k] = argv[k + 1];
        argc--;
        return true;
    }
    return false;
}

}  // namespace

int main(int argc, char **argv) {
    halnorm_enable_gpu();
    const char *value = nullptr;
    int threads = 1;
    if (take_flag(argc, argv, "--help", &value)) {
        std::printf(
            "usage: halnorm_bench [--all] [--threads=N] [options of Google Benchmark]\n\n"
            "  --all          every shape, activations none, relu and silu, float32 and float64\n"
            "                 (default: a short list of shapes with relu in float32)\n"
            "  --threads=N    threads of the library, 0 = all cores (default 1)\n"
            "  --benchmark_filter=REGEX  cases are "
            "<pipeline>/<activation>/<layout>/<dtype>/<shape>/<variant>\n"
            "  --benchmark_out=FILE      results as JSON\n"
            "  --benchmark_list_tests    the names of all cases\n");
        return 0;
    }
    const bool all = take_flag(argc, argv, "--all", &value);
    if (take_flag(argc, argv, "--threads", &value)) {
        char *end = nullptr;
        threads = static_cast<int>(std::strtol(value, &end, 10));
        if (end == value || *end != '\0' || threads < 0) {
            std::fprintf(
                stderr,
                "halnorm_bench: --threads: was \"%s\", should be a number, 0 (all cores) or more\n",
                value);
            return 2;
        }
    }
    // Defaults for a noisy machine; what the command line says comes later and wins.
    std::vector<char *> arguments(argv, argv + 1);
    char interleave[] = "--benchmark_enable_random_interleaving=true",
         repetitions[] = "--benchmark_repetitions=5", time[] = "--benchmark_min_time=0.02";
    for (char *a : {interleave, repetitions, time})
        arguments.push_back(a);
    arguments.insert(arguments.end(), argv + 1, argv + argc);
    int count = static_cast<int>(arguments.size());
    benchmark::Initialize(&count, arguments.data());
    if (benchmark::ReportUnrecognizedArguments(count, arguments.data()))
        return 2;
    const std::vector<std::string> variants = supported_variants();
    std::vector<std::string> names;
    for (bench::Case c : groups(all)) {
        names.push_back(c.group());
        c.variant = "memcpy";
        for (size_t i = 0; i <= variants.size(); i++) {
            benchmark::RegisterBenchmark(c.name().c_str(), run_case, c, threads)
                ->MeasureProcessCPUTime()
                ->UseRealTime()
                ->Unit(benchmark::kMicrosecond);
            if (i < variants.size())
                c.variant = variants[i];
        }
    }
    bench::ShareReporter reporter(threads == 1, names, variants);
    benchmark::RunSpecifiedBenchmarks(&reporter);
    return 0;
}
