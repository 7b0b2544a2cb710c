"""The layer of docs/semantics.md in double precision, one element at a time."""

import math


def sigmoid(v):
    return 1 / (1 + math.exp(-v)) if v >= 0 else math.exp(v) / (1 + math.exp(v))


def softplus(v):
    return v if v > 20 else math.log1p(math.exp(v))


def clamp(v, low, high):
    return min(max(v, low), high)


# Each takes v and alpha; the second item is alpha's default.
ACTIVATIONS = {
    "none": (lambda v, a: v, None),
    "relu": (lambda v, a: max(v, 0.0), None),
    "relu6": (lambda v, a: clamp(v, 0.0, 6.0), None),
    "leaky_relu": (lambda v, a: v if v > 0 else a * v, 0.02),
    "elu": (lambda v, a: v if v > 0 else a * math.expm1(v), 1.0),
    "sigmoid": (lambda v, a: sigmoid(v), None),
    "tanh": (lambda v, a: math.tanh(v), None),
    "silu": (lambda v, a: v * sigmoid(v), None),
    "swish": (lambda v, a: v * sigmoid(v), None),
    "hardsigmoid": (lambda v, a: clamp(a * v + 0.5, 0.0, 1.0), 0.2),
    "hardswish": (lambda v, a: v * clamp(v + 3, 0.0, 6.0) / 6, None),
    "gelu": (lambda v, a: v / 2 * math.erfc(-v / math.sqrt(2)), None),
    "gelu_tanh": (
        lambda v, a: v / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v**3))),
        None,
    ),
    "softplus": (lambda v, a: softplus(v), None),
    "mish": (lambda v, a: v * math.tanh(softplus(v)), None),
}


def mish_slope(v):
    t = math.tanh(softplus(v))
    return t + v * sigmoid(v) * (1 - t * t)


def gelu_tanh_slope(v):
    t = math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v**3))
    return (1 + t) / 2 + v / 2 * (1 - t * t) * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * v * v)


# Derivatives by v, 0 at both ends of what is clamped.
DERIVATIVES = {
    "none": lambda v, a: 1.0,
    "relu": lambda v, a: float(v > 0),
    "relu6": lambda v, a: float(0 < v < 6),
    "leaky_relu": lambda v, a: 1.0 if v > 0 else a,
    "elu": lambda v, a: 1.0 if v > 0 else a * math.exp(v),
    "sigmoid": lambda v, a: sigmoid(v) * sigmoid(-v),
    "tanh": lambda v, a: 4 * sigmoid(2 * v) * sigmoid(-2 * v),
    "silu": lambda v, a: sigmoid(v) * (1 + v * sigmoid(-v)),
    "swish": lambda v, a: sigmoid(v) * (1 + v * sigmoid(-v)),
    "hardsigmoid": lambda v, a: a if 0 < a * v + 0.5 < 1 else 0.0,
    "hardswish": lambda v, a: clamp(v + 3, 0.0, 6.0) / 6 + (v / 6 if -3 < v < 3 else 0.0),
    "gelu": lambda v, a: math.erfc(-v / math.sqrt(2)) / 2 + v * math.exp(-v * v / 2) / math.sqrt(2 * math.pi),
    "gelu_tanh": lambda v, a: gelu_tanh_slope(v),
    "softplus": lambda v, a: 1.0 if v > 20 else sigmoid(v),
    "mish": lambda v, a: mish_slope(v),
}


def channel_of(shape, layout):
    """A function from an element's index in row-major order to its channel."""
    axis = 1 if layout == "NCHW" else len(shape) - 1
    inner = math.prod(shape[axis + 1 :])
    return lambda index: index // inner % shape[axis]


def forward(x, weight=None, bias=None, moving_mean=None, moving_variance=None, layout="NCHW",
            act="none", alpha=None, is_test=False, momentum=0.9, epsilon=1e-5,
            use_global_stats=False, trainable_statistics=False, sample=False):  # fmt: skip
    """A dictionary of lists: y, moving_mean, moving_variance and, from the batch, saved_mean, saved_inv_std."""
    channel = channel_of(x.shape, layout)
    channels = x.shape[1 if layout == "NCHW" else -1]
    gamma = list(weight.values) if weight else [1.0] * channels
    beta = list(bias.values) if bias else [0.0] * channels
    old_mean = list(moving_mean.values) if moving_mean else [0.0] * channels
    old_variance = list(moving_variance.values) if moving_variance else [1.0] * channels

    activation, default_alpha = ACTIVATIONS[act]
    alpha = default_alpha if alpha is None else alpha
    result = {"moving_mean": old_mean, "moving_variance": old_variance}
    if (is_test and not trainable_statistics) or use_global_stats:
        mean, variance = old_mean, old_variance
    else:
        groups = [[] for _ in range(channels)]
        for index, value in enumerate(x.values):
            groups[channel(index)].append(value)
        m = len(groups[0])
        if m <= 1:  # nothing to normalize by
            result["y"] = [activation(v, alpha) for v in x.values]
            result["saved_mean"] = result["saved_inv_std"] = [0.0] * channels
            return result
        mean = [math.fsum(group) / m for group in groups]
        variance = [math.fsum((v - u) ** 2 for v in group) / m for group, u in zip(groups, mean)]
        entering = [v * m / (m - 1) if sample else v for v in variance]
        result["moving_mean"] = [o * momentum + n * (1 - momentum) for o, n in zip(old_mean, mean)]
        result["moving_variance"] = [
            o * momentum + n * (1 - momentum) for o, n in zip(old_variance, entering)
        ]
        result["saved_mean"] = mean
    inv_std = [1 / math.sqrt(v + epsilon) if v + epsilon != 0 else 0.0 for v in variance]
    if "saved_mean" in result:
        result["saved_inv_std"] = inv_std
    result["y"] = []
    for index, value in enumerate(x.values):
        c = channel(index)
        result["y"].append(activation(gamma[c] * ((value - mean[c]) * inv_std[c]) + beta[c], alpha))
    return result


def backward(x, dy, weight=None, bias=None, moving_mean=None, moving_variance=None, layout="NCHW",
             act="none", alpha=None, epsilon=1e-5, **settings):  # fmt: skip
    """dx, dweight and dbias by the statistics that forward() with these arguments uses, and the sums of the absolute
    values of the terms of each, which rounding errors are proportional to."""
    passed = forward(x, weight, bias, moving_mean, moving_variance, layout, act, alpha, epsilon=epsilon, **settings)
    channel = channel_of(x.shape, layout)
    channels = x.shape[1 if layout == "NCHW" else -1]
    m = len(x.values) // channels
    batch = "saved_mean" in passed
    if batch:
        mean, inv_std = passed["saved_mean"], passed["saved_inv_std"]
    else:
        mean = passed["moving_mean"]
        inv_std = [1 / math.sqrt(v + epsilon) if v + epsilon != 0 else 0.0 for v in passed["moving_variance"]]
    gamma = list(weight.values) if weight else [1.0] * channels
    beta = list(bias.values) if bias else [0.0] * channels
    default_alpha = ACTIVATIONS[act][1]
    alpha = default_alpha if alpha is None else alpha

    zeros = lambda: [0.0] * channels
    dweight, dbias, abs_dweight, abs_dbias = zeros(), zeros(), zeros(), zeros()
    gradients = []  # of each element: channel, xhat, g and what its errors are proportional to
    for index, (value, gradient) in enumerate(zip(x.values, dy.values)):
        c = channel(index)
        alone = batch and m == 1
        xhat = 0.0 if alone else (value - mean[c]) * inv_std[c]
        v = value if alone else gamma[c] * xhat + beta[c]
        g = gradient * DERIVATIVES[act](v, alpha)
        # No second derivative is beyond 2 or its alpha: errors of v reach g like that.
        of_v = 0.0 if act == "none" else 2 + abs(alpha or 0)
        magnitude = abs(gradient) * (1 + of_v * (abs(gamma[c] * xhat) + abs(beta[c])))
        gradients.append((c, xhat, g, magnitude))
        if not alone:
            dbias[c] += g
            dweight[c] += g * xhat
            abs_dbias[c] += magnitude
            abs_dweight[c] += magnitude * (1 + abs(xhat))

    dx, abs_dx = [], []
    for c, xhat, g, magnitude in gradients:
        if batch and m == 1:
            dx.append(g)
            abs_dx.append(magnitude)
            continue
        scale = gamma[c] * inv_std[c]
        centered = (dbias[c] + xhat * dweight[c]) / m if batch else 0.0
        dx.append(scale * (g - centered))
        sums = (abs_dbias[c] + (1 + abs(xhat)) * abs_dweight[c]) / m if batch else 0.0
        abs_dx.append(abs(scale) * (magnitude + sums))
    values = {"dx": dx, "dweight": dweight, "dbias": dbias}
    magnitudes = {"dx": abs_dx, "dweight": abs_dweight, "dbias": abs_dbias}
    return values, magnitudes
