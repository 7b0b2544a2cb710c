// Work that many threads begin at one moment.
#pragma once

#include <atomic>
#include <thread>
#include <vector>

namespace test {

constexpr int threads_at_once = 8;

// body(t) on so many threads, which all start when the last of them is there.
template<typename Body>
void at_once(Body body) {
    std::atomic<int> missing{threads_at_once};
    std::vector<std::thread> threads;
    for (int t = 0; t < threads_at_once; t++) {
        threads.emplace_back([&, t] {
            missing--;
            while (missing > 0)
                std::this_thread::yield();
            body(t);
        });
    }
    for (std::thread &thread : threads)
        thread.join();
}

}  // namespace test
