#include <ctime>
#include <memory>
#include <string>

#include "../floor.h"
#include "native.h"

struct peers_contender {
    virtual ~peers_contender() = default;
    virtual const char *call() = 0;  // nullptr, or what went wrong
};

namespace {

std::string last_error;

peers_contender *refuse(const char *message) {
    last_error = message;
    return nullptr;
}

struct Release {
    void operator()(void *p) const { peers_release(p); }
};
using Memory = std::unique_ptr<void, Release>;

class Halnorm : public peers_contender {
public:
    Halnorm(const peers_case &c, const peers_memory &memory)
        : pipeline_(static_cast<peers_pipeline>(c.pipeline)), memory_(memory) {
        const bool channels_last = c.layout == HALNORM_NHWC;
        config_ = halnorm_default_config(c.shape[channels_last ? c.rank - 1 : 1]);
        config_.layout = static_cast<halnorm_layout>(c.layout);
        config_.activation = static_cast<halnorm_activation>(c.activation);
        config_.threads = c.threads;
        config_.stores = static_cast<halnorm_stores>(c.stores);
        const halnorm_dtype dtype = static_cast<halnorm_dtype>(c.dtype);
        x_ = halnorm_dense_tensor(memory.x, dtype, c.rank, c.shape);
        dy_ = halnorm_dense_tensor(memory.dy, dtype, c.rank, c.shape);
        out_ = halnorm_dense_tensor(memory.out, dtype, c.rank, c.shape);
        gradients_.x = &x_;
        gradients_.dy = &dy_;
        gradients_.dx = &out_;
        gradients_.gamma = memory.gamma;
        gradients_.beta = memory.beta;
        gradients_.saved_mean = memory.saved_mean;
        gradients_.saved_inv_std = memory.saved_inv_std;
        gradients_.dgamma = memory.dgamma;
        gradients_.dbeta = memory.dbeta;
    }

    // Workspace, and for the backward pass its forward one, for a prepared inference its first step.
    const char *prepare(bool prepared) {
        if (pipeline_ == PEERS_BACKWARD) {
            size_t training = 0, backward = 0;
            if (halnorm_forward_training_workspace(&config_, &x_, &training) != HALNORM_OK ||
                halnorm_backward_workspace(&config_, &gradients_, &backward) != HALNORM_OK)
                return halnorm_last_error();
            lend(training);
            if (const char *error = train())
                return error;
            lend(backward);
            return nullptr;
        }
        size_t bytes = 0;
        if (prepared) {
            if (halnorm_prepare_inference_memory(&config_, &x_, &bytes) != HALNORM_OK)
                return halnorm_last_error();
            lend(bytes);
            return error(halnorm_prepare_inference(
                &config_, &x_, memory_.gamma, memory_.beta, memory_.moving_mean,
                memory_.moving_variance, &out_, workspace_.get(), workspace_bytes_, &prepared_));
        }
        const auto query = pipeline_ == PEERS_TRAINING ? halnorm_forward_training_workspace :
                                                         halnorm_forward_inference_workspace;
        if (query(&config_, &x_, &bytes) != HALNORM_OK)
            return halnorm_last_error();
        lend(bytes);
        return nullptr;
    }

    const char *call() override {
        switch (pipeline_) {
        case PEERS_TRAINING:
            return train();
        case PEERS_BACKWARD:
            return error(
                halnorm_backward(&config_, &gradients_, workspace_.get(), workspace_bytes_));
        default:
            if (prepared_ != nullptr)
                return error(halnorm_run_prepared(prepared_, x_.data, nullptr, out_.data));
            return error(halnorm_forward_inference(&config_, &x_, memory_.gamma, memory_.beta,
                                                   memory_.moving_mean, memory_.moving_variance,
                                                   &out_, workspace_.get(), workspace_bytes_));
        }
    }

private:
    static const char *error(halnorm_status status) {
        return status == HALNORM_OK ? nullptr : halnorm_last_error();
    }

    const char *train() {
        return error(halnorm_forward_training(&config_, &x_, memory_.gamma, memory_.beta,
                                              memory_.moving_mean, memory_.moving_variance, &out_,
                                              memory_.saved_mean, memory_.saved_inv_std,
                                              workspace_.get(), workspace_bytes_));
    }

    void lend(size_t bytes) {
        workspace_bytes_ = bytes;
        workspace_.reset(bytes > 0 ? peers_allocate(bytes) : nullptr);
    }

    peers_pipeline pipeline_;
    peers_memory memory_;
    halnorm_config config_;
    halnorm_tensor x_, dy_, out_;
    halnorm_backward_args gradients_ = {};
    Memory workspace_;
    size_t workspace_bytes_ = 0;
    const halnorm_prepared *prepared_ = nullptr;
};

class FloorSweep : public peers_contender {
public:
    FloorSweep(const bench::Sweep &sweep, const void *x, const void *x2, void *out, size_t bytes)
        : sweep_(sweep), x_(x), x2_(x2), out_(out), bytes_(bytes) {}
    const char *call() override {
        sweep_.run(x_, x2_, out_, bytes_);
        return nullptr;
    }

private:
    bench::Sweep sweep_;
    const void *x_, *x2_;
    void *out_;
    size_t bytes_;
};

class OneDnn : public peers_contender {
public:
    OneDnn(peers_execute execute, peers_wait wait, void *primitive, void *stream, int count,
           const void *arguments)
        : execute_(execute), wait_(wait), primitive_(primitive), stream_(stream), count_(count),
          arguments_(arguments) {}
    const char *call() override {
        return execute_(primitive_, stream_, count_, arguments_) == 0 && wait_(stream_) == 0 ?
                   nullptr :
                   "oneDNN could not execute its primitive";
    }

private:
    peers_execute execute_;
    peers_wait wait_;
    void *primitive_, *stream_;
    int count_;
    const void *arguments_;
};

double now(clockid_t clock) {
    timespec t;
    clock_gettime(clock, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

}  // namespace

const char *peers_error() {
    return last_error.c_str();
}

peers_contender *peers_halnorm(const peers_case *c, const peers_memory *memory) {
    auto halnorm = std::make_unique<Halnorm>(*c, *memory);
    if (const char *error = halnorm->prepare(c->prepared != 0))
        return refuse(error);
    return halnorm.release();
}

int32_t peers_sweep_count(int32_t reads) {
    return static_cast<int32_t>(bench::floor_sweeps(reads).size());
}

const char *peers_sweep_name(int32_t reads, int32_t index) {
    return bench::floor_sweeps(reads)[static_cast<size_t>(index)].name;
}

peers_contender *peers_sweep(int32_t reads, int32_t index, const void *x, const void *x2, void *out,
                             size_t bytes) {
    return new FloorSweep(bench::floor_sweeps(reads)[static_cast<size_t>(index)], x, x2, out,
                          bytes);
}

peers_contender *peers_onednn(peers_execute execute, peers_wait wait, void *primitive, void *stream,
                              int32_t count, const void *arguments) {
    return new OneDnn(execute, wait, primitive, stream, count, arguments);
}

double peers_time(peers_contender *contender, int64_t calls, int32_t cpu_time) {
    const clockid_t clock = cpu_time ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC;
    const double begin = now(clock);
    for (int64_t i = 0; i < calls; i++) {
        if (const char *error = contender->call()) {
            last_error = error;
            return -1;
        }
    }
    return now(clock) - begin;
}

void peers_free(peers_contender *contender) {
    delete contender;
}

const char *peers_variant() {
    return halnorm_last_variant();
}
