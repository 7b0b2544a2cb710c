// StateDict: round trips bit by bit, and files that do not fit, which change nothing.
#include <dirent.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <string>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "halnorm/state.hpp"
#include "layers.h"

namespace {

using namespace test;
using halnorm::BatchNorm;
using halnorm::BatchNormOptions;
using halnorm::StateDict;

class State : public testing::Test {
protected:
    void SetUp() override {
        const char *const base = getenv("TMPDIR");
        folder_ = std::string(base ? base : "/tmp") + "/halnorm_state_XXXXXX";
        ASSERT_NE(mkdtemp(&folder_[0]), nullptr);
        path_ = folder_ + "/model.safetensors";
    }
    void TearDown() override {
        for (const std::string &name : listing())
            unlink((folder_ + "/" + name).c_str());
        rmdir(folder_.c_str());
    }

    std::vector<std::string> listing() const {
        std::vector<std::string> names;
        DIR *const directory = opendir(folder_.c_str());
        while (const dirent *entry = directory ? readdir(directory) : nullptr) {
            if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                names.push_back(entry->d_name);
        }
        closedir(directory);
        return names;
    }
    std::string content() const {
        std::string bytes;
        FILE *const file = fopen(path_.c_str(), "rb");
        for (int byte; file && (byte = fgetc(file)) != EOF;)
            bytes += static_cast<char>(byte);
        if (file)
            fclose(file);
        return bytes;
    }
    void write(const std::string &header, const std::string &data) const {
        FILE *const file = fopen(path_.c_str(), "wb");
        ASSERT_NE(file, nullptr);
        const uint64_t length = header.size();
        fwrite(&length, 1, sizeof length, file);
        fwrite(header.data(), 1, header.size(), file);
        fwrite(data.data(), 1, data.size(), file);
        fclose(file);
    }
    const char *path() const { return path_.c_str(); }

    std::string folder_, path_;
};

BatchNormOptions stem(halnorm_dtype dtype = HALNORM_FLOAT32) {
    BatchNormOptions options = with_channels(3);
    options.dtype = dtype;
    options.param_attr = "stem.weight";
    options.bias_attr = "stem.bias";
    options.moving_mean_name = "stem.mean";
    options.moving_variance_name = "stem.variance";
    return options;
}

// Bit patterns that only a copy of bits preserves: NaN payloads, a signalling NaN, -0, subnormals.
template<typename T, typename Bits>
void set_odd_bits(BatchNorm &layer, std::vector<std::vector<T>> *values) {
    const Bits nan =
        sizeof(T) == 4 ? static_cast<Bits>(0x7f800000u) : static_cast<Bits>(0x7ff0000000000000u);
    const Bits sign = static_cast<Bits>(1) << (8 * sizeof(T) - 1);
    const Bits patterns[] = {nan | 5, static_cast<Bits>(nan | sign | 1), sign, 1, nan,
                             0,       static_cast<Bits>(sign | 77)};
    size_t i = 0;
    for (const halnorm::Vector &v :
         {layer.weight(), layer.bias(), layer.moving_mean(), layer.moving_variance()}) {
        for (int64_t c = 0; c < v.size; c++)
            memcpy(v.as<T>() + c, &patterns[i++ % 7], sizeof(T));
        values->push_back(copy_of<T>(v));
    }
}

template<typename T>
std::vector<std::vector<T>> values_of(BatchNorm &layer) {
    return {copy_of<T>(layer.weight()), copy_of<T>(layer.bias()), copy_of<T>(layer.moving_mean()),
            copy_of<T>(layer.moving_variance())};
}

template<typename T>
bool same(const std::vector<std::vector<T>> &a, const std::vector<std::vector<T>> &b) {
    bool equal = a.size() == b.size();
    for (size_t i = 0; equal && i < a.size(); i++)
        equal = same_bits(a[i], b[i]);
    return equal;
}

TEST_F(State, RoundTripsBits) {
    for (const halnorm_dtype dtype : {HALNORM_FLOAT32, HALNORM_FLOAT64}) {
        const bool narrow = dtype == HALNORM_FLOAT32;
        std::vector<std::vector<float>> floats;
        std::vector<std::vector<double>> doubles;
        {
            BatchNorm layer = make(stem(dtype));
            if (narrow)
                set_odd_bits<float, uint32_t>(layer, &floats);
            else
                set_odd_bits<double, uint64_t>(layer, &doubles);
            StateDict state;
            ASSERT_TRUE(state.add(layer).ok());
            BatchNorm moved = std::move(layer);
            const halnorm::Status status = state.save(path());
            ASSERT_TRUE(status.ok()) << status.message;
        }
        BatchNorm layer = make(stem(dtype));
        StateDict state;
        ASSERT_TRUE(state.add(layer).ok());
        const halnorm::Status status = state.load(path());
        ASSERT_TRUE(status.ok()) << status.message;
        EXPECT_TRUE(narrow ? same(values_of<float>(layer), floats) :
                             same(values_of<double>(layer), doubles));
        EXPECT_EQ(listing(), std::vector<std::string>{"model.safetensors"});
    }
}

TEST_F(State, KeepsAWholeNetwork) {
    float convolution[2][3] = {{1, 2, 3}, {4, 5, 6}};
    int64_t epoch = 12;
    bool done = true;
    uint16_t half[2] = {0x3c00, 0xfbff};
    const int64_t shape[] = {2};
    float empty = 1;
    const auto fill = [&](StateDict *state, BatchNorm &layer) {
        EXPECT_TRUE(state->add("conv.weight", &convolution[0][0], {2, 3}).ok());
        EXPECT_TRUE(state->add(layer).ok());
        EXPECT_TRUE(state->add("epoch", &epoch, {}).ok());
        EXPECT_TRUE(state->add("done", &done, {1}).ok());
        EXPECT_TRUE(state->add("half", "BF16", half, shape, 1).ok());
        EXPECT_TRUE(state->add("empty \"\u00e9\"", &empty, {0, 4}).ok());
    };
    BatchNormOptions options = stem();
    options.param_attr = false;
    BatchNorm layer = make(options);
    layer.bias().as<float>()[1] = 8;
    StateDict first;
    fill(&first, layer);
    StateDict state = std::move(first);
    ASSERT_TRUE(state.save(path()).ok());
    const std::string saved = content();
    EXPECT_EQ(saved.find("stem.weight"), std::string::npos);
    EXPECT_NE(saved.find("stem.bias"), std::string::npos);

    memset(convolution, 0, sizeof convolution);
    memset(half, 0, sizeof half);
    epoch = 0;
    done = false;
    layer.bias().as<float>()[1] = 0;
    ASSERT_TRUE(state.load(path()).ok());
    EXPECT_EQ(convolution[1][2], 6);
    EXPECT_EQ(epoch, 12);
    EXPECT_TRUE(done);
    EXPECT_EQ(half[1], 0xfbff);
    EXPECT_EQ(empty, 1);
    EXPECT_EQ(layer.bias().as<float>()[1], 8);
    ASSERT_TRUE(state.save(path()).ok());
    EXPECT_EQ(content(), saved) << "the same state is the same file";
}

TEST_F(State, CountsTheBatchesOfACumulativeAverage) {
    BatchNormOptions options = stem();
    options.cumulative_average = true;
    BatchNorm layer = make(options);
    StateDict state;
    ASSERT_TRUE(state.add(layer).ok());
    ASSERT_TRUE(layer.set_batches((int64_t{1} << 53) + 1).ok());
    ASSERT_TRUE(state.save(path()).ok());
    EXPECT_NE(content().find("\"stem.mean.batches\":{\"dtype\":\"I64\",\"shape\":[]"),
              std::string::npos);
    ASSERT_TRUE(layer.set_batches(3).ok());
    ASSERT_TRUE(state.load(path()).ok());
    EXPECT_EQ(layer.batches(), (int64_t{1} << 53) + 1);

    // A negative number is refused, and the vectors before it are not read either.
    std::string file = content();
    ASSERT_TRUE(layer.set_batches(3).ok());
    layer.weight().as<float>()[0] = 42;
    file[file.size() - 1] = static_cast<char>(0x80);
    FILE *const damaged = fopen(path(), "wb");
    fwrite(file.data(), 1, file.size(), damaged);
    fclose(damaged);
    expect_refused(state.load(path()), HALNORM_ERROR_FILE, {"\"stem.mean.batches\"", "at least 0"});
    EXPECT_EQ(layer.batches(), 3);
    EXPECT_EQ(layer.weight().as<float>()[0], 42);

    // Whether there is a count is part of what has to fit.
    layer = BatchNorm();  // whose names are free then
    layer = make(stem());
    StateDict without;
    ASSERT_TRUE(without.add(layer).ok());
    expect_refused(without.load(path()), HALNORM_ERROR_FILE, {"\"stem.mean.batches\""});
}

TEST_F(State, FilesThatDoNotFitChangeNothing) {
    float a[2] = {1, 2};
    double b = 3;
    StateDict state;
    ASSERT_TRUE(state.add("a", a, {2}).ok());
    ASSERT_TRUE(state.add("b", &b, {}).ok());
    const std::string good_a = R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
    const std::string good_b = R"("b":{"dtype":"F64","shape":[],"data_offsets":[8,16]})";
    const struct {
        std::string header;
        size_t bytes;
        halnorm_status code;
        std::vector<std::string> words;
    } cases[] = {
        {"{" + good_a + "}", 8, HALNORM_ERROR_FILE, {"tensor \"b\"", "missing"}},
        {"{}", 0, HALNORM_ERROR_FILE, {"tensor \"a\"", "missing"}},
        {"{" + good_a + "," + good_b +
             R"(,"c":{"dtype":"F32","shape":[0],"data_offsets":[16,16]}})",
         16,
         HALNORM_ERROR_FILE,
         {"tensor \"c\"", "should be absent"}},
        {"{" + good_a + R"(,"b":{"dtype":"I64","shape":[],"data_offsets":[8,16]}})",
         16,
         HALNORM_ERROR_DTYPE,
         {"tensor \"b\"", "dtype was I64, should be F64"}},
        {"{" + good_a + R"(,"b":{"dtype":"F64","shape":[1],"data_offsets":[8,16]}})",
         16,
         HALNORM_ERROR_SHAPE,
         {"tensor \"b\"", "shape was (1,), should be ()"}},
        {R"({"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},)" + good_b + "}",
         16,
         HALNORM_ERROR_SHAPE,
         {"tensor \"a\"", "shape was (1, 2), should be (2,)"}},
        {"{" + good_a + "," + good_b + "}", 15, HALNORM_ERROR_FILE, {"15 bytes", "16"}},
        {"{" + good_a + "," + good_a + "}", 8, HALNORM_ERROR_FILE, {"key \"a\"", "twice"}},
        {"{" + good_a, 8, HALNORM_ERROR_FILE, {"no JSON"}},
        {R"({"a":{"dtype":"F32","shape":[2e999],"data_offsets":[0,8]}})",
         8,
         HALNORM_ERROR_FILE,
         {"beyond double"}},
    };
    for (const auto &bad : cases) {
        write(bad.header, std::string(bad.bytes, '\x11'));
        expect_refused(state.load(path()), bad.code, bad.words);
        expect_refused(state.load(path()), bad.code, {"path \"" + folder_});
        EXPECT_TRUE(a[0] == 1 && a[1] == 2 && b == 3);
    }
    unlink(path());
    expect_refused(state.load(path()), HALNORM_ERROR_FILE, {"No such file"});
    expect_refused(state.load(folder_.c_str()), HALNORM_ERROR_FILE, {"not a regular file"});
    EXPECT_EQ(state.load(nullptr).code, HALNORM_ERROR_NULL);
    EXPECT_EQ(state.save(nullptr).code, HALNORM_ERROR_NULL);

    // In another order, with metadata, it fits.
    write(R"({"__metadata__":{"format":"pt"},)" + good_b + "," + good_a + "}",
          std::string(16, '\x11'));
    EXPECT_TRUE(state.load(path()).ok());
    EXPECT_NE(b, 3);
}

TEST_F(State, BadEntriesAreRefused) {
    StateDict state;
    float value = 0;
    const int64_t two[] = {2}, negative[] = {-1}, three[] = {3}, huge[] = {INT64_MAX, INT64_MAX};
    ASSERT_TRUE(state.add("a", &value, {1}).ok());
    expect_refused(state.add("a", &value, {1}), HALNORM_ERROR_PARAMETER, {"\"a\"", "before"});
    expect_refused(state.add("", &value, {1}), HALNORM_ERROR_PARAMETER, {"no name"});
    expect_refused(state.add("__metadata__", &value, {1}), HALNORM_ERROR_PARAMETER, {"metadata"});
    expect_refused(state.add("\xff", &value, {1}), HALNORM_ERROR_PARAMETER, {"\\xff", "UTF-8"});
    expect_refused(state.add(nullptr, &value, {1}), HALNORM_ERROR_NULL, {"name"});
    expect_refused(state.add("b", static_cast<float *>(nullptr), {1}), HALNORM_ERROR_NULL,
                   {"\"b\"", "data"});
    expect_refused(state.add("b", nullptr, &value, two, 1), HALNORM_ERROR_NULL, {"dtype"});
    expect_refused(state.add("b", "F32", &value, nullptr, 1), HALNORM_ERROR_NULL, {"shape"});
    expect_refused(state.add("b", "F31", &value, two, 1), HALNORM_ERROR_DTYPE, {"\"F31\"", "F32"});
    expect_refused(state.add("b", "F32", &value, negative, 1), HALNORM_ERROR_SHAPE, {"(-1,)"});
    expect_refused(state.add("b", "F32", &value, huge, 2), HALNORM_ERROR_SHAPE, {"2^64"});
    expect_refused(state.add("b", "F4", &value, three, 1), HALNORM_ERROR_SHAPE, {"12 bits"});
    BatchNorm empty;
    EXPECT_EQ(state.add(empty).code, HALNORM_ERROR_NULL);

    // A layer whose last name is taken adds none.
    ASSERT_TRUE(state.add("stem.variance", &value, {1}).ok());
    BatchNorm layer = make(stem());
    expect_refused(state.add(layer), HALNORM_ERROR_PARAMETER, {"\"stem.variance\""});
    EXPECT_TRUE(state.add("stem.weight", &value, {1}).ok());
}

// An old file outlives a save that fails, and nothing else is left in the folder.
TEST_F(State, SavesWholeOrNotAtAll) {
    write("{}", "");
    const std::string old = content();
    std::vector<float> values(1 << 16);
    StateDict state;
    ASSERT_TRUE(state.add("values", values.data(), {1 << 16}).ok());

    struct rlimit before;
    ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit small = before;
    small.rlim_cur = 4096;
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
    const auto handler = signal(SIGXFSZ, SIG_IGN);
    const halnorm::Status status = state.save(path());
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, handler);
    expect_refused(status, HALNORM_ERROR_FILE, {"path \"" + path_, "File too large"});
    EXPECT_EQ(content(), old);
    EXPECT_EQ(listing().size(), 1u);

    expect_refused(state.save((folder_ + "/none/model").c_str()), HALNORM_ERROR_FILE,
                   {"not writable"});
    expect_refused(state.save(folder_.c_str()), HALNORM_ERROR_FILE, {"regular file"});
    // A link stays a link, one to nothing too.
    const std::string link = folder_ + "/link";
    ASSERT_EQ(symlink("none", link.c_str()), 0);
    expect_refused(state.save(link.c_str()), HALNORM_ERROR_FILE, {"link to nothing"});
    EXPECT_EQ(unlink(link.c_str()), 0);
    ASSERT_TRUE(state.save(path()).ok());
    EXPECT_GT(content().size(), old.size());
    EXPECT_EQ(listing().size(), 1u);
}

TEST_F(State, AnEmptyOneIsAFileToo) {
    StateDict state;
    ASSERT_TRUE(state.save(path()).ok());
    EXPECT_TRUE(state.load(path()).ok());
    float value = 0;
    ASSERT_TRUE(state.add("a", &value, {}).ok());
    expect_refused(state.load(path()), HALNORM_ERROR_FILE, {"\"a\"", "missing"});
    StateDict other = std::move(state);
    EXPECT_TRUE(state.save(path()).ok());
    EXPECT_TRUE(state.load(path()).ok());
    expect_refused(other.load(path()), HALNORM_ERROR_FILE, {"\"a\"", "missing"});
}

}  // namespace
