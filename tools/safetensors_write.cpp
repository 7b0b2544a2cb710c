#include "safetensors.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

namespace halnorm_tool {
namespace {

// Header length and header, padded with spaces so that the data starts at a multiple of 8.
std::string file_start(const std::vector<OutputTensor> &tensors) {
    nlohmann::ordered_json json = nlohmann::ordered_json::object();
    uint64_t end = 0;
    for (const OutputTensor &tensor : tensors) {
        const uint64_t begin = end;
        end += tensor.bytes;
        json[tensor.name] = {
            {"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {begin, end}}};
    }
    std::string header = json.dump();
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

// What a signal that ends the process has to remove first.
const char *volatile unfinished_file = nullptr;

extern "C" void remove_unfinished_file(int signal) {
    if (unfinished_file != nullptr)
        unlink(unfinished_file);
    raise(signal);  // SA_RESETHAND: this time it ends the process
}

void handle_signals() {
    for (const int signal : {SIGHUP, SIGINT, SIGTERM}) {
        struct sigaction old;
        if (sigaction(signal, nullptr, &old) != 0 || old.sa_handler != SIG_DFL)
            continue;  // as under nohup
        struct sigaction action = {};
        action.sa_handler = remove_unfinished_file;
        action.sa_flags = static_cast<int>(SA_RESETHAND);
        sigaction(signal, &action, nullptr);
    }
}

// A new file beside the one it will replace, gone again unless it is kept.
class ReplacementFile {
public:
    ReplacementFile(const std::string &subject, const std::string &path)
        : subject_(subject), target_(path) {
        // A link stays a link: what it points to is replaced. Devices, pipes and folders are never
        // replaced.
        struct stat status;
        const bool exists = stat(path.c_str(), &status) == 0;
        if (exists && !S_ISREG(status.st_mode)) {
            throw Error(subject_, "was not a regular file, should be one or a new name");
        }
        if (exists) {
            char resolved[PATH_MAX];
            if (realpath(path.c_str(), resolved) == nullptr)
                fail();
            target_ = resolved;
        }
        handle_signals();
        for (int attempt = 0; descriptor_ < 0; attempt++) {
            unfinished_file = nullptr;
            temporary_ = folder_of(target_) + "/.halnorm-" + std::to_string(getpid()) + "-" +
                         std::to_string(attempt) + ".tmp";
            unfinished_file = temporary_.c_str();
            descriptor_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
            if (descriptor_ < 0 && (errno != EEXIST || attempt >= 1000)) {
                unfinished_file = nullptr;
                fail();
            }
        }
        // Like a file that is written in place, the new one has the old one's permissions.
        if (exists && fchmod(descriptor_, status.st_mode & 0777) != 0) {
            discard();
            fail();
        }
    }

    ~ReplacementFile() {
        if (descriptor_ >= 0)
            discard();
    }

    ReplacementFile(const ReplacementFile &) = delete;
    ReplacementFile &operator=(const ReplacementFile &) = delete;

    void write(const void *data, uint64_t bytes) {
        constexpr uint64_t piece = uint64_t{1} << 30;  // Linux writes at most 2 GB a call
        auto *from = static_cast<const char *>(data);
        while (bytes > 0) {
            const ssize_t put =
                ::write(descriptor_, from, static_cast<size_t>(std::min(bytes, piece)));
            if (put < 0 && errno == EINTR)
                continue;
            if (put < 0)
                fail();
            from += put;
            bytes -= static_cast<uint64_t>(put);
        }
    }

    void keep() {
        if (fsync(descriptor_) != 0)
            fail();
        if (rename(temporary_.c_str(), target_.c_str()) != 0)
            fail();
        unfinished_file = nullptr;
        close(descriptor_);
        descriptor_ = -1;
        // The new name survives a power cut only once the folder is on disk; some file systems
        // cannot do that.
        const int folder = open(folder_of(target_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (folder >= 0) {
            fsync(folder);
            close(folder);
        }
    }

private:
    void discard() {
        const int kept_errno = errno;
        unlink(temporary_.c_str());
        unfinished_file = nullptr;
        close(descriptor_);
        descriptor_ = -1;
        errno = kept_errno;
    }

    [[noreturn]] void fail() const {
        throw Error(subject_, "was not writable (" + system_error_text() +
                                  "), should be a file that can be written");
    }

    std::string subject_;
    std::string target_;
    std::string temporary_;
    int descriptor_ = -1;
};

}  // namespace

void write_safetensors(const std::string &argument, const std::string &path,
                       const std::vector<OutputTensor> &tensors) {
    ReplacementFile file(argument + " " + in_quotes(path), path);
    const std::string start = file_start(tensors);
    file.write(start.data(), start.size());
    for (const OutputTensor &tensor : tensors)
        file.write(tensor.data, tensor.bytes);
    file.keep();
}

}  // namespace halnorm_tool
