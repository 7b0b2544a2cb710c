// Training's half of the network: the pass forward over a batch, and the gradients of its loss.
#pragma once

#include <vector>

#include "network/network.h"
#include "network/sgd.h"

namespace digits {

template<typename T>
class Backpropagation {
public:
    // The network has to stay where it is.
    explicit Backpropagation(Network<T> *network);

    // The parameters with their gradients, for an optimizer.
    std::vector<Parameter<T>> parameters();

    // The mean loss of a batch, by the batch's own statistics, which enter the moving ones. Every
    // parameter's gradient is then that of the loss.
    double run(const Images<T> &x, const std::vector<int> &labels);

    double seconds_in_norm() const { return seconds_in_norm_; }  // of run(), until now

private:
    // What the pass forward leaves for the way back. Normalization works in place: `y` was the
    // convolution's output, and `dy`, the gradient of y, becomes that of the convolution's output.
    struct Trace {
        Matrix<T> patches;
        Images<T> y, dy;
        Matrix<T> dweight, dbias;
    };

    void forward(const Images<T> &x);
    void backward();

    template<typename Call>
    void timed(const Call &call);

    Network<T> &network_;
    std::vector<Trace> traces_;
    Matrix<T> features_, logits_, dlogits_, dfeatures_, dweight_, dbias_;
    double seconds_in_norm_ = 0;
};

}  // namespace digits
