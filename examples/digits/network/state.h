// The network in a file.
#pragma once

#include "halnorm/state.hpp"
#include "network/network.h"

namespace digits {

// All that inference needs, under its names, to be saved or loaded. Convolutions have the shape
// (3, 3, inputs, outputs). The network has to stay where it is.
halnorm::StateDict state(Network<float> *network);

}  // namespace digits
