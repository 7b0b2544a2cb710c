#include "tensor.h"

#include <string.h>

namespace test {
namespace {

// s as `parts` extents: the divisors nearest to equal ones, so that 3136 is 56 x 56 and 7 is 1 x 7.
std::vector<int64_t> factors(int64_t s, int parts) {
    if (parts == 0)
        return {};
    if (parts == 1)
        return {s};
    int64_t divisor = 1;
    for (int64_t d = 1; d <= s; d++) {
        int64_t power = 1;
        for (int i = 0; i < parts; i++)
            power *= d;
        if (power > s)
            break;
        if (s % d == 0)
            divisor = d;
    }
    std::vector<int64_t> rest = factors(s / divisor, parts - 1);
    rest.insert(rest.begin(), divisor);
    return rest;
}

}  // namespace

const char *name(Spread spread) {
    switch (spread) {
    case Spread::dense:
        return "dense";
    case Spread::channel_gap:
        return "channel_gap";
    case Spread::image_gap:
        return "image_gap";
    case Spread::channels_last:
        return "channels_last";
    }
    return "?";
}

int64_t Geometry::elements() const {
    int64_t n = 1;
    for (int64_t extent : shape)
        n *= extent;
    return n;
}

int64_t Geometry::span() const {
    if (elements() == 0)
        return 0;
    int64_t last = 0;
    for (size_t axis = 0; axis < shape.size(); axis++)
        last += (shape[axis] - 1) * strides[axis];
    return last + 1;
}

bool Geometry::row_major() const {
    int64_t stride = 1;
    for (size_t axis = shape.size(); axis-- > 0; stride *= shape[axis]) {
        if (shape[axis] != 1 && strides[axis] != stride)
            return false;
    }
    return true;
}

std::vector<int64_t> Geometry::offsets() const {
    std::vector<int64_t> all;
    if (elements() > 0)
        all.push_back(0);
    for (size_t axis = 0; axis < shape.size() && !all.empty(); axis++) {
        std::vector<int64_t> finer;
        finer.reserve(all.size() * static_cast<size_t>(shape[axis]));
        for (int64_t start : all) {
            for (int64_t i = 0; i < shape[axis]; i++)
                finer.push_back(start + i * strides[axis]);
        }
        all.swap(finer);
    }
    return all;
}

Geometry geometry(halnorm_layout layout, int rank, int64_t n, int64_t c, int64_t s, Spread spread,
                  int64_t gap) {
    const bool nchw = layout == HALNORM_NCHW;
    const bool inner_channels = nchw == (spread == Spread::channels_last) || rank == 2;
    int64_t stride_s = 1, stride_c = 1, stride_n = 1;
    if (rank == 2) {
        stride_n = c + (spread == Spread::dense ? 0 : gap);
    } else if (inner_channels) {
        const bool row = spread != Spread::dense && spread != Spread::image_gap;
        stride_s = c + (row ? gap : 0);
        stride_n = stride_s * s + (spread == Spread::image_gap ? gap : 0);
    } else {
        stride_c = s + (spread == Spread::dense ? 0 : gap);
        stride_n = c * stride_c + (spread == Spread::image_gap ? gap : 0);
    }

    Geometry g;
    g.shape = factors(s, rank - 2);
    for (size_t axis = g.shape.size(); axis > 0; axis--) {
        g.strides.insert(g.strides.begin(), stride_s);
        stride_s *= g.shape[axis - 1];
    }
    g.shape.insert(nchw ? g.shape.begin() : g.shape.end(), c);
    g.strides.insert(nchw ? g.strides.begin() : g.strides.end(), stride_c);
    g.shape.insert(g.shape.begin(), n);
    g.strides.insert(g.strides.begin(), stride_n);
    return g;
}

Tensor::Tensor(halnorm_dtype dtype, const Geometry &geometry, Placement placement,
               unsigned char fill)
    : dtype_(dtype), geometry_(geometry), size_(static_cast<size_t>(geometry.elements())),
      offsets_(geometry.row_major() ? std::vector<int64_t>() : geometry.offsets()),
      memory_(static_cast<size_t>(geometry.span()) * size_of(dtype), size_of(dtype), placement,
              fill) {}

halnorm_tensor Tensor::view() const {
    halnorm_tensor t = {};
    t.data = memory_.data();
    t.dtype = dtype_;
    t.device = HALNORM_CPU;
    t.rank = static_cast<int32_t>(geometry_.shape.size());
    for (size_t axis = 0; axis < geometry_.shape.size(); axis++) {
        t.shape[axis] = geometry_.shape[axis];
        t.strides[axis] = geometry_.strides[axis];
    }
    return t;
}

template<typename Body>
void Tensor::for_each_piece(Body body) const {
    const size_t pieces = offsets_.empty() ? size_ > 0 : size_;
    const size_t bytes = (offsets_.empty() ? size_ : 1) * size_of(dtype_);
    for (size_t i = 0; i < pieces; i++)
        body(element(i), bytes);
}

void Tensor::make_undefined() {
    for_each_piece([](unsigned char *p, size_t bytes) { test::make_undefined(p, bytes); });
}

void Tensor::set(const std::vector<double> &values) {
    for (size_t i = 0; i < values.size(); i++)
        set(i, values[i]);
}

std::vector<double> Tensor::values() const {
    std::vector<double> all(size());
    for (size_t i = 0; i < all.size(); i++)
        all[i] = get(i);
    return all;
}

void Tensor::set_bits(const std::vector<unsigned char> &all) {
    const unsigned char *from = all.data();
    for_each_piece([&](unsigned char *p, size_t bytes) {
        memcpy(p, from, bytes);
        from += bytes;
    });
}

std::vector<unsigned char> Tensor::bits() const {
    std::vector<unsigned char> all(size() * size_of(dtype_));
    unsigned char *to = all.data();
    for_each_piece([&](const unsigned char *p, size_t bytes) {
        memcpy(to, p, bytes);
        to += bytes;
    });
    return all;
}

bool Tensor::gaps_intact() const {
    if (!memory_.surroundings_intact())
        return false;
    if (static_cast<size_t>(geometry_.span()) == size())
        return true;
    std::vector<unsigned char> copy(memory_.data(), memory_.data() + memory_.bytes());
    for_each_piece([&](const unsigned char *p, size_t bytes) {
        memset(copy.data() + (p - memory_.data()), memory_.fill(), bytes);
    });
    return all_are(memory_.fill(), copy.data(), copy.data() + copy.size());
}

halnorm_tensor images(const halnorm_tensor &whole, int64_t first, int64_t last) {
    halnorm_tensor t = whole;
    if (t.data != nullptr) {
        t.data = static_cast<char *>(t.data) +
                 static_cast<size_t>(first * t.strides[0]) * size_of(t.dtype);
    }
    t.shape[0] = last - first;
    return t;
}

}  // namespace test
