#include "network/network.h"

#include "gradient_check.h"
#include "infer/folding.h"
#include "network/backpropagation.h"

namespace {

using namespace digits;

Architecture small(bool normalized) {
    Architecture a;
    a.inputs = 2, a.classes = 3;
    a.stages = {{4, 1}, {5, 2}};
    a.normalized = normalized;
    return a;
}

// gamma and beta apart from 1 and 0, of both signs.
void scatter(Network<double> *network, Random &random) {
    for (Block<double> &block : network->blocks) {
        for (int64_t c = 0; c < block.norm.num_channels(); c++) {
            const double sign = c % 2 == 0 ? 1 : -1;
            block.norm.weight().as<double>()[c] = sign * uniform(random, 0.5, 1.5);
            block.norm.bias().as<double>()[c] = uniform(random, -0.5, 0.5);
            block.norm.moving_mean().as<double>()[c] = uniform(random, -1, 1);
            block.norm.moving_variance().as<double>()[c] = uniform(random, 0.25, 4);
        }
        for (double &value : block.bias.values.reshaped())
            value = uniform(random, -0.5, 0.5);
    }
}

class DigitsNetwork : public testing::TestWithParam<bool> {};

// The whole way back, through halnorm in place and from y.
TEST_P(DigitsNetwork, gradients_are_differences) {
    Network<double> network(small(GetParam()));
    network.initialize(1);
    Random random(2);
    scatter(&network, random);
    const Images<double> x = test::random_images(random, 3, 4, 4, 2);
    const std::vector<int> labels = {2, 0, 1};
    Backpropagation<double> claimed(&network), varied(&network);
    const std::vector<Parameter<double>> parameters = claimed.parameters();
    ASSERT_EQ(parameters.size(), GetParam() ? 8u : 6u);
    claimed.run(x, labels);
    // The layer keeps its gradients until the next run.
    std::vector<std::vector<double>> gradients;
    for (const Parameter<double> &p : parameters)
        gradients.emplace_back(p.gradient, p.gradient + p.size);
    for (size_t k = 0; k < parameters.size(); k++) {
        SCOPED_TRACE(testing::Message() << "parameter " << k);
        // Inverse deviations and the network's depth magnify rounding by less than 16.
        test::expect_gradient(
            parameters[k].values, gradients[k].data(), parameters[k].size,
            [&] { return varied.run(x, labels); }, 16);
    }
}

INSTANTIATE_TEST_SUITE_P(, DigitsNetwork, testing::Bool(),
                         [](const auto &test) { return test.param ? "normalized" : "plain"; });

TEST(DigitsNetworkTest, starts_alike_with_and_without_normalization) {
    Network<float> with(small(true)), without(small(false));
    with.initialize(7);
    without.initialize(7);
    for (size_t i = 0; i < with.blocks.size(); i++) {
        EXPECT_EQ(with.blocks[i].convolution.weight.values,
                  without.blocks[i].convolution.weight.values);
    }
    EXPECT_EQ(with.classifier.weight.values, without.classifier.weight.values);
    Network<float> other(small(false));
    other.initialize(8);
    EXPECT_NE(other.classifier.weight.values, without.classifier.weight.values);
}

TEST(DigitsNetworkTest, weight_decay_leaves_scales_and_biases_alone) {
    Network<float> network(small(true));
    Backpropagation<float> backpropagation(&network);
    std::vector<bool> of_optimizer;
    for (const Parameter<float> &p : backpropagation.parameters())
        of_optimizer.push_back(p.attr.regularizer == halnorm::Regularizer::none);
    EXPECT_EQ(of_optimizer,
              (std::vector<bool>{true, false, false, true, false, false, true, false}));
}

TEST(DigitsFolding, is_the_same_function) {
    Network<double> network(small(true));
    network.initialize(3);
    Random random(4);
    scatter(&network, random);
    const Images<double> x = test::random_images(random, 5, 8, 8, 2);
    const Network<double> folded = fold(network);
    EXPECT_FALSE(folded.architecture.normalized);
    const Matrix<double> expected = network.infer(x);
    EXPECT_LE((folded.infer(x) - expected).cwiseAbs().maxCoeff(), folding_bound(network, expected));
}

}  // namespace
