// `halnorm backward`: the layer and its gradients on one file of tensors.
#pragma once

#include "command_line.h"

namespace halnorm_tool {

void run_backward(const LayerOptions &options);

}  // namespace halnorm_tool
