// Tensors in files, as the program reads and writes them: problems are thrown as Error.
#pragma once

#include <string>
#include <vector>

#include "buffer.h"
#include "error.h"
#include "safetensors.h"

namespace halnorm_tool {

using halnorm_state::OutputTensor;
using halnorm_state::SafetensorsFile;
using halnorm_state::Shape;
using halnorm_state::TensorEntry;
using halnorm_state::to_text;

inline void check(const halnorm_state::Problem &problem) {
    if (problem)
        throw Error(problem.subject, problem.text);
}

inline Buffer read(const SafetensorsFile &file, const TensorEntry &entry) {
    Buffer buffer(entry.end - entry.begin);
    check(file.read(entry, buffer.data()));
    return buffer;
}

// Writes all of it or nothing, also where SIGHUP, SIGINT or SIGTERM ends the process.
void write(const std::string &argument, const std::string &path,
           const std::vector<OutputTensor> &tensors);

}  // namespace halnorm_tool
