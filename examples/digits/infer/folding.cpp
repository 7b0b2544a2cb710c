#include "infer/folding.h"

#include <cmath>
#include <limits>

namespace digits {

template<typename T>
Network<T> fold(const Network<T> &network) {
    Architecture architecture = network.architecture;
    architecture.normalized = false;
    Network<T> folded(architecture);
    for (size_t i = 0; i < folded.blocks.size(); i++) {
        const Block<T> &block = network.blocks[i];
        Block<T> &target = folded.blocks[i];
        const T *const gamma = block.norm.weight().template as<T>(),
                       *const beta = block.norm.bias().template as<T>(),
                       *const mean = block.norm.moving_mean().template as<T>(),
                       *const variance = block.norm.moving_variance().template as<T>();
        for (int64_t c = 0; c < block.norm.num_channels(); c++) {
            const double scale = static_cast<double>(gamma[c]) /
                                 std::sqrt(static_cast<double>(variance[c]) + architecture.epsilon);
            target.convolution.weight.values.col(c) =
                (block.convolution.weight.values.col(c).template cast<double>() * scale)
                    .template cast<T>();
            target.bias.values(0, c) =
                static_cast<T>(static_cast<double>(beta[c]) - static_cast<double>(mean[c]) * scale);
        }
    }
    folded.classifier.weight.values = network.classifier.weight.values;
    folded.classifier.bias.values = network.classifier.bias.values;
    return folded;
}

template<typename T>
double folding_bound(const Network<T> &network, const Matrix<T> &logits) {
    constexpr double unit = static_cast<double>(std::numeric_limits<T>::epsilon()) / 2;
    double products = static_cast<double>(network.classifier.weight.values.rows());
    for (const Block<T> &block : network.blocks)
        products += static_cast<double>(block.convolution.weight.values.rows());
    return 2 * products * unit * (1 + static_cast<double>(logits.cwiseAbs().maxCoeff()));
}

template Network<float> fold(const Network<float> &);
template Network<double> fold(const Network<double> &);
template double folding_bound(const Network<float> &, const Matrix<float> &);
template double folding_bound(const Network<double> &, const Matrix<double> &);

}  // namespace digits
