// Files from bytes through the readers of safetensors files: the program's (tools/) on its way to a
// layer, and StateDict's (state/). What they accept is read and written again.
#include <algorithm>
#include <new>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tools/backward.h"
#include "tools/command_line.h"
#include "tools/files.h"
#include "tools/forward.h"
#include "fuzz.h"
#include "halnorm/state.hpp"

using halnorm_state::OutputTensor;
using halnorm_state::SafetensorsFile;
using halnorm_state::TensorEntry;

namespace {

// A file in memory; its path is there as long as this is.
class File {
public:
    explicit File(const std::string &content) : descriptor_(memfd_create("fuzz", 0)) {
        if (descriptor_ < 0 || pwrite(descriptor_, content.data(), content.size(), 0) !=
                                   static_cast<ssize_t>(content.size())) {
            perror("memfd");
            abort();
        }
        path_ = "/proc/self/fd/" + std::to_string(descriptor_);
    }
    ~File() { close(descriptor_); }
    const std::string &path() const { return path_; }

private:
    int descriptor_;
    std::string path_;
};

// Where results are written; its folder is the process's own and in memory.
const std::string &result_path() {
    static const std::string path = [] {
        std::string folder = "/dev/shm/halnorm_fuzz_XXXXXX";
        if (mkdtemp(&folder[0]) == nullptr) {
            perror("mkdtemp");
            abort();
        }
        return folder + "/out";
    }();
    return path;
}

void remove_results() {
    unlink(result_path().c_str());
    rmdir(result_path().substr(0, result_path().rfind('/')).c_str());
}

std::string content_of(const SafetensorsFile &file, const TensorEntry &entry) {
    std::string data(entry.end - entry.begin, '\0');
    EXPECT_FALSE(file.read(entry, &data[0]));
    return data;
}

void expect_one_line(const std::string &text) {
    EXPECT_NE(text, "");
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
}

// Opens, reads, writes and reads again; false where it was refused.
bool round_trip(const std::string &path, size_t bytes) {
    SafetensorsFile file;
    if (const auto problem = file.open("IN", path)) {
        expect_one_line(problem.subject + ": " + problem.text);
        return false;
    }
    uint64_t next = 0;
    std::vector<std::string> data;
    std::vector<OutputTensor> tensors;
    for (const TensorEntry &entry : file.entries()) {
        EXPECT_EQ(entry.begin, next);
        EXPECT_LE(entry.begin, entry.end);
        EXPECT_LE(entry.end, bytes);
        next = entry.end;
        data.push_back(content_of(file, entry));
    }
    for (size_t i = 0; i < data.size(); i++) {
        const TensorEntry &entry = file.entries()[i];
        tensors.push_back({entry.name, entry.dtype, entry.shape, data[i].data(), data[i].size()});
    }
    const auto problem = write_safetensors("OUT", result_path(), tensors, nullptr);
    EXPECT_FALSE(problem) << problem.text;
    SafetensorsFile again;
    const auto unread = again.open("OUT", result_path());
    EXPECT_FALSE(unread) << unread.text;
    EXPECT_EQ(again.entries().size(), data.size());
    for (const TensorEntry &entry : again.entries()) {
        size_t k = 0;
        while (k < data.size() && file.entries()[k].name != entry.name)
            k++;
        if (k == data.size()) {
            ADD_FAILURE() << entry.name << " was not in the file that was written";
            break;
        }
        EXPECT_EQ(entry.dtype, file.entries()[k].dtype);
        EXPECT_EQ(entry.shape, file.entries()[k].shape);
        EXPECT_TRUE(content_of(again, entry) == data[k]) << entry.name;
    }
    return true;
}

// The program's commands; whatever is wrong with the file is an Error of one line.
void run_program(const std::string &path, fuzz::Input &in) {
    SafetensorsFile file;
    if (file.open("IN", path))
        return;
    for (const TensorEntry &entry : file.entries()) {
        for (int64_t extent : entry.shape) {
            if (extent > 100000)  // of an empty x any number of channels may be, with vectors
                return;
        }
    }
    halnorm_tool::LayerOptions options;
    options.in = path;
    options.out = result_path();
    options.config.layout = in.one_of({HALNORM_NCHW, HALNORM_NHWC});
    options.config.activation =
        static_cast<halnorm_activation>(in.number(0, HALNORM_ACT_COUNT - 1));
    options.config.threads = 1;
    if (in.flag())
        options.num_channels = in.number(1, 4);
    options.no_weight = in.flag();
    options.no_bias = in.flag();
    options.in_place = in.flag();
    options.is_test = in.flag();
    options.use_global_stats = in.flag();
    try {
        in.flag() ? run_forward(options) : run_backward(options);
        SafetensorsFile result;
        const auto problem = result.open("OUT", options.out);
        EXPECT_FALSE(problem) << problem.text;
    } catch (const halnorm_tool::Error &error) {
        expect_one_line(error.what());
    } catch (const std::bad_alloc &) {  // main() reports it
    }
}

// A model of one layer and three tensors, under names that the dictionary has.
void load_state(const std::string &path, fuzz::Input &in) {
    halnorm::BatchNormOptions options;
    options.num_channels = 2;
    options.dtype = in.one_of({HALNORM_FLOAT32, HALNORM_FLOAT64});
    options.cumulative_average = in.flag();
    options.param_attr = "weight";
    options.bias_attr = "bias";
    options.moving_mean_name = "mean";
    options.moving_variance_name = "var";
    halnorm::BatchNorm layer;
    ASSERT_TRUE(halnorm::BatchNorm::create(options, &layer).ok());
    halnorm::StateDict state;
    std::vector<std::vector<char>> memory;
    const auto add = [&](const char *name, const char *dtype, std::vector<int64_t> shape,
                         size_t bytes) {
        memory.emplace_back(bytes, 'm');  // of exactly that size
        const halnorm::Status status =
            state.add(name, dtype, memory.back().data(), shape.data(), shape.size());
        ASSERT_TRUE(status.ok()) << status.message;
    };
    memory.reserve(3);
    const bool with_layer = in.flag();
    if (with_layer) {
        ASSERT_TRUE(state.add(layer).ok());
    }
    if (in.flag())
        add("x", "F32", {2, 3}, 24);
    if (in.flag())
        add("dy", "BF16", {}, 2);
    if (in.flag())
        add("n", "F4", {0, 7}, 0);
    const auto content = [&] {
        std::string all;
        for (const std::vector<char> &bytes : memory)
            all.append(bytes.begin(), bytes.end());
        const size_t element = options.dtype == HALNORM_FLOAT32 ? 4 : 8;
        for (const halnorm::Vector &v :
             {layer.weight(), layer.bias(), layer.moving_mean(), layer.moving_variance()})
            all.append(static_cast<const char *>(v.data), 2 * element);
        return all + std::to_string(layer.batches());
    };
    const std::string before = content();
    const halnorm::Status status = state.load(path.c_str());
    if (!status.ok()) {
        expect_one_line(status.message);
        EXPECT_TRUE(content() == before) << "a refused file changed something: " << status.message;
        return;
    }
    EXPECT_GE(layer.batches(), 0);
    // What was loaded is what the file holds.
    SafetensorsFile file;
    const auto problem = file.open("IN", path);
    ASSERT_FALSE(problem) << problem.text;
    for (const TensorEntry &entry : file.entries()) {
        const std::string data = content_of(file, entry);
        const auto is = [&](const void *at) {
            EXPECT_EQ(memcmp(at, data.data(), data.size()), 0) << entry.name;
        };
        for (const halnorm::Vector &v :
             {layer.weight(), layer.bias(), layer.moving_mean(), layer.moving_variance()}) {
            if (entry.name == v.name)
                is(v.data);
        }
        if (entry.name == "x")
            is(memory[0].data());
    }
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int *, char ***) {
    fuzz::start();
    result_path();  // made before, it is destroyed after that
    atexit(remove_results);
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    // What is done with the file comes from the last bytes; the file is the rest, either as it is,
    // or without the header's length, which is put before it.
    const size_t choices = std::min<size_t>(size, 16);
    fuzz::Input in(data + size - choices, choices);
    std::string content(reinterpret_cast<const char *>(data), size - choices);
    if (in.flag()) {
        const uint64_t length = std::min(content.find('\n'), content.size());
        content.erase(static_cast<size_t>(length), 1);  // the end of the header
        char bytes[8];
        for (int i = 0; i < 8; i++)
            bytes[i] = static_cast<char>(length >> (8 * i) & 255);
        content.insert(0, bytes, 8);
    }
    const File file(content);
    if (round_trip(file.path(), content.size()))
        run_program(file.path(), in);
    load_state(file.path(), in);
    return 0;
}
