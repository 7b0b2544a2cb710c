#include "forward.h"

#include "layer.h"

namespace halnorm_tool {

void run_forward(const LayerOptions &options) {
    Layer layer(options, {"x"});
    const Buffer x = layer.read("x");
    const Buffer separate = options.in_place ? Buffer(0) : layer.new_tensor();
    const Buffer &y = options.in_place ? x : separate;
    layer.forward(x, y);
    layer.write({}, y);
}

}  // namespace halnorm_tool
