#include "activation.h"

#include <math.h>
#include <string.h>

#include "../generators/activation_forms.h"
#include "built.h"
#include "status.h"

namespace halnorm {
namespace {

// In the order of halnorm_activation. (No pointers, which a position-independent program
// relocates.)
constexpr char names[][12] = {"none",      "relu", "relu6",     "leaky_relu", "elu",
                              "sigmoid",   "tanh", "silu",      "swish",      "hardsigmoid",
                              "hardswish", "gelu", "gelu_tanh", "softplus",   "mish"};
static_assert(sizeof names / sizeof *names == HALNORM_ACT_COUNT, "one name per halnorm_activation");
static_assert(activation_count == HALNORM_ACT_COUNT, "one form per halnorm_activation");
static_assert(ActivationSet::relu == HALNORM_ACT_RELU &&
                  ActivationSet::relu6 == HALNORM_ACT_RELU6 &&
                  ActivationSet::hardsigmoid == HALNORM_ACT_HARDSIGMOID,
              "numbered as in halnorm.h");

bool known(halnorm_activation a) {
    return static_cast<int>(a) >= 0 && a < HALNORM_ACT_COUNT;
}

double default_alpha(halnorm_activation a) {
    switch (a) {
    case HALNORM_ACT_LEAKY_RELU:
        return 0.02;
    case HALNORM_ACT_ELU:
        return 1;
    case HALNORM_ACT_HARDSIGMOID:
        return 0.2;
    default:
        return 0;
    }
}

}  // namespace

bool is_piecewise_linear(halnorm_activation activation) {
    if (!known(activation))
        return false;
    const ActivationForm form = activation_form[activation];
    return form == ActivationForm::clamp || form == ActivationForm::leaky_relu;
}

halnorm_status activation_scalars(const halnorm_config &config, halnorm_dtype dtype,
                                  ActivationScalars *scalars) {
    const halnorm_activation act = config.activation;
    if (!known(act))
        return fail<Message::activation_number>(static_cast<int>(act), HALNORM_ACT_COUNT - 1);
    if (!ActivationSet(built::activations).has(act))
        return fail<Message::activation_not_built>(act);
    if (fabs(config.activation_alpha) > largest(dtype))
        return fail<Message::activation_alpha>(config.activation_alpha);
    const double alpha =
        isnan(config.activation_alpha) ? default_alpha(act) : config.activation_alpha;
    const double infinity = static_cast<double>(INFINITY);
    *scalars = {static_cast<int32_t>(activation_form[act]), 1, 0, -infinity, infinity, alpha};
    switch (act) {
    case HALNORM_ACT_RELU:
        scalars->lower = 0;
        break;
    case HALNORM_ACT_RELU6:
        scalars->lower = 0, scalars->upper = 6;
        break;
    case HALNORM_ACT_HARDSIGMOID:
        // 0.5 everywhere, of infinite v too, of which a product with 0 would make NaN.
        if (alpha == 0 || (dtype == HALNORM_FLOAT32 && static_cast<float>(alpha) == 0))
            scalars->lower = scalars->upper = 0.5;
        else
            scalars->prescale = alpha, scalars->preshift = 0.5, scalars->lower = 0,
            scalars->upper = 1;
        break;
    default:
        break;
    }
    return HALNORM_OK;
}

}  // namespace halnorm

using namespace halnorm;

extern "C" {

const char *halnorm_activation_name(halnorm_activation activation) {
    return known(activation) ? names[activation] : nullptr;
}

double halnorm_activation_default_alpha(halnorm_activation activation) {
    return known(activation) ? default_alpha(activation) : 0;
}

halnorm_status halnorm_activation_from_name(const char *name, halnorm_activation *activation) {
    if (name == nullptr)
        return fail<Message::activation_name_null>();
    if (activation == nullptr)
        return fail<Message::activation_null>();
    for (int i = 0; i < HALNORM_ACT_COUNT; i++) {
        if (strcmp(names[i], name) == 0) {
            *activation = static_cast<halnorm_activation>(i);
            return HALNORM_OK;
        }
    }
    return fail<Message::activation_name>(CallersText{name});
}

}  // extern "C"
