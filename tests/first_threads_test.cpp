// The first use of the library in a process, by eight threads at once: nothing of it is there yet,
// neither the choice of a variant nor the pool nor what was asked of the machine. Each of many
// children of a process that never used it has one first use.
#include <atomic>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "halnorm/halnorm.h"

namespace {

constexpr int64_t n = 4, c = 33, s = 529, numel = n * c * s;
constexpr int threads_at_once = 8, children = 40;

// One call of training. All bits of its results, or nothing after an error.
std::vector<char> train(int32_t threads) {
    std::vector<float> x(numel), y(numel), mean(c, 0), variance(c, 1);
    for (size_t i = 0; i < x.size(); i++)
        x[i] = static_cast<float>(i * 2654435761u % 1000) / 100;
    const int64_t shape[] = {n, c, s};
    const halnorm_tensor in = halnorm_dense_tensor(x.data(), HALNORM_FLOAT32, 3, shape),
                         out = halnorm_dense_tensor(y.data(), HALNORM_FLOAT32, 3, shape);
    halnorm_config config = halnorm_default_config(c);
    config.threads = threads;
    size_t bytes = 0;
    if (halnorm_forward_training_workspace(&config, &in, &bytes) != HALNORM_OK)
        return {};
    void *const workspace = aligned_alloc(HALNORM_WORKSPACE_ALIGNMENT, (bytes + 63) / 64 * 64);
    const halnorm_status status =
        halnorm_forward_training(&config, &in, nullptr, nullptr, mean.data(), variance.data(), &out,
                                 nullptr, nullptr, workspace, bytes);
    free(workspace);
    if (status != HALNORM_OK)
        return {};
    std::vector<char> bits;
    for (const std::vector<float> *values : {&y, &mean, &variance}) {
        const char *const from = reinterpret_cast<const char *>(values->data());
        bits.insert(bits.end(), from, from + values->size() * sizeof(float));
    }
    return bits;
}

// Of a child: 0 where all threads had the same bits as a call that comes after them.
int first_use(int number) {
    alarm(60);  // where a thread waits for ever, SIGALRM ends the child
    std::atomic<int> missing{threads_at_once};
    std::vector<char> bits[threads_at_once];
    std::vector<std::thread> threads;
    for (int t = 0; t < threads_at_once; t++) {
        threads.emplace_back([&, t] {
            missing--;
            while (missing > 0)
                std::this_thread::yield();
            bits[t] = train(number % 2 == 0 ? 0 : 1 + t % 3);
        });
    }
    for (std::thread &thread : threads)
        thread.join();
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
