// What digits_train prints.
#pragma once

#include <vector>

#include "common/terminal.h"
#include "train/training.h"

namespace digits {

void print_plan(const Terminal &terminal, const Architecture &architecture,
                const Schedule &schedule, const Split &data);
void print_curves(const Terminal &terminal, const std::vector<const Run *> &runs);
void print_results(const Terminal &terminal, const std::vector<const Run *> &runs);

}  // namespace digits
