#include "backward.h"

#include <utility>

#include "layer.h"

namespace halnorm_tool {

void run_backward(const LayerOptions &options) {
    Layer layer(options, {"x", "dy"});
    const Buffer x = layer.read("x"), dy = layer.read("dy"), y = layer.new_tensor();
    const Buffer separate = options.in_place ? Buffer(0) : layer.new_tensor();
    const Buffer &dx = options.in_place ? dy : separate;
    const Buffer dweight = layer.new_vector(), dbias = layer.new_vector();
    layer.forward(x, y);
    layer.backward(x, dy, dx, dweight, dbias);

    std::vector<OutputTensor> gradients = {layer.like_x("dx", dx)};
    if (!options.no_weight)
        gradients.push_back(layer.per_channel("dweight", dweight));
    if (!options.no_bias)
        gradients.push_back(layer.per_channel("dbias", dbias));
    layer.write(std::move(gradients), y);
}

}  // namespace halnorm_tool
