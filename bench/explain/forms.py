"""The names of the formulas that kernels are specialized on, from generators/activation_forms.h."""

import re

# The stages that compute v again and take the derivative in one go are told how they come by g; the others which
# activation.
ENUM_OF_STAGE = {
    "normalize": "ActivationForm", "normalize_add": "ActivationForm", "activate": "ActivationForm",
    "activate_backward": "ActivationForm", "activation_gradient": "ActivationForm",
    "gradient_sums": "GradientForm", "input_gradient": "GradientForm",
}

# What none, relu and relu6 run: the cheap ones, which memory should bind.
DEFAULT = ["clamp", "identity", "relu"]


def numbers(chosen, known):
    """Of the chosen names, those that a stage has; None for all."""
    return None if "all" in chosen else {known.index(name) for name in chosen if name in known}


def names(header, stage):
    """In the order of their numbers; none for a stage without forms."""
    enum = ENUM_OF_STAGE.get(stage)
    if not enum:
        return []
    body = re.search(rf"enum class {enum}\b[^{{]*\{{([^}}]*)\}}", header)
    return [name for name in re.findall(r"\w+", body[1]) if name != "count"]


def form_of(conditions):
    """The number of the form that a loop belongs to; None where it serves all."""
    for condition in conditions:
        if match := re.fullmatch(r"form == (\d+)", condition):
            return int(match[1])
    return None
