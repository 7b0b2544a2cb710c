// `halnorm forward`: the layer on one file of tensors.
#pragma once

#include "command_line.h"

namespace halnorm_tool {

void run_forward(const LayerOptions &options);

}  // namespace halnorm_tool
