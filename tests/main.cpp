// main() of the test programs. A program that ran nothing but skipped tests says so to ctest with
// exit status 77.
#include <gtest/gtest.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <halnorm/halnorm.h>

#include "options.h"

int main(int argc, char **argv) {
    // Each test says what it wants to run; what the user's shell forces would change what `chosen`
    // means.
    unsetenv("HALNORM_VARIANT");
    unsetenv("HALNORM_VERBOSE");
    halnorm_enable_gpu();
    // Results come and go by the megabyte: the C library keeps the pages.
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
    testing::InitGoogleTest(&argc, argv);
    test::options.program = argv[0];
    constexpr char expect[] = "--expect-chosen=";
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--reduced") == 0) {
            test::options.reduced = true;
        } else if (strcmp(argv[i], "--no-guard-pages") == 0) {
            test::options.guard_pages = false;
        } else if (strncmp(argv[i], expect, strlen(expect)) == 0) {
            test::options.expected_chosen = argv[i] + strlen(expect);
        } else {
            fprintf(stderr,
                    "%s: unknown argument %s (--reduced, --no-guard-pages, --expect-chosen=NAME)\n",
                    argv[0], argv[i]);
            return 2;
        }
    }
    const int status = RUN_ALL_TESTS();
    const testing::UnitTest &all = *testing::UnitTest::GetInstance();
    if (testing::GTEST_FLAG(list_tests))
        return status;
    if (status == 0 && all.test_to_run_count() == 0) {
        fprintf(stderr, "%s: no test matches the filter\n", argv[0]);
        return 1;
    }
    constexpr int skipped = 77;
    return status == 0 && all.successful_test_count() == 0 ? skipped : status;
}
