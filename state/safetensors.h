// Reader and writer of safetensors files: 8 bytes of header length (little-endian), a JSON header
// that gives dtype, shape and place of each tensor, then the tensors' bytes without gaps.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "problem.h"

namespace halnorm_state {

using Shape = std::vector<int64_t>;

std::string to_text(const Shape &shape);  // "(3, 10, 3, 7)"

struct TensorEntry {
    std::string name;
    std::string dtype;  // as in the file: "F32"
    Shape shape;
    uint64_t begin = 0;  // in bytes, counted from the end of the header
    uint64_t end = 0;
};

// Bytes of a tensor of that dtype and shape; a Problem of `subject` where there is no such dtype or
// size.
Problem tensor_bytes(const std::string &subject, const std::string &dtype, const Shape &shape,
                     uint64_t *bytes);

// Checks the header's text against the format and against data_bytes, the number of bytes that
// follow it. A Problem has `file` (or the tensor of `file`) as its subject. The entries come in the
// order of their data.
Problem parse_header(const std::string &file, const std::string &header, uint64_t data_bytes,
                     std::vector<TensorEntry> *entries);

// An open file whose header has been read and checked against the file's size.
class SafetensorsFile {
public:
    SafetensorsFile() = default;
    ~SafetensorsFile();
    SafetensorsFile(const SafetensorsFile &) = delete;
    SafetensorsFile &operator=(const SafetensorsFile &) = delete;

    // Once. `argument` names the file in messages: "IN".
    Problem open(const std::string &argument, const std::string &path);

    const std::string &subject() const { return subject_; }  // "IN "path""
    const std::vector<TensorEntry> &entries() const { return entries_; }
    Problem read(const TensorEntry &entry, void *data) const;

private:
    Problem read_at(uint64_t offset, void *data, uint64_t bytes) const;

    std::string subject_;
    int descriptor_ = -1;
    uint64_t data_offset_ = 0;
    std::vector<TensorEntry> entries_;
};

struct OutputTensor {
    std::string name;
    std::string dtype;
    Shape shape;
    const void *data;
    uint64_t bytes;
};

// Hears of the temporary file before it is made, and nullptr when there is none any more; for a
// program that removes it when a signal ends the process.
using Unfinished = void (*)(const char *path);

// Writes all of it or nothing: into a new file beside `path`, which replaces `path` when it is
// complete and on disk. Names have to be UTF-8.
Problem write_safetensors(const std::string &argument, const std::string &path,
                          const std::vector<OutputTensor> &tensors, Unfinished unfinished);

}  // namespace halnorm_state
