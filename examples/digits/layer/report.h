// What the demo prints.
#pragma once

#include <string>
#include <vector>

#include "common/terminal.h"
#include "layer/experiment.h"
#include "layer/timing.h"

namespace digits {

void print_variants(const Terminal &terminal, const Settings &settings);
void print_settling(const Terminal &terminal, const Settings &settings,
                    const Experiment &experiment);
void print_checks(const Terminal &terminal, const Experiment &experiment);
void print_timings(const Terminal &terminal, const Settings &settings, const Experiment &experiment,
                   const std::vector<Timing> &timings);
void print_conclusion(const Terminal &terminal, const Experiment &experiment,
                      const std::vector<Timing> &timings);

// "" if all comparisons hold, else one line about the worst.
std::string failure(const Experiment &experiment);

}  // namespace digits
