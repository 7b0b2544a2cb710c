// Executors that a caller might bring: each breaks one habit that a library could have come to rely
// on.
#pragma once

#include <atomic>
#include <thread>
#include <vector>

#include "halnorm/halnorm.h"

namespace test {

using Task = void (*)(void *argument, int64_t index);

// Runs the tasks on the calling thread, last first, and counts them.
class ReverseExecutor {
public:
    ReverseExecutor() : interface_{run, this} {}
    const halnorm_executor *get() const { return &interface_; }
    int64_t tasks() const { return tasks_; }

private:
    static void run(void *context, int64_t tasks, Task task, void *argument) {
        static_cast<ReverseExecutor *>(context)->tasks_ += tasks;
        for (int64_t i = tasks; i-- > 0;)
            task(argument, i);
    }
    halnorm_executor interface_;
    int64_t tasks_ = 0;
};

// Runs the tasks on threads of its own, which are new for each call.
class ThreadExecutor {
public:
    explicit ThreadExecutor(int threads) : threads_(threads), interface_{run, this} {}
    const halnorm_executor *get() const { return &interface_; }

private:
    static void run(void *context, int64_t tasks, Task task, void *argument) {
        std::atomic<int64_t> next{0};
        const auto work = [&] {
            for (int64_t i; (i = next.fetch_add(1)) < tasks;)
                task(argument, i);
        };
        std::vector<std::thread> threads;
        for (int i = 0; i < static_cast<ThreadExecutor *>(context)->threads_; i++)
            threads.emplace_back(work);
        for (std::thread &thread : threads)
            thread.join();
    }
    int threads_;
    halnorm_executor interface_;
};

}  // namespace test
