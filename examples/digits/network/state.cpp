#include "network/state.h"

#include "common/status.h"

namespace digits {
namespace {

void add(halnorm::StateDict *state, Weights<float> *weights, std::initializer_list<int64_t> shape) {
    expect_ok(state->add(weights->name.c_str(), weights->values.data(), shape));
}

}  // namespace

halnorm::StateDict state(Network<float> *network) {
    halnorm::StateDict state;
    for (Block<float> &block : network->blocks) {
        Convolution<float> &convolution = block.convolution;
        add(&state, &convolution.weight, {3, 3, convolution.inputs(), convolution.outputs()});
        if (block.norm)
            expect_ok(state.add(block.norm));
        else
            add(&state, &block.bias, {block.bias.values.size()});
    }
    FullyConnected<float> &classifier = network->classifier;
    add(&state, &classifier.weight,
        {classifier.weight.values.rows(), classifier.weight.values.cols()});
    add(&state, &classifier.bias, {classifier.bias.values.size()});
    return state;
}

}  // namespace digits
