// Many threads at once, and executors that call the library again from a task: always the bits of
// one thread.
#include <algorithm>
#include <atomic>
#include <functional>
#include <gtest/gtest.h>
#include <string.h>
#include <string>
#include <thread>
#include <vector>

#include "at_once.h"
#include "backward_call.h"
#include "call.h"
#include "executors.h"
#include "layers.h"
#include "random.h"
#include "variants.h"

namespace {

using namespace test;
using halnorm::BatchNorm;
using halnorm::BatchNormOptions;
using halnorm::Status;

// Runs the tasks in an order of its own that differs from call to call, some on a second thread.
class ShuffledExecutor {
public:
    ShuffledExecutor() : interface_{run, this} {}
    const halnorm_executor *get() const { return &interface_; }

private:
    static void run(void *context, int64_t tasks, Task task, void *argument) {
        std::vector<int64_t> order(static_cast<size_t>(tasks));
        for (size_t i = 0; i < order.size(); i++)
            order[i] = static_cast<int64_t>(i);
        Random random(static_cast<uint64_t>(static_cast<ShuffledExecutor *>(context)->calls_++));
        for (size_t i = order.size(); i > 1; i--)
            std::swap(order[i - 1], order[random.below(i)]);
        const size_t half = order.size() / 2;
        std::thread other([&] {
            for (size_t i = 0; i < half; i++)
                task(argument, order[i]);
        });
        for (size_t i = half; i < order.size(); i++)
            task(argument, order[i]);
        other.join();
    }
    std::atomic<int> calls_{0};
    halnorm_executor interface_;
};

// Before each task, calls `inner` on the same thread, where it is not running already.
class ReenteringExecutor {
public:
    explicit ReenteringExecutor(std::function<void(const halnorm_executor *)> inner)
        : inner_(std::move(inner)), interface_{run, this} {}
    const halnorm_executor *get() const { return &interface_; }
    int entered() const { return entered_; }

private:
    static void run(void *context, int64_t tasks, Task task, void *argument) {
        auto &self = *static_cast<ReenteringExecutor *>(context);
        static thread_local bool inside = false;
        for (int64_t i = 0; i < tasks; i++) {
            if (!inside && i < 3) {
                inside = true;
                self.entered_++;
                self.inner_(&self.interface_);
                inside = false;
            }
            task(argument, i);
        }
    }
    std::function<void(const halnorm_executor *)> inner_;
    std::atomic<int> entered_{0};
    halnorm_executor interface_;
};

// What one thread does with a layer of its own: some steps of training in both passes, then what
// the moving statistics make of x. All numbers that come out, in one row.
template<typename T>
class Trainer {
public:
    Trainer(BatchNormOptions options, int seed) : shape_(options.data_layout) {
        options.num_channels = channels;
        options.dtype = sizeof(T) == 4 ? HALNORM_FLOAT32 : HALNORM_FLOAT64;
        options.act = seed % 2 == 0 ? HALNORM_ACT_RELU : HALNORM_ACT_SILU;
        layer_ = make(options);
        Random random(static_cast<uint64_t>(seed));
        for (std::vector<T> *values : {&x_, &dy_}) {
            for (T &value : *values)
                value = static_cast<T>(random.uniform(-2, 3));
        }
    }
    std::vector<T> run() {
        std::vector<T> all;
        const auto keep = [&](const std::vector<T> &values) {
            all.insert(all.end(), values.begin(), values.end());
        };
        layer_.train();
        for (int step = 0; step < 3; step++) {
            expect(layer_.forward(view(x_), view(y_)));
            expect(layer_.backward(view(x_), view(dy_), view(dx_)));
            keep(y_);
            keep(dx_);
            for (T &value : x_)
                value = static_cast<T>(value * T(0.5) + T(step));
        }
        layer_.eval();
        expect(layer_.forward(view(x_), view(y_)));
        keep(y_);
        for (const halnorm::ConstVector &v : {layer_.weight_gradient(), layer_.bias_gradient()})
            keep(copy_of<T>(v));
        for (const halnorm::Vector &v : {layer_.moving_mean(), layer_.moving_variance()})
            keep(copy_of<T>(v));
        return all;
    }

private:
    static constexpr int64_t images = 4, channels = 33, side = 23;  // enough to be split
    static void expect(const Status &status) { EXPECT_TRUE(status.ok()) << status.message; }
    halnorm_tensor view(std::vector<T> &values) const {
        return shape_ == HALNORM_NCHW ?
                   halnorm::tensor(values.data(), {images, channels, side, side}) :
                   halnorm::tensor(values.data(), {images, side, side, channels});
    }
    static std::vector<T> zeros() {
        return std::vector<T>(static_cast<size_t>(images * channels * side * side));
    }

    halnorm_layout shape_;
    BatchNorm layer_;
    std::vector<T> x_ = zeros(), dy_ = zeros(), y_ = zeros(), dx_ = zeros();
};

class Threads : public VariantTest {
protected:
    BatchNormOptions options(halnorm_layout layout) const {
        BatchNormOptions options = with_channels(33);
        options.variant = name_.c_str();
        options.data_layout = layout;
        options.threads = 1;
        return options;
    }
    Case forward_case(Pipeline pipeline, halnorm_layout layout) const {
        Case k;
        k.variant = GetParam();
        k.pipeline = pipeline;
        k.layout = layout;
        k.n = 5, k.c = 33, k.s = 529;
        k.activation = HALNORM_ACT_RELU;
        return k;
    }
    BackwardCase backward_case(halnorm_layout layout) const {
        BackwardCase k;
        static_cast<Setting &>(k) = forward_case(Pipeline::training, layout);
        return k;
    }

private:
    const std::string name_ = GetParam();
};

std::vector<unsigned char> bits_of(const Case &k) {
    Call call(k);
    EXPECT_EQ(call.run(), HALNORM_OK) << halnorm_last_error();
    EXPECT_EQ(halnorm_last_variant(), k.variant);
    return call.bits();
}
std::vector<unsigned char> bits_of(const BackwardCase &k) {
    BackwardCall call(k);
    EXPECT_EQ(call.run(), HALNORM_OK) << halnorm_last_error();
    return call.bits();
}

// infer() with a workspace of each thread's own, and forward(), which lends the layer's to one call
// at a time; serially, from the pool, and on an executor that all of them share.
TEST_P(Threads, infer_by_one_layer) {
    for (halnorm_layout layout : {HALNORM_NCHW, HALNORM_NHWC}) {
        const bool nchw = layout == HALNORM_NCHW;
        const int64_t n = 4, c = 33, side = 23;
        const size_t size = static_cast<size_t>(n * c * side * side);
        const auto view = [&](float *values) {
            return nchw ? halnorm::tensor(values, {n, c, side, side}) :
                          halnorm::tensor(values, {n, side, side, c});
        };
        ShuffledExecutor shuffled;
        for (int how = 0; how < 3; how++) {
            BatchNormOptions o = options(layout);
            o.is_test = true;
            o.act = HALNORM_ACT_SILU;
            BatchNorm serial = make(o);
            o.threads = how == 0 ? 1 : 3;
            o.executor = how == 2 ? shuffled.get() : nullptr;
            BatchNorm layer = make(o);
            for (BatchNorm *l : {&serial, &layer}) {
                for (int64_t i = 0; i < c; i++) {
                    l->weight().as<float>()[i] = 1 + static_cast<float>(i) / 8;
                    l->bias().as<float>()[i] = static_cast<float>(i) / 16 - 1;
                    l->moving_mean().as<float>()[i] = static_cast<float>(i % 5);
                    l->moving_variance().as<float>()[i] = 1 + static_cast<float>(i % 3);
                }
            }
            std::vector<std::vector<float>> x(threads_at_once, std::vector<float>(size)),
                expected = x;
            for (size_t t = 0; t < x.size(); t++) {
                Random random(t);
                for (float &value : x[t])
                    value = static_cast<float>(random.uniform(-3, 3));
                halnorm::Workspace workspace;
                ASSERT_TRUE(serial.infer(view(x[t].data()), view(expected[t].data()), workspace)
                                .ok());
            }
            const BatchNorm &shared = layer;
            std::atomic<int> different{0}, failed{0};
            at_once([&](int t) {
                const size_t k = static_cast<size_t>(t);
                std::vector<float> y(size);
                halnorm::Workspace workspace;
                for (int round = 0; round < 4; round++) {
                    std::fill(y.begin(), y.end(), -7.f);
                    const Status status =
                        (t + round) % 2 == 0 ?
                            shared.infer(view(x[k].data()), view(y.data()), workspace) :
                            layer.forward(view(x[k].data()), view(y.data()));
                    failed += !status.ok();
                    different += !same_bits(y, expected[k]);
                }
            });
            EXPECT_EQ(failed, 0) << how;
            EXPECT_EQ(different, 0) << name(layout) << ", " << how;
        }
    }
}

TEST_P(Threads, train_layers_of_their_own) {
    for (halnorm_layout layout : {HALNORM_NCHW, HALNORM_NHWC}) {
        std::vector<std::vector<float>> floats;
        std::vector<std::vector<double>> doubles;
        for (int t = 0; t < threads_at_once; t++) {
            floats.push_back(Trainer<float>(options(layout), t).run());
            doubles.push_back(Trainer<double>(options(layout), t).run());
        }
        ShuffledExecutor shuffled;
        for (int how = 0; how < 4; how++) {
            std::atomic<int> different{0};
            at_once([&](int t) {
                BatchNormOptions o = options(layout);
                // Alone; all cores; each with another number, so that the pool grows meanwhile.
                o.threads = how == 0 ? 1 : how == 1 ? 0 : t + 1;
                o.executor = how == 3 ? shuffled.get() : nullptr;
                const size_t k = static_cast<size_t>(t);
                if (t % 2 == 0)
                    different += !same_bits(Trainer<float>(o, t).run(), floats[k]);
                else
                    different += !same_bits(Trainer<double>(o, t).run(), doubles[k]);
            });
            EXPECT_EQ(different, 0) << name(layout) << ", " << how;
        }
    }
}

// The number of threads is each call's own: from 1 to more than the pool ever has, changing from
// call to call while seven other threads do the same.
TEST_P(Threads, change_the_number_of_threads) {
    for (halnorm_layout layout : {HALNORM_NCHW, HALNORM_NHWC}) {
        const Case forward = forward_case(Pipeline::training, layout);
        const BackwardCase backward = backward_case(layout);
        const std::vector<unsigned char> y = bits_of(forward), dx = bits_of(backward);
        std::atomic<int> different{0};
        at_once([&](int t) {
            for (int round = 0; round < 3; round++) {
                const int32_t counts[] = {1, 2, 0, 5, 3, 8, 300, 4};
                const int32_t count = counts[(t + round) % 8];
                Case f = forward;
                BackwardCase b = backward;
                f.threads = b.threads = count;
                different += bits_of(f) != y;
                different += bits_of(b) != dx;
            }
        });
        EXPECT_EQ(different, 0) << name(layout);
    }
}

TEST_P(Threads, of_any_executor) {
    for (halnorm_layout layout : {HALNORM_NCHW, HALNORM_NHWC}) {
        BackwardCase backward = backward_case(layout);
        const std::vector<unsigned char> dx = bits_of(backward);
        ReverseExecutor reverse;
        ThreadExecutor own_threads(5);
        ShuffledExecutor shuffled;
        for (Pipeline pipeline : {Pipeline::inference, Pipeline::training, Pipeline::statistics}) {
            Case forward = forward_case(pipeline, layout);
            const std::vector<unsigned char> y = bits_of(forward);
            for (const halnorm_executor *executor :
                 {reverse.get(), own_threads.get(), shuffled.get()}) {
                forward.executor = executor;
                EXPECT_TRUE(bits_of(forward) == y) << forward.describe();
            }
        }
        for (const halnorm_executor *executor :
             {reverse.get(), own_threads.get(), shuffled.get()}) {
            backward.executor = executor;
            EXPECT_TRUE(bits_of(backward) == dx) << backward.describe();
        }
        if (!runs_on_a_device(GetParam())) {
            EXPECT_GT(reverse.tasks(), 1) << "the work never was split";
        }
    }
}

// From within a task of a call: other calls on the same executor, on the pool, and serially, of all
// pipelines.
TEST_P(Threads, of_an_executor_that_calls_the_library) {
    for (halnorm_layout layout : {HALNORM_NCHW, HALNORM_NHWC}) {
        Case outer = forward_case(Pipeline::training, layout);
        BackwardCase outer_backward = backward_case(layout);
        const Case inner[] = {forward_case(Pipeline::inference, layout),
                              forward_case(Pipeline::training, layout),
                              forward_case(Pipeline::statistics, layout)};
        const std::vector<unsigned char> y = bits_of(outer), dx = bits_of(outer_backward);
        std::vector<std::vector<unsigned char>> inner_bits;
        for (const Case &k : inner)
            inner_bits.push_back(bits_of(k));
        std::atomic<int> different{0}, turn{0};
        ReenteringExecutor executor([&](const halnorm_executor *self) {
            const int how = turn++;
            Case k = inner[how % 3];
            k.executor = how % 2 == 0 ? self : nullptr;
            k.threads = how % 4 == 1 ? 3 : 1;
            different += bits_of(k) != inner_bits[static_cast<size_t>(how % 3)];
            BackwardCase b = outer_backward;
            b.executor = k.executor;
            b.threads = k.threads;
            different += bits_of(b) != dx;
        });
        outer.executor = executor.get();
        BackwardCase again = outer_backward;
        again.executor = executor.get();
        EXPECT_TRUE(bits_of(outer) == y) << outer.describe();
        EXPECT_TRUE(bits_of(again) == dx) << again.describe();
        EXPECT_EQ(different, 0) << name(layout);
        // And from all threads at once.
        at_once([&](int t) {
            if (t % 2 == 0)
                different += bits_of(outer) != y;
            else
                different += bits_of(again) != dx;
        });
        EXPECT_EQ(different, 0) << name(layout);
        if (!runs_on_a_device(GetParam())) {
            EXPECT_GT(executor.entered(), threads_at_once) << "no task called the library";
        }
    }
}

// Errors are each thread's own.
TEST_P(Threads, have_errors_of_their_own) {
    std::atomic<int> wrong{0};
    at_once([&](int t) {
        halnorm_config config = halnorm_default_config(3 + t);
        config.variant = GetParam().c_str();
        const int64_t shape[] = {2, 100 + t, 5};
        const halnorm_tensor x = halnorm_dense_tensor(nullptr, HALNORM_FLOAT32, 3, shape);
        const std::string expected = std::to_string(100 + t);
        for (int round = 0; round < 1000; round++) {
            size_t bytes = 0;
            wrong += halnorm_forward_training_workspace(&config, &x, &bytes) != HALNORM_ERROR_SHAPE;
            wrong += strstr(halnorm_last_error(), expected.c_str()) == nullptr;
        }
    });
    EXPECT_EQ(wrong, 0);
}

HALNORM_FOR_EACH_VARIANT(Threads);

// Of a name that all threads want for a layer at the same time one gets it; generated ones differ.
TEST(ThreadsOfLayers, share_the_list_of_names) {
    for (int round = 0; round < 50; round++) {
        std::atomic<int> made{0}, other_errors{0}, finished{0};
        at_once([&](int t) {
            BatchNormOptions options = with_channels(3);
            options.param_attr.name = "wanted by all";
            BatchNorm layer;
            const Status status = BatchNorm::create(options, &layer);
            made += status.ok();
            other_errors += !status.ok() && strstr(status.message, "wanted by all") == nullptr;
            std::vector<BatchNorm> others;
            for (int i = 0; i < t; i++)
                others.push_back(make(with_channels(2)));
            finished++;
            while (finished < threads_at_once)  // the layer lives until all have tried
                std::this_thread::yield();
        });
        EXPECT_EQ(made, 1);
        EXPECT_EQ(other_errors, 0);
    }
}

}  // namespace
