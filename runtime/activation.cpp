#include "activation.h"

#include <math.h>
#include <string.h>

#include "../generators/activation_forms.h"
#include "status.h"

namespace halnorm {
namespace {

struct Activation {
    const char *name;
    ActivationForm form;
    double default_alpha;
};

// In the order of halnorm_activation.
constexpr Activation activations[] = {
    {"none", ActivationForm::clamp, 0},
    {"relu", ActivationForm::clamp, 0},
    {"relu6", ActivationForm::clamp, 0},
    {"leaky_relu", ActivationForm::leaky_relu, 0.02},
    {"elu", ActivationForm::elu, 1},
    {"sigmoid", ActivationForm::sigmoid, 0},
    {"tanh", ActivationForm::tanh, 0},
    {"silu", ActivationForm::silu, 0},
    {"swish", ActivationForm::silu, 0},
    {"hardsigmoid", ActivationForm::clamp, 0.2},
    {"hardswish", ActivationForm::hardswish, 0},
    {"gelu", ActivationForm::gelu, 0},
    {"gelu_tanh", ActivationForm::gelu_tanh, 0},
    {"softplus", ActivationForm::softplus, 0},
    {"mish", ActivationForm::mish, 0},
};
static_assert(sizeof activations / sizeof *activations == HALNORM_ACT_COUNT,
              "one row per halnorm_activation");

bool known(halnorm_activation a) {
    return static_cast<int>(a) >= 0 && a < HALNORM_ACT_COUNT;
}

void list_names(Failure &failure) {
    for (const Activation &a : activations)
        failure << " " << a.name;
}

}  // namespace

bool is_piecewise_linear(halnorm_activation activation) {
    if (!known(activation))
        return false;
    const ActivationForm form = activations[activation].form;
    return form == ActivationForm::clamp || form == ActivationForm::leaky_relu;
}

halnorm_status activation_scalars(const halnorm_config &config, ActivationScalars *scalars) {
    const halnorm_activation act = config.activation;
    if (!known(act)) {
        return Failure(HALNORM_ERROR_PARAMETER)
               << "config.activation: was " << static_cast<int64_t>(act) << ", should be 0 to "
               << int64_t{HALNORM_ACT_COUNT - 1};
    }
    if (isinf(config.activation_alpha)) {
        return Failure(HALNORM_ERROR_PARAMETER)
               << "config.activation_alpha: was " << config.activation_alpha
               << ", should be finite, or NaN for the default";
    }
    const Activation &a = activations[act];
    const double alpha = isnan(config.activation_alpha) ? a.default_alpha : config.activation_alpha;
    const double infinity = static_cast<double>(INFINITY);
    *scalars = {static_cast<int32_t>(a.form), 1, 0, -infinity, infinity, alpha};
    switch (act) {
    case HALNORM_ACT_RELU:
        scalars->lower = 0;
        break;
    case HALNORM_ACT_RELU6:
        scalars->lower = 0, scalars->upper = 6;
        break;
    case HALNORM_ACT_HARDSIGMOID:
        // 0.5 everywhere, of infinite v too, of which a product with 0 would make NaN.
        if (alpha == 0)
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
    return known(activation) ? activations[activation].name : nullptr;
}

double halnorm_activation_default_alpha(halnorm_activation activation) {
    return known(activation) ? activations[activation].default_alpha : 0;
}

halnorm_status halnorm_activation_from_name(const char *name, halnorm_activation *activation) {
    if (name == nullptr || activation == nullptr) {
        return Failure(HALNORM_ERROR_NULL)
               << (name == nullptr ? "name" : "activation") << ": was NULL, should point to a "
               << (name == nullptr ? "string" : "halnorm_activation");
    }
    for (int i = 0; i < HALNORM_ACT_COUNT; i++) {
        if (strcmp(activations[i].name, name) == 0) {
            *activation = static_cast<halnorm_activation>(i);
            return HALNORM_OK;
        }
    }
    Failure failure(HALNORM_ERROR_PARAMETER);
    failure << "activation: was \"" << name << "\", should be one of";
    list_names(failure);
    return failure;
}

}  // extern "C"
