// The sentences, and how their gaps are filled. Linked by halnorm_last_error alone.
#include <float.h>
#include <math.h>
#include <string.h>

#include "../generators/activation_forms.h"
#include "built.h"
#include "dispatch.h"
#include "host.h"
#include "status.h"

namespace halnorm {
namespace {

// One after the other, each with its end: an array of pointers would be relocated in a
// position-independent program.
constexpr char sentences[] =
#define HALNORM_MESSAGE(name, status, sentence) sentence "\0"
    HALNORM_EACH_MESSAGE(HALNORM_MESSAGE)
#undef HALNORM_MESSAGE
    ;
constexpr char arguments[] =
#define HALNORM_ARGUMENT(name) #name "\0"
    HALNORM_EACH_ARGUMENT(HALNORM_ARGUMENT)
#undef HALNORM_ARGUMENT
    ;

const char *find(const char *strings, int64_t index) {
    for (; index > 0; index--)
        strings += strlen(strings) + 1;
    return strings;
}

// What is longer is cut off.
class Line {
public:
    void append(const char *text, size_t size) {
        const size_t room = sizeof text_ - 1 - length_;
        const size_t taken = size < room ? size : room;
        memcpy(text_ + length_, text, taken);
        length_ += taken;
        text_[length_] = '\0';
    }
    void append(const char *text) { append(text, strlen(text)); }
    void append(int64_t number);
    void append_rounded(double number);
    void clear() { *text_ = '\0', length_ = 0; }
    const char *text() const { return text_; }

private:
    char text_[512] = "";
    size_t length_ = 0;
};

void Line::append(int64_t number) {
    char digits[20];
    size_t first = sizeof digits;
    uint64_t magnitude =
        number < 0 ? 0 - static_cast<uint64_t>(number) : static_cast<uint64_t>(number);
    do {
        digits[--first] = static_cast<char>('0' + magnitude % 10);
        magnitude /= 10;
    } while (magnitude != 0);
    if (number < 0)
        append("-", 1);
    append(digits + first, sizeof digits - first);
}

// Six significant digits: enough to recognize the value in a message.
void Line::append_rounded(double number) {
    if (number != number)
        return append("NaN");
    if (number < 0)
        append("-");
    double magnitude = fabs(number);
    if (isinf(magnitude))
        return append("inf");
    if (magnitude == 0)
        return append("0");
    int exponent = 0;
    // A subnormal, which a product does not leave where results are flushed to 0.
    if (magnitude < DBL_MIN * 10)
        magnitude *= 1e300, exponent -= 300;
    while (magnitude >= 10)
        magnitude /= 10, exponent++;
    while (magnitude < 1)
        magnitude *= 10, exponent--;
    // NOLINTNEXTLINE(bugprone-incorrect-roundings): between 1e5 and 1e6, and lround is libm's
    int64_t digits = static_cast<int64_t>(magnitude * 1e5 + 0.5);
    if (digits == 1000000)
        digits = 100000, exponent++;
    int places = 5;
    while (places > 0 && digits % 10 == 0)
        digits /= 10, places--;
    int64_t unit = 1;
    for (int i = 0; i < places; i++)
        unit *= 10;
    append(digits / unit);
    if (places > 0) {
        append(".");
        for (int64_t u = unit / 10; u > 0; u /= 10)
            append(digits / u % 10);
    }
    if (exponent != 0) {
        append("e");
        append(int64_t{exponent});
    }
}

void append_activations(Line &line, ActivationSet of) {
    for (int k = 0; k < HALNORM_ACT_COUNT; k++) {
        if (!of.has(k))
            continue;
        line.append(" ");
        line.append(halnorm_activation_name(static_cast<halnorm_activation>(k)));
    }
}

void append_variants(Line &line) {
    for (int32_t k = 0; k < variant_count; k++) {
        if (why_not(k) != nullptr)
            continue;
        line.append(" ");
        line.append(variants[k].name);
    }
}

void append_strides(Line &line, uint64_t packed) {
    for (const char *between = ""; packed != 0; packed >>= 8, between = ", ") {
        line.append(between);
        line.append(find(arguments, static_cast<int64_t>(packed & 0xff) - 1));
        line.append(".strides");
    }
}

double as_double(int64_t bits) {
    double value = 0;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// Fills the gap of that letter; the next value.
const int64_t *fill_gap(Line &line, char gap, const int64_t *value, const char *callers_text) {
    switch (gap) {
    case 'V':
        append_variants(line);
        return value;
    case 'A':
        append_activations(line, ActivationSet(built::activations));
        return value;
    case 'E':
        append_activations(line, ActivationSet(ActivationSet::all));
        return value;
    case 'n':
        line.append(find(arguments, *value));
        break;
    case 'd':
        line.append(*value);
        break;
    case 'g':
        line.append_rounded(as_double(*value));
        break;
    case 's':
        line.append(reinterpret_cast<const char *>(static_cast<uintptr_t>(*value)));
        break;
    case 't':
        line.append(callers_text);
        break;
    case 'a':
        line.append(halnorm_activation_name(static_cast<halnorm_activation>(*value)));
        break;
    case 'v':
        line.append(variants[*value].name);
        break;
    case 'l':
        append_strides(line, static_cast<uint64_t>(*value));
        break;
    default:
        break;
    }
    return value + 1;
}

HALNORM_PER_THREAD Line line;

}  // namespace
}  // namespace halnorm

using namespace halnorm;

const char *halnorm_last_error(void) {
    const LastFailure &last = last_failure();
    line.clear();
    const int64_t *value = last.values;
    // NOLINTNEXTLINE(clang-analyzer-security.ArrayBound): there is a sentence for each message
    for (const char *s = find(sentences, static_cast<int64_t>(last.message)); *s != '\0'; s++) {
        if (*s == '%')
            value = fill_gap(line, *++s, value, last.text);
        else
            line.append(s, 1);
    }
    return line.text();
}
