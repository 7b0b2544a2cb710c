// Reader and writer of safetensors files: 8 bytes of header length (little-endian), a JSON header
// that gives dtype, shape and place of each tensor, then the tensors' bytes without gaps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "error.h"

namespace halnorm_tool {

using Shape = std::vector<int64_t>;

std::string to_text(const Shape &shape);  // "(3, 10, 3, 7)"

struct TensorEntry {
    std::string name;
    std::string dtype;  // as in the file: "F32"
    Shape shape;
    uint64_t begin;  // in bytes, counted from the end of the header
    uint64_t end;
};

// Memory aligned for any kernel. At least one byte is allocated, so that empty tensors have an
// address too.
class Buffer {
public:
    explicit Buffer(uint64_t bytes);

    void *data() const { return memory_.get(); }
    size_t size() const { return size_; }

private:
    struct Free {
        void operator()(void *memory) const { std::free(memory); }
    };
    size_t size_;
    std::unique_ptr<void, Free> memory_;
};

// Checks the header's text against the format and against data_bytes, the number of bytes that
// follow it. Throws Error with `file` (or the tensor of `file`) as its subject. The entries come in
// the order of their data.
std::vector<TensorEntry> parse_header(const std::string &file, const std::string &header,
                                      uint64_t data_bytes);

// An open file whose header has been read and checked against the file's size.
class SafetensorsFile {
public:
    // `argument` names the file in messages: "IN".
    SafetensorsFile(const std::string &argument, const std::string &path);
    ~SafetensorsFile();
    SafetensorsFile(const SafetensorsFile &) = delete;
    SafetensorsFile &operator=(const SafetensorsFile &) = delete;

    const std::vector<TensorEntry> &entries() const { return entries_; }
    Buffer read(const TensorEntry &entry) const;

private:
    void read_at(uint64_t offset, void *data, uint64_t bytes) const;

    std::string subject_;  // "IN "path""
    int descriptor_;
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

// Writes all of it or nothing: into a new file beside `path`, which replaces `path` when it is
// complete and on disk.
void write_safetensors(const std::string &argument, const std::string &path,
                       const std::vector<OutputTensor> &tensors);

}  // namespace halnorm_tool
