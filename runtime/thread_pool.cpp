// A small pool of pthreads: made at first use, one job at a time, tasks handed out one by one.
// Which thread runs a task never changes a result, so neither does the number of threads.
#include <atomic>
#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include "control_word.h"
#include "parallel.h"

namespace halnorm {
namespace {

constexpr int32_t max_threads = 256;

struct Job {
    Task task = nullptr;
    void *argument = nullptr;
    int64_t tasks = 0;
    ControlWord caller{};  // so that a task gives the same bits on any thread
    std::atomic<int64_t> next{0};
};

pthread_mutex_t busy = PTHREAD_MUTEX_INITIALIZER;   // held by the call that owns the pool
pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;  // guards all below
pthread_cond_t start = PTHREAD_COND_INITIALIZER, done = PTHREAD_COND_INITIALIZER;
int32_t workers = 0;              // threads that exist
std::atomic<int32_t> invited{0};  // workers that may still join the job; written under `mutex`
std::atomic<int32_t> running{0};  // workers inside the job; likewise
Job job;
pthread_once_t fork_handlers = PTHREAD_ONCE_INIT;

int64_t now() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return int64_t{t.tv_sec} * 1000000000 + t.tv_nsec;
}

// Leaves the core to its other thread, and the bus to others, for some tens of cycles.
void relax() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) || (defined(__ARM_ARCH) && __ARM_ARCH >= 7)
    asm volatile("yield");
#endif
}

void work() {
    for (int64_t i; (i = job.next.fetch_add(1, std::memory_order_relaxed)) < job.tasks;)
        job.task(job.argument, i);
}

// Waits with `mutex` held until changed() is true, as pthread_cond_wait does, but awake for a while
// first: the next job of a pass, and the end of the last task, mostly come within microseconds, and
// to be woken takes longer than that.
template<typename Changed>
void wait_for(pthread_cond_t *condition, Changed changed) {
    constexpr int64_t awake = 20000;  // nanoseconds
    if (!changed()) {
        pthread_mutex_unlock(&mutex);
        const int64_t began = now();
        while (!changed() && now() - began < awake)
            relax();
        pthread_mutex_lock(&mutex);
    }
    while (!changed())
        pthread_cond_wait(condition, &mutex);
}

void *worker(void *) {
    pthread_mutex_lock(&mutex);
    for (;;) {
        wait_for(&start, [] { return invited.load(std::memory_order_relaxed) > 0; });
        invited--;
        running++;
        pthread_mutex_unlock(&mutex);
        set_control_word(job.caller);
        work();
        pthread_mutex_lock(&mutex);
        if (--running == 0)
            pthread_cond_signal(&done);
    }
    return nullptr;
}

// A forked child has none of the threads, and locks in whatever state they were.
void after_fork_in_child() {
    busy = PTHREAD_MUTEX_INITIALIZER;
    mutex = PTHREAD_MUTEX_INITIALIZER;
    start = PTHREAD_COND_INITIALIZER;
    done = PTHREAD_COND_INITIALIZER;
    workers = invited = running = 0;
}

void add_fork_handlers() {
    pthread_atfork(nullptr, nullptr, after_fork_in_child);
}

int32_t cores() {
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return CPU_COUNT(&set);
#endif
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? static_cast<int32_t>(online) : 1;
}

// Brings the pool to `wanted` workers or as many as the system grants; called with `mutex` held.
void grow(int32_t wanted) {
    while (workers < wanted) {
        pthread_t thread;
        pthread_attr_t attributes;
        pthread_attr_init(&attributes);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        const int failed = pthread_create(&thread, &attributes, worker, nullptr);
        pthread_attr_destroy(&attributes);
        if (failed)
            break;
        workers++;
    }
}

}  // namespace

void pool_parallel_for(int32_t threads, int64_t tasks, Task task, void *argument) {
    if (threads == 0)
        threads = cores();
    if (threads > max_threads)
        threads = max_threads;
    if (tasks < threads)
        threads = static_cast<int32_t>(tasks);
    if (threads <= 1 || pthread_mutex_trylock(&busy) != 0) {
        for (int64_t i = 0; i < tasks; i++)
            task(argument, i);
        return;
    }
    pthread_once(&fork_handlers, add_fork_handlers);
    pthread_mutex_lock(&mutex);
    job.task = task;
    job.argument = argument;
    job.tasks = tasks;
    job.caller = control_word();
    job.next.store(0, std::memory_order_relaxed);
    grow(threads - 1);
    invited = workers < threads - 1 ? workers : threads - 1;
    pthread_cond_broadcast(&start);
    pthread_mutex_unlock(&mutex);

    work();

    pthread_mutex_lock(&mutex);
    invited = 0;  // whoever did not wake in time is not needed any more
    wait_for(&done, [] { return running.load(std::memory_order_relaxed) == 0; });
    pthread_mutex_unlock(&mutex);
    pthread_mutex_unlock(&busy);
}

}  // namespace halnorm
