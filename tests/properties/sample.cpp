#include "sample.h"

#include <algorithm>
#include <iterator>
#include <numeric>

namespace test {
namespace {

// Ascending: what rapidcheck draws early, and shrinks to, is small. Around one, two and four vectors
// of 2 to 16 elements, and where rows or channels are cut.
constexpr int64_t extents[] = {1,  2,  3,  4,  5,  7,  8,  9,  11, 15,  16,  17,  19,  31, 32,
                               33, 35, 49, 63, 64, 65, 67, 96, 100, 128, 255, 256, 257, 300, 513};
constexpr int64_t image_counts[] = {1, 2, 3, 4, 5, 8, 9, 17, 33};
constexpr int64_t most_elements = 4000;

constexpr Spread spreads[][2] = {
    {Spread::dense, Spread::dense},           {Spread::channel_gap, Spread::dense},
    {Spread::dense, Spread::channel_gap},     {Spread::image_gap, Spread::image_gap},
    {Spread::channels_last, Spread::channels_last}, {Spread::channel_gap, Spread::image_gap},
};
constexpr double epsilons[] = {1e-5, 0, 1e-3, 0.5}, momenta[] = {0.9, 0, 0.5, 0.999};

int below(int count) {
    return *rc::gen::inRange(0, count);
}

template<typename T, size_t count>
const T &one_of(const T (&list)[count]) {
    return list[below(static_cast<int>(count))];
}

// Drawn evenly, as their order says nothing of size.
template<typename T>
T any_of(int count) {
    return static_cast<T>(*rc::gen::resize(rc::kNominalSize, rc::gen::inRange(0, count)));
}

}  // namespace

rc::Gen<Sample> samples(const std::string &variant) {
    return rc::gen::exec([=] {
        Sample k;
        k.variant = variant;
        k.layout = any_of<halnorm_layout>(2);
        k.dtype = any_of<halnorm_dtype>(2);
        k.n = one_of(image_counts);
        k.c = one_of(extents);
        k.s = one_of(extents);
        k.s = std::max<int64_t>(1, std::min(k.s, most_elements / k.c));
        k.n = std::max<int64_t>(1, std::min(k.n, most_elements / (k.c * k.s)));
        k.rank = k.s == 1 ? 2 + below(4) : 3 + below(3);
        const auto &spread = spreads[any_of<int>(static_cast<int>(std::size(spreads)))];
        // NHWC over NCHW memory folds for one image only.
        if (spread[0] != Spread::channels_last || k.layout == HALNORM_NCHW || k.n == 1) {
            k.x_spread = spread[0];
            k.y_spread = spread[1];
        }
        k.placement.guard = any_of<Guard>(2);
        k.placement.offset = below(4);
        k.gamma = any_of<bool>(2);
        k.beta = any_of<bool>(2);
        k.activation = any_of<halnorm_activation>(HALNORM_ACT_COUNT);
        k.epsilon = one_of(epsilons);
        k.momentum = one_of(momenta);
        k.estimator = any_of<halnorm_variance_estimator>(2);
        k.training = any_of<bool>(2);
        k.add = any_of<int>(4) == 1;
        k.data = any_of<Data>(4);
        k.seed = static_cast<uint64_t>(below(1000));
        return k;
    });
}

void showValue(const Sample &k, std::ostream &out) {
    constexpr const char *data[] = {"usual", "constant", "far", "outlier"};
    out << k.describe() << " " << name(k.x_spread) << "->" << name(k.y_spread)
        << (k.training ? " batch" : " moving") << (k.add ? " with z" : "") << " epsilon "
        << k.epsilon << " momentum " << k.momentum
        << (k.estimator == HALNORM_VARIANCE_SAMPLE ? " sample variance" : "") << " values "
        << data[static_cast<int>(k.data)] << " of seed " << k.seed;
}

Sample Sample::two_elements() const {
    Sample k = *this;
    if (k.count() == 1)
        k.n = 2;
    return k.layout == HALNORM_NHWC && k.x_spread == Spread::channels_last ? k.dense() : k;
}

Sample Sample::large() const {
    constexpr int64_t shared = 64 * 1024;
    Sample k = layout == HALNORM_NHWC && x_spread == Spread::channels_last ? dense() : *this;
    int64_t &grows = s == 1 ? k.n : k.s;
    grows *= (shared + n * c * s - 1) / (n * c * s);
    return k;
}

Sample Sample::dense() const {
    Sample k = *this;
    k.x_spread = k.y_spread = Spread::dense;
    return k;
}

size_t Sample::at(int64_t i, int64_t channel, int64_t j) const {
    return static_cast<size_t>(layout == HALNORM_NCHW ? (i * c + channel) * s + j :
                                                        (i * s + j) * c + channel);
}

std::vector<size_t> Sample::elements_in(const Sample &other, const std::vector<int64_t> &images,
                                        const std::vector<int64_t> &pixels) const {
    std::vector<size_t> from(static_cast<size_t>(n * c * s));
    for (int64_t i = 0; i < n; i++) {
        for (int64_t channel = 0; channel < c; channel++) {
            for (int64_t j = 0; j < s; j++) {
                from[at(i, channel, j)] = other.at(images[static_cast<size_t>(i)], channel,
                                                   pixels[static_cast<size_t>(j)]);
            }
        }
    }
    return from;
}

namespace {

std::vector<int64_t> in_order(int64_t count) {
    std::vector<int64_t> all(static_cast<size_t>(count));
    std::iota(all.begin(), all.end(), 0);
    return all;
}

std::vector<int64_t> shuffled(int64_t count, Random &random) {
    std::vector<int64_t> all = in_order(count);
    for (size_t i = all.size(); i > 1; i--)
        std::swap(all[i - 1], all[random.below(i)]);
    return all;
}

}  // namespace

std::vector<size_t> Sample::permuted() const {
    Random random(seed + 1);
    const std::vector<int64_t> images = shuffled(n, random);
    return elements_in(*this, images, shuffled(s, random));
}

std::vector<size_t> Sample::elements_in(const Sample &other) const {
    return elements_in(other, in_order(n), in_order(s));
}

std::vector<int64_t> Sample::cuts() const {
    Random random(seed + 2);
    std::vector<int64_t> cuts = {0, n};
    for (size_t more = random.below(4); more > 0; more--)
        cuts.push_back(static_cast<int64_t>(random.below(static_cast<size_t>(n) + 1)));
    std::sort(cuts.begin(), cuts.end());
    return cuts;
}

Case Sample::forward() const {
    Case k;
    static_cast<Setting &>(k) = *this;
    k.pipeline = training ? Pipeline::training : Pipeline::inference;
    k.x_spread = x_spread;
    k.y_spread = y_spread;
    k.add = add;
    return k;
}

ForwardCall::ForwardCall(const Sample &k, const Case &settings) : Call(settings, k.seed) {
    const reference::Array order = shape();
    for (size_t i = 0; i < x.size(); i++) {
        const size_t c = order.channel_of(i);
        if (k.data == Data::constant)
            x.set(i, 100.1 + static_cast<double>(c));
        else if (k.data == Data::far)
            x.set(i, 1e4 + x.get(i));
        else if (k.data == Data::outlier && i == k.at(0, static_cast<int64_t>(c), 0))
            x.set(i, 1e4);
    }
}

BackwardCase Sample::backward() const {
    BackwardCase k;
    static_cast<Setting &>(k) = *this;
    k.batch = training;
    k.add = k.dz = add;
    k.x_spread = x_spread;
    k.dy_spread = k.dx_spread = y_spread;
    return k;
}

std::vector<double> gathered(const std::vector<double> &values, const std::vector<size_t> &from) {
    std::vector<double> all;
    for (size_t i : from)
        all.push_back(values[i]);
    return all;
}

Exact::Exact(const Call &call) {
    const Case &k = call.settings;
    const bool training = k.pipeline == Pipeline::training;
    const reference::Array in = call.input();
    const reference::Parameters p = call.parameters();
    const std::vector<double> z = k.add ? call.z->values() : std::vector<double>();
    const std::vector<double> *const addend = k.add ? &z : nullptr;
    f = training ? forward_training(in, p, addend) : forward_inference(in, p, addend);
    for (size_t i = 0; i < f.y.size(); i++) {
        tolerance.push_back(y_absolute(k.dtype, training ? Source::batch : Source::moving,
                                       static_cast<double>(in.count()), p, f, addend,
                                       in.channel_of(i), i));
    }
}

ExactBackward::ExactBackward(const BackwardCall &call) : u(unit_roundoff(call.settings.dtype)) {
    const reference::Backward b = call.input();
    r = reference::backward(b);
    t = backward_tolerance(call.settings.dtype, b, r, r.sums.count);
}

void Properties::hold(const std::function<void(const Sample &)> &property) {
    const testing::TestInfo &info = *testing::UnitTest::GetInstance()->current_test_info();
    rc::detail::TestMetadata metadata;
    metadata.id = metadata.description = std::string(info.test_suite_name()) + "." + info.name();
    const rc::Gen<Sample> gen = samples(GetParam());
    const auto result = rc::detail::checkTestable([&] { property(*gen.as("sample")); }, metadata);
    if (result.is<rc::detail::SuccessResult>()) {
        RecordProperty("cases", result.get<rc::detail::SuccessResult>().numSuccess);
        return;
    }
    std::ostringstream text;
    printResultMessage(result, text);
    FAIL() << text.str() << "\nTo run it again: RC_PARAMS='"
           << rc::detail::configToMinimalString(rc::detail::configuration()) << "'";
}

}  // namespace test
