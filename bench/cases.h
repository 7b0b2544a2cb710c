// The shapes that are measured, and one case: a pipeline on a shape, layout, dtype and variant.
#pragma once

#include <halnorm/halnorm.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

namespace bench {

struct Shape {
    const char *name;  // N x C x H x W, or N x C
    int64_t n, c, s;
    bool short_list;  // measured without --all
};
const std::vector<Shape> &shapes();

enum class Pipeline { inference, training, backward };

struct Case {
    Pipeline pipeline;
    halnorm_activation activation;
    halnorm_layout layout;
    halnorm_dtype dtype;
    Shape shape;
    std::string variant;  // "memcpy": the same bytes copied, what everything is compared with

    std::string name() const;   // pipeline/activation/layout/dtype/shape/variant
    std::string group() const;  // without the variant
    // Least traffic: one read of x and one write of y; backward reads x and dy and writes dx.
    int64_t bytes() const;
};

// Memory and configuration of a case, made before the clock starts.
class Run {
public:
    explicit Run(const Case &c, int threads);
    // One call; the library's message where it fails.
    const char *operator()();

private:
    struct Free {
        void operator()(void *p) const { std::free(p); }
    };
    using Memory = std::unique_ptr<void, Free>;
    static Memory allocate(size_t bytes);

    Case case_;
    halnorm_config config_;
    halnorm_tensor x_, y_;
    size_t workspace_bytes_ = 0;
    halnorm_tensor dy_;
    halnorm_backward_args gradients_ = {};
    Memory x_data_, y_data_, dy_data_, dgamma_, dbeta_, gamma_, beta_, moving_mean_,
        moving_variance_, workspace_;
    std::vector<double> saved_mean_, saved_inv_std_;
};

}  // namespace bench
