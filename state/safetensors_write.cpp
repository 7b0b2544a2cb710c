#include "safetensors.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "json.h"
#include "text.h"

namespace halnorm_state {
namespace {

std::string in_json(const std::string &text) {
    return nlohmann::json(text).dump();
}

// Header length and header, padded with spaces so that the data starts at a multiple of 8. (A tree
// of Json loses memory where there is not enough for all of it; one text does not.)
std::string file_start(const std::vector<OutputTensor> &tensors) {
    std::string header;
    uint64_t end = 0;
    for (const OutputTensor &tensor : tensors) {
        const uint64_t begin = end;
        end += tensor.bytes;
        header += (header.empty() ? '{' : ',') + in_json(tensor.name);
        header += ":{\"dtype\":" + in_json(tensor.dtype) + ",\"shape\":[";
        for (size_t i = 0; i < tensor.shape.size(); i++)
            header += (i == 0 ? "" : ",") + std::to_string(tensor.shape[i]);
        header += "],\"data_offsets\":[" + std::to_string(begin) + ',' + std::to_string(end) + "]}";
    }
    header += header.empty() ? "{}" : "}";
    header.resize((header.size() + 7) / 8 * 8, ' ');
    std::string start;
    for (int i = 0; i < 8; i++)
        start += static_cast<char>(uint64_t{header.size()} >> (8 * i) & 0xff);
    return start + header;
}

std::string folder_of(const std::string &path) {
    const size_t slash = path.rfind('/');
    if (slash == std::string::npos)
        return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

// A new file beside the one it will replace, gone again unless it is kept.
class ReplacementFile {
public:
    ReplacementFile(const std::string &subject, Unfinished unfinished)
        : subject_(subject), unfinished_(unfinished) {}
    ReplacementFile(const ReplacementFile &) = delete;
    ReplacementFile &operator=(const ReplacementFile &) = delete;

    ~ReplacementFile() {
        if (descriptor_ >= 0)
            discard();
        announce(nullptr);
    }

    Problem open(const std::string &path) {
        target_ = path;
        // A link stays a link: what it points to is replaced. Devices, pipes and folders are never
        // replaced.
        struct stat status;
        const bool exists = stat(path.c_str(), &status) == 0;
        if (exists && !S_ISREG(status.st_mode))
            return {subject_, "was not a regular file, should be one or a new name"};
        if (!exists && errno != ENOENT)
            return not_writable();
        if (!exists && lstat(path.c_str(), &status) == 0)
            return {subject_, "was a link to nothing, should be a regular file or a new name"};
        if (exists) {
            char resolved[PATH_MAX];
            if (realpath(path.c_str(), resolved) == nullptr)
                return not_writable();
            target_ = resolved;
        }
        for (int attempt = 0; descriptor_ < 0; attempt++) {
            announce(nullptr);
            temporary_ = folder_of(target_) + "/.halnorm-" + std::to_string(getpid()) + "-" +
                         std::to_string(attempt) + ".tmp";
            announce(temporary_.c_str());
            descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
            if (descriptor_ < 0 && (errno != EEXIST || attempt >= 1000))
                return not_writable();
        }
        // Like a file that is written in place, the new one has the old one's permissions.
        if (exists && fchmod(descriptor_, status.st_mode & 0777) != 0)
            return not_writable();
        return {};
    }

    Problem write(const void *data, uint64_t bytes) {
        constexpr uint64_t piece = uint64_t{1} << 30;  // Linux writes at most 2 GB a call
        auto *from = static_cast<const char *>(data);
        while (bytes > 0) {
            const ssize_t put =
                ::write(descriptor_, from, static_cast<size_t>(std::min(bytes, piece)));
            if (put < 0 && errno == EINTR)
                continue;
            if (put < 0)
                return not_writable();
            from += put;
            bytes -= static_cast<uint64_t>(put);
        }
        return {};
    }

    Problem keep() {
        const std::string folder_name = folder_of(target_);  // allocates: not once it is renamed
        if (fsync(descriptor_) != 0)
            return not_writable();
        if (rename(temporary_.c_str(), target_.c_str()) != 0)
            return not_writable();
        announce(nullptr);
        close(descriptor_);
        descriptor_ = -1;
        // The new name survives a power cut only once the folder is on disk; some file systems
        // cannot do that.
        const int folder = ::open(folder_name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (folder >= 0) {
            fsync(folder);
            close(folder);
        }
        return {};
    }

private:
    void discard() {
        unlink(temporary_.c_str());
        close(descriptor_);
    }
    void announce(const char *path) {
        if (unfinished_ != nullptr)
            unfinished_(path);
    }
    Problem not_writable() const {
        return {subject_, "was not writable (" + system_error_text() +
                              "), should be a file that can be written"};
    }

    const std::string subject_;
    const Unfinished unfinished_;
    std::string target_;
    std::string temporary_;
    int descriptor_ = -1;
};

}  // namespace

Problem write_safetensors(const std::string &argument, const std::string &path,
                          const std::vector<OutputTensor> &tensors, Unfinished unfinished) {
    ReplacementFile file(argument + " " + in_quotes(path), unfinished);
    HALNORM_TRY_IO(file.open(path));
    const std::string start = file_start(tensors);
    HALNORM_TRY_IO(file.write(start.data(), start.size()));
    for (const OutputTensor &tensor : tensors)
        HALNORM_TRY_IO(file.write(tensor.data, tensor.bytes));
    return file.keep();
}

}  // namespace halnorm_state
