#include "train/curves.h"

#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <stdexcept>

namespace digits {

void write_curves(const std::string &path, const Schedule &schedule,
                  const std::vector<const Run *> &runs) {
    std::string text = "network,learning_rate,epoch,training_loss,test_accuracy\n";
    for (const Run *run : runs) {
        for (size_t i = 0; i < run->epochs.size(); i++) {
            const Epoch &epoch = run->epochs[i];
            text += fmt::format("{},{},{},{:.6g},{:.6g}\n", run->name(), schedule.learning_rate,
                                i + 1, epoch.loss, epoch.accuracy);
        }
    }
    const std::string unfinished = path + ".tmp";
    std::error_code error;
    if (std::ofstream(unfinished, std::ios::binary) << text << std::flush)
        std::filesystem::rename(unfinished, path, error);
    else
        error = std::make_error_code(std::errc::io_error);
    if (error) {
        std::filesystem::remove(unfinished, error);
        throw std::runtime_error(
            fmt::format("{}: could not be written, should be a file in a writable folder", path));
    }
}

}  // namespace digits
