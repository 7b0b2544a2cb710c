// The first use of the library in a process, by eight threads at once: nothing of it is there yet,
// neither the choice of a variant nor the pool nor what was asked of the machine. Each of many
// children of a process that never used it has one first use.
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "at_once.h"
#include "split_training.h"

namespace {

using namespace test;

constexpr int children = 40;

// Of a child: 0 where all threads had the same bits as a call that comes after them.
int first_use(int number) {
    alarm(60);  // where a thread waits for ever, SIGALRM ends the child
    std::vector<char> bits[threads_at_once];
    at_once([&](int t) { bits[t] = train(number % 2 == 0 ? 0 : 1 + t % 3); });
    const std::vector<char> later = train(1);
    int wrong = later.empty();
    for (const std::vector<char> &b : bits)
        wrong += b != later;
    return wrong;
}

}  // namespace

int main() {
    unsetenv("HALNORM_VARIANT");
    unsetenv("HALNORM_VERBOSE");
    for (int i = 0; i < children; i++) {
        const pid_t child = fork();
        if (child == 0)
            _exit(first_use(i));
        int status = -1;
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
            if (child > 0 && WIFSIGNALED(status))
                printf("child %d: ended by signal %d\n", i, WTERMSIG(status));
            else
                printf("child %d: %d of %d threads with other bits\n", i, WEXITSTATUS(status),
                       threads_at_once);
            return 1;
        }
    }
    return 0;
}
