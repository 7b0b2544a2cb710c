// The learning curves as a file, for plot_curves.py.
#pragma once

#include <string>
#include <vector>

#include "train/training.h"

namespace digits {

// Writes a table with a line per network and epoch. Throws std::runtime_error with one line that
// names the file; an old one is then as it was.
void write_curves(const std::string &path, const Schedule &schedule,
                  const std::vector<const Run *> &runs);

}  // namespace digits
