#include "safetensors.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "text.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "tensors are read and written as they lie in memory");

namespace halnorm_state {
namespace {

constexpr uint64_t length_bytes = 8;
constexpr uint64_t max_header_bytes = 100'000'000;  // the reference implementation's limit

uint64_t read_little_endian(const unsigned char (&bytes)[length_bytes]) {
    uint64_t number = 0;
    for (size_t i = 0; i < length_bytes; i++)
        number |= uint64_t{bytes[i]} << (8 * i);
    return number;
}

}  // namespace

SafetensorsFile::~SafetensorsFile() {
    if (descriptor_ >= 0)
        close(descriptor_);
}

Problem SafetensorsFile::open(const std::string &argument, const std::string &path) {
    subject_ = argument + " " + in_quotes(path);
    descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor_ < 0) {
        return {subject_,
                "was not readable (" + system_error_text() + "), should be a safetensors file"};
    }
    struct stat status;
    if (fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode))
        return {subject_, "was not a regular file, should be a safetensors file"};
    const auto file_bytes = static_cast<uint64_t>(status.st_size);
    if (file_bytes < length_bytes) {
        return {subject_, "was of " + std::to_string(file_bytes) +
                              " bytes, should be a safetensors file of at least 8"};
    }
    unsigned char length[length_bytes];
    HALNORM_TRY_IO(read_at(0, length, length_bytes));
    const uint64_t header_bytes = read_little_endian(length);
    const uint64_t most = std::min(max_header_bytes, file_bytes - length_bytes);
    if (header_bytes > most) {
        return {subject_, "header length was " + std::to_string(header_bytes) +
                              ", should be at most " + std::to_string(most) +
                              (most == max_header_bytes ? ", the format's limit" :
                                                          ", what the file holds after it")};
    }
    std::string header(static_cast<size_t>(header_bytes), ' ');
    HALNORM_TRY_IO(read_at(length_bytes, header.data(), header_bytes));
    data_offset_ = length_bytes + header_bytes;
    return parse_header(subject_, header, file_bytes - data_offset_, &entries_);
}

Problem SafetensorsFile::read(const TensorEntry &entry, void *data) const {
    return read_at(data_offset_ + entry.begin, data, entry.end - entry.begin);
}

Problem SafetensorsFile::read_at(uint64_t offset, void *data, uint64_t bytes) const {
    constexpr uint64_t piece = uint64_t{1} << 30;  // Linux reads at most 2 GB a call
    auto *to = static_cast<char *>(data);
    while (bytes > 0) {
        const ssize_t got = pread(descriptor_, to, static_cast<size_t>(std::min(bytes, piece)),
                                  static_cast<off_t>(offset));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return {subject_, "was not readable (" + system_error_text() + "), should be"};
        if (got == 0)
            return {subject_, "was cut short while it was read, should stay as it is"};
        to += got;
        offset += static_cast<uint64_t>(got);
        bytes -= static_cast<uint64_t>(got);
    }
    return {};
}

}  // namespace halnorm_state
