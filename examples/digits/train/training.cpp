#include "train/training.h"

#include <algorithm>
#include <chrono>
#include <numeric>

#include "network/backpropagation.h"
#include "network/loss.h"
#include "train/augmentation.h"

namespace digits {

std::string name(const Architecture &architecture) {
    return architecture.normalized ? "with the layer" : "without";
}

int64_t steps(const Schedule &schedule, const Examples &train) {
    return schedule.epochs * ((train.count() + schedule.batch - 1) / schedule.batch);
}

Run train(const Architecture &architecture, const Schedule &schedule, const Split &data,
          const std::function<void()> &step) {
    using Clock = std::chrono::steady_clock;
    Run run(architecture);
    run.network.initialize(schedule.seed);
    Backpropagation<float> backpropagation(&run.network);
    SgdOptions options;
    options.clip_norm = schedule.clip_norm;
    options.regularizer = halnorm::Regularizer::l2;
    options.regularizer_coefficient = schedule.weight_decay;
    Sgd<float> optimizer(options, backpropagation.parameters());

    Random random(schedule.seed);
    const int64_t count = data.train.count();
    std::vector<size_t> order(static_cast<size_t>(count));
    std::iota(order.begin(), order.end(), size_t{0});
    const double all = static_cast<double>(steps(schedule, data.train));
    int64_t done = 0;
    Examples batch;
    for (int64_t epoch = 0; epoch < schedule.epochs; epoch++) {
        const Clock::time_point began = Clock::now();
        shuffle(random, &order);
        double loss = 0;
        for (int64_t start = 0; start < count; start += schedule.batch) {
            const int64_t n = std::min(schedule.batch, count - start);
            take(data.train, &order[static_cast<size_t>(start)], n, &batch);
            augment(schedule.augmentation, background, random, &batch.images);
            loss += backpropagation.run(batch.images, batch.labels) * static_cast<double>(n);
            optimizer.step(schedule.learning_rate * (1 - static_cast<double>(done++) / all));
            step();
        }
        if (architecture.normalized)
            run.variant = halnorm_last_variant();
        run.seconds += std::chrono::duration<double>(Clock::now() - began).count();
        run.epochs.push_back({loss / static_cast<double>(count), accuracy(run.network, data.test)});
    }
    run.seconds_in_norm = backpropagation.seconds_in_norm();
    return run;
}

double accuracy(const Network<float> &network, const Examples &examples) {
    const int64_t correct = count_correct(network.infer(examples.images), examples.labels);
    return static_cast<double>(correct) / static_cast<double>(examples.count());
}

}  // namespace digits
