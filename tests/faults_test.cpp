// What the library does when the machine fails it: no memory, no threads, no disk, the end of the
// process. Always a status or the right result, nothing lost and nothing half done, and the next
// call works. This program puts itself between everyone and the functions that fail.
#include <atomic>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <string>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "allocator.h"
#include "halnorm/model_average.hpp"
#include "halnorm/state.hpp"
#include "layers.h"
#include "split_training.h"
#include "variants.h"

namespace {

// What fails of the functions below, and how.
enum class Calls { write, fsync, rename, close, pread, pthread_create };
enum class How {
    error,       // with errno `code`
    once_short,  // writes or reads one byte
    killed,      // the process is, before the call
};
struct Fault {
    Calls calls;
    How how;
    int code;
    int64_t which;  // from 1; the pthread_create that fails is it and all after it
    bool reached;
};
Fault fault = {};
int64_t seen = 0;
size_t piece = 0;  // the most that a write() takes, where not 0

// Whether this call is the one that fails.
bool hits(Calls calls) {
    if (fault.which == 0 || fault.calls != calls)
        return false;
    const bool hit =
        ++seen == fault.which || (calls == Calls::pthread_create && seen > fault.which);
    if (hit) {
        fault.reached = true;
        if (fault.how == How::killed)
            raise(SIGKILL);
        errno = fault.code;
    }
    return hit;
}

template<typename F>
F *next(const char *name) {
    return reinterpret_cast<F *>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {
ssize_t write(int descriptor, const void *data, size_t bytes) {
    static const auto real = next<ssize_t(int, const void *, size_t)>("write");
    if (hits(Calls::write)) {
        if (fault.how == How::error)
            return -1;
        bytes = bytes > 0 ? 1 : 0;
    }
    return real(descriptor, data, piece > 0 && bytes > piece ? piece : bytes);
}
int fsync(int descriptor) {
    static const auto real = next<int(int)>("fsync");
    return hits(Calls::fsync) ? -1 : real(descriptor);
}
int rename(const char *from, const char *to) noexcept {
    static const auto real = next<int(const char *, const char *)>("rename");
    return hits(Calls::rename) ? -1 : real(from, to);
}
int close(int descriptor) {
    static const auto real = next<int(int)>("close");
    const bool fails = hits(Calls::close);
    const int result = real(descriptor);  // which frees the descriptor whatever it says
    return fails ? -1 : result;
}
ssize_t pread64(int descriptor, void *data, size_t bytes, off64_t offset) {
    static const auto real = next<ssize_t(int, void *, size_t, off64_t)>("pread64");
    if (hits(Calls::pread)) {
        if (fault.how == How::error)
            return fault.code == 0 ? 0 : -1;  // the end of a file that was cut meanwhile
        bytes = bytes > 0 ? 1 : 0;
    }
    return real(descriptor, data, bytes, offset);
}
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *),
                   void *argument) noexcept {
    using Create = int(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    static const auto real = next<Create>("pthread_create");
    return hits(Calls::pthread_create) ? EAGAIN : real(thread, attributes, body, argument);
}
}

namespace {

using namespace test;
using halnorm::BatchNorm;
using halnorm::BatchNormOptions;
using halnorm::ModelAverage;
using halnorm::StateDict;
using halnorm::Status;

template<typename Call>
auto with_failing(Calls calls, How how, int code, int64_t which, bool *reached, Call call) {
    seen = 0;
    fault = {calls, how, code, which, false};
    auto result = call();
    *reached = fault.reached;
    fault = {};
    return result;
}

// ---- Memory ----

class NoMemory : public testing::Test {
protected:
    void SetUp() override {
        if (!counts_allocations)
            GTEST_SKIP() << "a sanitizer has its own malloc";
    }
    // body(fault) for the 1st, 2nd, ... allocation, that alone and with all after it, until it says
    // that there was none.
    template<typename Body>
    void for_each_allocation(Body body) {
        for (bool onwards : {false, true}) {
            int64_t k = 1;
            while (body(AllocationFault{k, onwards}) && k < 100000 && !HasFailure())
                k++;
            EXPECT_LT(k, 100000);
            EXPECT_GT(k, 1) << "nothing was allocated";
            RecordProperty(onwards ? "allocations_onwards" : "allocations", std::to_string(k - 1));
        }
    }
    // Runs call(), which gives a Status, under the fault; a failed allocation has to be a status,
    // and nothing may be left of the call. Says whether an allocation failed.
    template<typename Call>
    bool fails(AllocationFault fault, Call call) {
        bool reached = false;
        const int64_t before = living_allocations;
        const Status status = with_fault(fault, &reached, call);
        EXPECT_EQ(status.ok(), !reached) << fault.which << ": " << status.message;
        if (!reached)
            return false;
        EXPECT_EQ(status.code, HALNORM_ERROR_WORKSPACE) << fault.which << ": " << status.message;
        EXPECT_NE(std::string(status.message).find("should"), std::string::npos) << status.message;
        EXPECT_EQ(living_allocations, before) << fault.which << ": memory was lost";
        return true;
    }
};

BatchNormOptions named(const char *prefix) {
    static char names[4][80];
    const char *const suffixes[] = {"weight", "bias", "mean", "variance"};
    for (int i = 0; i < 4; i++)
        snprintf(names[i], sizeof names[i], "%s.a name too long for a short string.%s", prefix,
                 suffixes[i]);
    BatchNormOptions options = with_channels(5);
    options.threads = 1;
    options.param_attr.name = names[0];
    options.bias_attr.name = names[1];
    options.moving_mean_name = names[2];
    options.moving_variance_name = names[3];
    return options;
}

TEST_F(NoMemory, to_create_a_layer) {
    BatchNormOptions options = with_channels(1000);
    options.param_attr.name = "a layer that cannot be made";
    BatchNorm old = make(with_channels(3));
    old.weight().as<float>()[1] = 42;
    for_each_allocation([&](AllocationFault fault) {
        BatchNorm layer;
        if (!fails(fault, [&] { return BatchNorm::create(options, &layer); }))
            return false;
        EXPECT_FALSE(layer);
        EXPECT_TRUE(fails(fault, [&] { return BatchNorm::create(options, &old); }));
        EXPECT_EQ(old.num_channels(), 3);
        EXPECT_EQ(old.weight().as<float>()[1], 42);
        EXPECT_TRUE(BatchNorm::create(options, &layer).ok()) << "the next call works";
        return true;
    });
}

TEST_F(NoMemory, for_both_passes_of_a_layer) {
    const int64_t n = 4, c = 5, s = 9;
    for_each_allocation([&](AllocationFault fault) {
        std::vector<float> x(n * c * s, 2), dy(x.size(), 1), y(x.size(), 7), dx = y;
        for (size_t i = 0; i < x.size(); i++)
            x[i] = static_cast<float>(i % 7);
        const auto view = [&](std::vector<float> &v) {
            return halnorm::tensor(v.data(), {n, c, s});
        };
        const std::vector<float> untouched = y;
        bool any = false;
        {
            BatchNorm layer = make(named("both"));
            const std::vector<float> mean = copy_of<float>(layer.moving_mean());
            if (fails(fault, [&] { return layer.forward(view(x), view(y)); })) {
                any = true;
                EXPECT_TRUE(y == untouched);
                EXPECT_TRUE(copy_of<float>(layer.moving_mean()) == mean);
                EXPECT_EQ(layer.batches(), 0);
                EXPECT_EQ(layer.saved_mean(), nullptr);
            }
            EXPECT_TRUE(layer.forward(view(x), view(y)).ok());
            halnorm::Workspace workspace;
            std::vector<float> z = untouched;
            if (fails(fault, [&] { return layer.infer(view(x), view(z), workspace); })) {
                any = true;
                EXPECT_TRUE(z == untouched);
            }
            EXPECT_TRUE(layer.infer(view(x), view(z), workspace).ok());
            halnorm::PreparedInference prepared;
            if (fails(fault, [&] { return layer.prepare(view(x), view(y), &prepared); })) {
                any = true;
                EXPECT_FALSE(prepared);
            }
            EXPECT_TRUE(layer.prepare(view(x), view(y), &prepared).ok());
            EXPECT_TRUE(prepared.run(x.data(), y.data()).ok() && y == z);
        }
        {
            BatchNormOptions options = named("backward");
            options.act = HALNORM_ACT_SILU;  // needs more room than the forward pass
            BatchNorm layer = make(options);
            EXPECT_TRUE(layer.forward(view(x), view(y)).ok());
            if (fails(fault, [&] { return layer.backward(view(x), view(dy)); })) {
                any = true;
                EXPECT_EQ(layer.weight_gradient().as<float>()[0], 0);
            }
            EXPECT_TRUE(layer.backward(view(x), view(dy), view(dx)).ok());
        }
        return any;
    });
}

TEST_F(NoMemory, for_averages_of_a_model) {
    BatchNorm layer = make(named("averaged"));
    float values[3] = {1, 2, 3};
    for_each_allocation([&](AllocationFault fault) {
        ModelAverage average;
        bool any = fails(fault, [&] { return ModelAverage::create({}, &average); });
        EXPECT_EQ(static_cast<bool>(average), !any);
        if (any) {
            EXPECT_TRUE(ModelAverage::create({}, &average).ok());
        }
        if (fails(fault, [&] { return average.add(layer); })) {
            any = true;
            EXPECT_TRUE(average.add(layer).ok()) << "nothing of it was added before";
        }
        if (fails(fault, [&] { return average.add("values", values, 3); })) {
            any = true;
            EXPECT_TRUE(average.add("values", values, 3).ok());
        }
        any |= fails(fault, [&] { return average.step(); });
        any |= fails(fault, [&] { return average.apply(); });
        any |= fails(fault, [&] { return average.restore(); });
        return any;
    });
}

// ---- Files ----

class Folder {
public:
    Folder() {
        const char *const base = getenv("TMPDIR");
        path_ = std::string(base ? base : "/tmp") + "/halnorm_faults_XXXXXX";
        if (mkdtemp(&path_[0]) == nullptr)
            abort();
    }
    ~Folder() {
        for (const std::string &name : listing())
            unlink((path_ + "/" + name).c_str());
        rmdir(path_.c_str());
    }
    std::string file() const { return path_ + "/model.safetensors"; }
    const std::string &path() const { return path_; }
    std::vector<std::string> listing() const { return listing(path_); }
    static std::vector<std::string> listing(const std::string &path) {
        std::vector<std::string> names;
        DIR *const directory = opendir(path.c_str());
        while (const dirent *entry = directory ? readdir(directory) : nullptr) {
            if (entry->d_name[0] != '.' || strncmp(entry->d_name, ".halnorm", 8) == 0)
                names.push_back(entry->d_name);
        }
        if (directory)
            closedir(directory);
        return names;
    }

private:
    std::string path_;
};

std::string content(const std::string &path) {
    std::string bytes;
    FILE *const file = fopen(path.c_str(), "rb");
    char block[4096];
    for (size_t got; file && (got = fread(block, 1, sizeof block, file)) > 0;)
        bytes.append(block, got);
    if (file)
        fclose(file);
    return bytes;
}

// A layer and a tensor of `size` numbers `value`.
struct Model {
    explicit Model(size_t size, float value, const char *name = "model")
        : layer(make(named(name))), values(size, value) {
        fill(&state);
    }
    void fill(StateDict *to) {
        EXPECT_TRUE(to->add(layer).ok());
        EXPECT_TRUE(to->add("values", values.data(), {static_cast<int64_t>(values.size())}).ok());
    }
    bool all_are(float value) const { return values == std::vector<float>(values.size(), value); }
    BatchNorm layer;
    std::vector<float> values;
    StateDict state;
};

TEST_F(NoMemory, to_add_to_a_state) {
    BatchNormOptions options = named("added");
    options.cumulative_average = true;
    BatchNorm layer = make(options);
    float values[3] = {1, 2, 3};
    Folder folder;
    for_each_allocation([&](AllocationFault fault) {
        StateDict state;
        bool any = fails(fault, [&] { return state.add(layer); });
        if (any) {
            EXPECT_TRUE(state.add(layer).ok()) << "nothing of it was added before";
        }
        if (fails(fault,
                  [&] { return state.add("a name that is long too, once more", values, {3}); })) {
            any = true;
            EXPECT_TRUE(state.add("a name that is long too, once more", values, {3}).ok());
        }
        // The lists agree with each other: what is saved can be loaded.
        EXPECT_TRUE(state.save(folder.file().c_str()).ok());
        EXPECT_TRUE(state.load(folder.file().c_str()).ok());
        return any;
    });
}

TEST_F(NoMemory, to_save) {
    Folder folder;
    const std::string path = folder.file();
    Model model(100, 1);
    ASSERT_TRUE(model.state.save(path.c_str()).ok());
    const std::string old = content(path);
    model.values.assign(100, 2);
    for_each_allocation([&](AllocationFault fault) {
        const std::string before = content(path);
        if (!fails(fault, [&] { return model.state.save(path.c_str()); }))
            return false;
        EXPECT_TRUE(content(path) == before);
        EXPECT_EQ(folder.listing().size(), 1u);
        return true;
    });
    const std::string changed = content(path);
    EXPECT_NE(changed, old);
    model.values.assign(100, 1);
    EXPECT_TRUE(model.state.save(path.c_str()).ok());
    EXPECT_EQ(content(path), old);
}

TEST_F(NoMemory, to_load) {
    Folder folder;
    const std::string path = folder.file();
    Model model(100, 1);
    ASSERT_TRUE(model.state.save(path.c_str()).ok());
    for_each_allocation([&](AllocationFault fault) {
        model.values.assign(100, 2);
        if (!fails(fault, [&] { return model.state.load(path.c_str()); })) {
            EXPECT_TRUE(model.all_are(1));
            return false;
        }
        EXPECT_TRUE(model.all_are(2));
        return true;
    });
    // What is wrong with a file may not find the memory to be said.
    model.values.resize(50);
    Model other(50, 3, "other");
    for_each_allocation([&](AllocationFault fault) {
        bool reached = false;
        const int64_t before = living_allocations;
        const Status status =
            with_fault(fault, &reached, [&] { return other.state.load(path.c_str()); });
        EXPECT_EQ(status.code, reached ? HALNORM_ERROR_WORKSPACE : HALNORM_ERROR_FILE);
        EXPECT_EQ(living_allocations, before);
        EXPECT_TRUE(other.all_are(3));
        return reached;
    });
}

class NoDisk : public testing::Test {
protected:
    NoDisk() : path_(folder_.file()), model_(5000, 1) {
        EXPECT_TRUE(model_.state.save(path_.c_str()).ok());
        old_ = content(path_);
        model_.values.assign(5000, 2);
        EXPECT_TRUE(model_.state.save((path_ + "2").c_str()).ok());
        new_ = content(path_ + "2");
        unlink((path_ + "2").c_str());
    }
    ~NoDisk() override { piece = 0; }
    Status save() { return model_.state.save(path_.c_str()); }

    Folder folder_;
    std::string path_;
    Model model_;
    std::string old_, new_;
};

// Each call of each function, until there is none left to fail.
TEST_F(NoDisk, an_old_file_outlives_every_error) {
    piece = 2000;
    const struct {
        Calls calls;
        int code;
        int needed;  // of so many calls each that fails is an error
    } faults[] = {{Calls::write, ENOSPC, 11}, {Calls::write, EIO, 11},   {Calls::write, EDQUOT, 11},
                  {Calls::fsync, EIO, 1},     {Calls::fsync, ENOSPC, 1}, {Calls::rename, EACCES, 1},
                  {Calls::rename, EIO, 1}};
    for (const auto &f : faults) {
        int64_t k = 1;
        for (bool reached = true; reached; k++) {
            const Status status =
                with_failing(f.calls, How::error, f.code, k, &reached, [&] { return save(); });
            if (status.ok()) {
                EXPECT_GT(k, f.needed) << "an error of call " << k << " went unnoticed";
                EXPECT_EQ(content(path_), new_);
                FILE *const file = fopen(path_.c_str(), "wb");
                fwrite(old_.data(), 1, old_.size(), file);
                fclose(file);
                continue;
            }
            expect_refused(status, HALNORM_ERROR_FILE, {"path \"" + path_, strerror(f.code)});
            EXPECT_EQ(content(path_), old_);
            EXPECT_EQ(folder_.listing().size(), 1u);
        }
        EXPECT_GT(k, f.needed + 1);
    }
    EXPECT_TRUE(save().ok()) << "the next call works";
    EXPECT_EQ(content(path_), new_);
}

TEST_F(NoDisk, interrupted_and_short_calls_go_on) {
    piece = 2000;
    for (How how : {How::error, How::once_short}) {
        for (int64_t k = 1; k < 12; k++) {
            bool reached = false;
            const Status status =
                with_failing(Calls::write, how, EINTR, k, &reached, [&] { return save(); });
            EXPECT_TRUE(status.ok()) << status.message;
            EXPECT_TRUE(reached);
            EXPECT_EQ(content(path_), new_);
        }
        for (int64_t k = 1; k < 4; k++) {
            bool reached = false;
            model_.values.assign(5000, 7);
            const Status status = with_failing(Calls::pread, how, EINTR, k, &reached,
                                               [&] { return model_.state.load(path_.c_str()); });
            EXPECT_TRUE(status.ok()) << status.message;
            EXPECT_TRUE(reached);
            EXPECT_TRUE(model_.all_are(2));
        }
    }
}

TEST_F(NoDisk, errors_of_reading_change_nothing) {
    for (int code : {EIO, 0}) {
        int64_t k = 1;
        for (bool reached = true; reached; k++) {
            const Status status = with_failing(Calls::pread, How::error, code, k, &reached,
                                               [&] { return model_.state.load(path_.c_str()); });
            EXPECT_EQ(status.ok(), !reached);
            EXPECT_TRUE(model_.all_are(reached ? 2.f : 1.f));
            if (reached)
                expect_refused(status, HALNORM_ERROR_FILE,
                               {path_, code == 0 ? "cut short" : strerror(EIO)});
        }
        EXPECT_GT(k, 6);  // the header, its length and at least four tensors
        model_.values.assign(5000, 2);
    }
}

// In a child with a file system of its own, which has room for the old file alone.
TEST_F(NoDisk, a_full_disk) {
    enum { done = 0, no_rights = 77 };
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        if (unshare(CLONE_NEWNS) != 0 ||
            mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) ||
            mount("tmpfs", folder_.path().c_str(), "tmpfs", 0, "size=32k") != 0)
            _exit(no_rights);
        FILE *const file = fopen(path_.c_str(), "wb");
        const bool there = file && fwrite(old_.data(), 1, old_.size(), file) == old_.size();
        if (!there || fclose(file) != 0)
            _exit(2);
        const Status status = save();
        if (status.code != HALNORM_ERROR_FILE || !strstr(status.message, strerror(ENOSPC)))
            _exit(3);
        if (content(path_) != old_ || folder_.listing().size() != 1)
            _exit(4);
        if (mount("tmpfs", folder_.path().c_str(), "tmpfs", MS_REMOUNT, "size=128k") != 0)
            _exit(5);
        _exit(save().ok() && content(path_) == new_ ? done : 6);
    }
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == no_rights)
        GTEST_SKIP() << "only root may mount a small file system";
    EXPECT_EQ(status, done) << WEXITSTATUS(status);
}

// A device is never replaced by a file, by itself or behind a link.
TEST_F(NoDisk, a_device) {
    struct stat before, after;
    if (stat("/dev/full", &before) != 0)
        GTEST_SKIP() << "no /dev/full";
    const std::string link = folder_.path() + "/link";
    ASSERT_EQ(symlink("/dev/full", link.c_str()), 0);
    for (const std::string &path : {std::string("/dev/full"), link}) {
        expect_refused(model_.state.save(path.c_str()), HALNORM_ERROR_FILE, {"regular file"});
        ASSERT_EQ(stat(path.c_str(), &after), 0);
        EXPECT_TRUE(S_ISCHR(after.st_mode) && after.st_rdev == before.st_rdev);
    }
}

// Killed before any write, sync, rename and close, and at any time: there is the old file or the
// new one, and beside it at most the temporary file, whose name says which process left it.
class Killed : public NoDisk {
protected:
    // The child runs body(), which it does not survive, or does.
    template<typename Body>
    pid_t child(Body body) {
        const pid_t pid = fork();
        if (pid == 0) {
            alarm(60);
            body();
            _exit(0);
        }
        return pid;
    }
    // Whether the file is the new one.
    bool expect_whole(pid_t pid) {
        const std::string now = content(path_);
        EXPECT_TRUE(now == old_ || now == new_) << now.size() << " bytes";
        for (const std::string &name : folder_.listing()) {
            if (name == "model.safetensors")
                continue;
            EXPECT_EQ(name.find(".halnorm-" + std::to_string(pid) + "-"), 0u) << name;
            unlink((folder_.path() + "/" + name).c_str());
        }
        return now == new_;
    }
    void restore_old() {
        FILE *const file = fopen(path_.c_str(), "wb");
        fwrite(old_.data(), 1, old_.size(), file);
        fclose(file);
    }
};

TEST_F(Killed, before_any_call) {
    piece = 1000;
    int killed = 0, renamed = 0;
    for (Calls calls : {Calls::write, Calls::fsync, Calls::rename, Calls::close}) {
        for (int64_t k = 1;; k++) {
            restore_old();
            const pid_t pid = child([&] {
                bool reached = false;
                static_cast<void>(
                    with_failing(calls, How::killed, 0, k, &reached, [&] { return save(); }));
            });
            int status = -1;
            ASSERT_EQ(waitpid(pid, &status, 0), pid);
            const bool is_new = expect_whole(pid);
            if (WIFEXITED(status)) {
                EXPECT_TRUE(is_new);
                break;
            }
            ASSERT_EQ(WTERMSIG(status), SIGKILL);
            killed++;
            renamed += is_new;
        }
    }
    EXPECT_GT(killed, 20);
    EXPECT_GT(renamed, 0);  // in fsync() of the folder, or close()
    EXPECT_TRUE(save().ok()) << "the next call works";
}

TEST_F(Killed, at_any_time) {
    int old_files = 0, new_files = 0;
    for (int i = 0; i < 40; i++) {
        restore_old();
        const pid_t pid = child([&] {
            piece = 100;
            for (;;)
                static_cast<void>(save().ok());
        });
        usleep(static_cast<useconds_t>(100 + 97 * i % 3000));
        kill(pid, SIGKILL);
        int status = -1;
        ASSERT_EQ(waitpid(pid, &status, 0), pid);
        ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        ++(expect_whole(pid) ? new_files : old_files);
    }
    RecordProperty("old_files", std::to_string(old_files));
    RecordProperty("new_files", std::to_string(new_files));
}

// ---- Threads and processes ----

// The exit status of a child that runs body(); one that hangs is ended by SIGALRM.
template<typename Body>
int exit_of_child(Body body) {
    const pid_t pid = fork();
    if (pid == 0) {
        alarm(60);
        _exit(body());
    }
    int status = -1;
    EXPECT_EQ(waitpid(pid, &status, 0), pid);
    EXPECT_TRUE(WIFEXITED(status)) << "ended by signal " << WTERMSIG(status);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#if defined(__has_feature)
#define HALNORM_HAS_FEATURE(name) __has_feature(name)
#else
#define HALNORM_HAS_FEATURE(name) 0
#endif
constexpr bool in_tsan = HALNORM_HAS_FEATURE(thread_sanitizer),
               in_asan = HALNORM_HAS_FEATURE(address_sanitizer);

// Of a pool that grows thread by thread: a child has none of its parent's.
TEST(NoThreads, as_many_as_there_are) {
    if (in_tsan)
        GTEST_SKIP() << "TSan does not survive a pthread_create that fails";
    const std::vector<char> expected = train(1);
    ASSERT_FALSE(expected.empty());
    const auto created = [&] {
        bool reached = false;
        with_failing(Calls::pthread_create, How::error, EAGAIN, 1000, &reached,
                     [] { return train(8); });
        return static_cast<int>(seen);
    };
    const int all = exit_of_child(created);
    EXPECT_GE(all, 3);
    for (int64_t k = 1; k <= all + 1; k++) {
        EXPECT_EQ(exit_of_child([&] {
                      bool reached = false;
                      const auto with_few = with_failing(Calls::pthread_create, How::error, EAGAIN,
                                                         k, &reached, [] { return train(8); });
                      if (reached != (k <= all))
                          return 2;
                      return with_few == expected && train(8) == expected && train(3) == expected ?
                                 0 :
                                 1;
                  }),
                  0)
            << k;
    }
}

// The system's own limit; it does not hold for root.
TEST(NoThreads, of_a_user_who_may_have_none) {
    const std::vector<char> expected = train(1);
    const int status = exit_of_child([&] {
        struct rlimit none = {0, 0};
        if (setrlimit(RLIMIT_NPROC, &none) != 0 || (geteuid() == 0 && setuid(65534) != 0))
            return 77;
        pthread_t thread;
        if (pthread_create(
                &thread, nullptr, [](void *p) { return p; }, nullptr) == 0)
            return 77;
        return train(4) == expected && train(0) == expected ? 0 : 1;
    });
    if (status == 77)
        GTEST_SKIP() << "this system grants threads beyond RLIMIT_NPROC";
    EXPECT_EQ(status, 0);
}

TEST(NoThreads, for_lack_of_memory) {
    if (!counts_allocations)
        GTEST_SKIP() << "a sanitizer has its own malloc";
    const std::vector<char> expected = train(1);
    for (int64_t k = 1; k < 30; k++) {
        EXPECT_EQ(
            exit_of_child([&] {
                const int64_t n = 4, c = 33, s = 529, shape[] = {n, c, s};
                std::vector<float> x(n * c * s, 1), y = x, mean(c, 0), variance(c, 1);
                const halnorm_tensor in = halnorm_dense_tensor(x.data(), HALNORM_FLOAT32, 3, shape),
                                     out =
                                         halnorm_dense_tensor(y.data(), HALNORM_FLOAT32, 3, shape);
                halnorm_config config = halnorm_default_config(c);
                config.threads = 8;
                size_t bytes = 0;
                if (halnorm_forward_training_workspace(&config, &in, &bytes) != HALNORM_OK)
                    return 2;
                halnorm::Workspace workspace;
                if (!workspace.reserve(bytes).ok())
                    return 3;
                bool reached = false;
                const halnorm_status status = with_fault({k, true}, &reached, [&] {
                    return halnorm_forward_training(&config, &in, nullptr, nullptr, mean.data(),
                                                    variance.data(), &out, nullptr, nullptr,
                                                    workspace.data(), bytes);
                });
                if (status != HALNORM_OK || y != std::vector<float>(y.size(), 0))
                    return 4;
                return train(8) == expected ? 0 : 5;
            }),
            0)
            << k;
    }
}

// A pool's child makes threads of its own.
class Fork : public testing::Test {
protected:
    void SetUp() override {
        if (in_tsan)
            GTEST_SKIP() << "TSan does not survive a thread made after the fork of threads";
        if (in_asan)
            GTEST_SKIP() << "ASan takes stacks that a child uses again for those of lost threads";
    }
};

TEST_F(Fork, after_the_pool_was_used) {
    const std::vector<char> expected = train(1);
    EXPECT_TRUE(train(3) == expected);
    for (int i = 0; i < 5; i++) {
        EXPECT_EQ(exit_of_child([&] {
                      if (train(3) != expected || train(0) != expected)
                          return 1;
                      // A child of the child.
                      return exit_of_child([&] { return train(4) == expected ? 0 : 2; });
                  }),
                  0);
        EXPECT_TRUE(train(3) == expected) << "in the parent";
    }
}

// Locks are then in whatever state they were, and the other thread is not in the child.
TEST_F(Fork, while_another_thread_is_in_a_call) {
    const std::vector<char> expected = train(1);
    std::atomic<bool> enough{false};
    std::atomic<int> different{0}, calls{0};
    std::thread other([&] {
        for (; !enough; calls++)
            different += train(3) != expected;
    });
    for (int i = 0; i < 40; i++) {
        while (calls <= i)
            sched_yield();
        EXPECT_EQ(exit_of_child([&] { return train(2 + i % 3) == expected ? 0 : 1; }), 0) << i;
        EXPECT_TRUE(train(2) == expected) << "in the parent";
    }
    enough = true;
    other.join();
    EXPECT_EQ(different, 0);
}

}  // namespace
