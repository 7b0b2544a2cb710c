// How a program's environment takes part in the choice of a variant. The environment is read once
// per process, so each case is a child process: this program again, with --child.
#include <gtest/gtest.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "halnorm/halnorm.h"
#include "variants.h"

namespace {

// What the child does: two calls with the given config.variant (or none), then what it saw, a line
// each: status, variant that ran, variants that say they are chosen, message.
int child(const char *variant) {
    float x[24] = {1, 2, 3}, y[24], mean[2] = {0, 0}, variance[2] = {1, 1};
    const int64_t shape[] = {3, 2, 4};
    const halnorm_tensor in = halnorm_dense_tensor(x, HALNORM_FLOAT32, 3, shape);
    const halnorm_tensor out = halnorm_dense_tensor(y, HALNORM_FLOAT32, 3, shape);
    halnorm_config config = halnorm_default_config(2);
    config.variant = variant;
    alignas(HALNORM_WORKSPACE_ALIGNMENT) char workspace[4096];
    halnorm_status status = HALNORM_OK;
    for (int i = 0; i < 2; i++) {
        status = halnorm_forward_inference(&config, &in, nullptr, nullptr, mean, variance, &out,
                                           workspace, sizeof workspace);
    }
    const std::string message = halnorm_last_error();
    printf("%s\n%s\n", halnorm_status_name(status), halnorm_last_variant());
    for (int32_t i = 0; i < halnorm_variant_count(); i++) {
        halnorm_variant_info info;
        if (halnorm_variant_get(i, &info) == HALNORM_OK && info.chosen)
            printf("%s ", info.name);
    }
    printf("\n%s\n", message.c_str());
    return 0;
}

struct Result {
    std::string status, ran, chosen, message, standard_error;
    int lines_of_error() const {
        int lines = 0;
        for (char c : standard_error)
            lines += c == '\n';
        return lines;
    }
};

std::string read_all(int file) {
    std::string text;
    char buffer[4096];
    for (ssize_t size; (size = read(file, buffer, sizeof buffer)) > 0;)
        text.append(buffer, static_cast<size_t>(size));
    close(file);
    return text;
}

// Runs the child; NULL leaves a variable unset.
Result run(const char *environment_variant, const char *verbose, const char *config_variant) {
    int out[2], err[2];
    EXPECT_EQ(pipe(out), 0);
    EXPECT_EQ(pipe(err), 0);
    const pid_t pid = fork();
    if (pid == 0) {
        dup2(out[1], STDOUT_FILENO);
        dup2(err[1], STDERR_FILENO);
        const auto set = [](const char *name, const char *value) {
            value == nullptr ? unsetenv(name) : setenv(name, value, 1);
        };
        set("HALNORM_VARIANT", environment_variant);
        set("HALNORM_VERBOSE", verbose);
        execl("/proc/self/exe", "dispatch_test", "--child", config_variant,
              static_cast<char *>(nullptr));
        _exit(127);
    }
    close(out[1]);
    close(err[1]);
    std::string text = read_all(out[0]);
    Result result;
    result.standard_error = read_all(err[0]);
    int status = 0;
    EXPECT_EQ(waitpid(pid, &status, 0), pid);
    EXPECT_EQ(status, 0) << "the child failed: " << result.standard_error;
    for (std::string *line : {&result.status, &result.ran, &result.chosen, &result.message}) {
        const size_t end = text.find('\n');
        *line = text.substr(0, end);
        text.erase(0, end == std::string::npos ? end : end + 1);
    }
    return result;
}

// The first of the list that is not experimental, not a device's, and supported.
std::string best() {
    for (int32_t i = 0; i < halnorm_variant_count(); i++) {
        halnorm_variant_info info;
        EXPECT_EQ(halnorm_variant_get(i, &info), HALNORM_OK);
        if (info.chosen)
            return info.name;
    }
    return "none";
}

TEST(Dispatch, without_a_word_the_best_runs_in_silence) {
    const Result r = run(nullptr, nullptr, nullptr);
    EXPECT_EQ(r.status, "HALNORM_OK") << r.message;
    EXPECT_EQ(r.ran, best());
    EXPECT_EQ(r.chosen, best() + " ");
    EXPECT_EQ(r.standard_error, "");
}

TEST(Dispatch, environment_forces_any_supported_variant) {
    for (const std::string &variant : test::supported_variants()) {
        const Result r = run(variant.c_str(), nullptr, nullptr);
        EXPECT_EQ(r.status, "HALNORM_OK") << r.message;
        EXPECT_EQ(r.ran, variant);
        EXPECT_EQ(r.chosen, variant + " ");
        EXPECT_EQ(r.standard_error, "");
    }
}

TEST(Dispatch, configuration_beats_environment) {
    for (const std::string &variant : test::supported_variants()) {
        EXPECT_EQ(run("generic", nullptr, variant.c_str()).ran, variant);
        EXPECT_EQ(run("nonsense", nullptr, variant.c_str()).ran, variant);
    }
}

TEST(Dispatch, unknown_name_in_the_environment_fails_every_call_with_the_list) {
    const Result r = run("x86_sse9", nullptr, nullptr);
    EXPECT_EQ(r.status, "HALNORM_ERROR_VARIANT_UNKNOWN");
    EXPECT_EQ(r.ran, "");
    EXPECT_NE(r.message.find("HALNORM_VARIANT"), std::string::npos) << r.message;
    EXPECT_NE(r.message.find("x86_sse9"), std::string::npos) << r.message;
    for (const std::string &variant : test::supported_variants()) {
        EXPECT_NE(r.message.find(" " + variant), std::string::npos) << r.message;
    }
    EXPECT_EQ(r.standard_error, "");
}

TEST(Dispatch, unsupported_name_in_the_environment_fails_every_call) {
    int unsupported = 0;
    for (const std::string &variant : test::variants()) {
        if (test::why_unsupported(variant).empty())
            continue;
        unsupported++;
        const Result r = run(variant.c_str(), nullptr, nullptr);
        EXPECT_EQ(r.status, "HALNORM_ERROR_VARIANT_UNSUPPORTED");
        EXPECT_NE(r.message.find(variant), std::string::npos) << r.message;
    }
    if (unsupported == 0)
        GTEST_SKIP() << "this machine supports every variant";
}

TEST(Dispatch, empty_environment_variable_is_none) {
    EXPECT_EQ(run("", nullptr, nullptr).ran, best());
}

TEST(Dispatch, verbose_says_one_line) {
    const Result r = run(nullptr, "1", nullptr);
    EXPECT_EQ(r.lines_of_error(), 1) << r.standard_error;
    EXPECT_NE(r.standard_error.find(best()), std::string::npos) << r.standard_error;
    const Result forced = run("generic", "1", nullptr);
    EXPECT_EQ(forced.lines_of_error(), 1) << forced.standard_error;
    EXPECT_NE(forced.standard_error.find("generic"), std::string::npos) << forced.standard_error;
    EXPECT_NE(forced.standard_error.find("HALNORM_VARIANT"), std::string::npos)
        << forced.standard_error;
    EXPECT_EQ(run(nullptr, "0", nullptr).standard_error, "");
}

}  // namespace

int main(int argc, char **argv) {
    halnorm_enable_gpu();
    if (argc > 1 && strcmp(argv[1], "--child") == 0)
        return child(argc > 2 ? argv[2] : nullptr);
    unsetenv("HALNORM_VARIANT");
    unsetenv("HALNORM_VERBOSE");
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
