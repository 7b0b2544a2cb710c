"""PyTorch. Forward passes write into the output that they are given; the backward pass allocates its own, since the
form with given outputs computes the same and copies it."""

import torch

from peer import EPSILON, MOMENTUM
from timing import PythonContender

aten = torch.ops.aten


class Peer:
    label = "PyTorch"
    version = torch.__version__

    def __init__(self, threads):
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)

    def contenders(self, case, buffers):
        make = {"inference": _forward, "training": _forward, "backward": _backward}[case.pipeline]
        return [PythonContender(self.label, *make(case, buffers))]


def _tensor(case, block):
    flat = torch.frombuffer(block.view(), dtype=getattr(torch, case.dtype))
    tensor = flat.view(case.memory_shape)
    return tensor.permute(0, 3, 1, 2) if case.layout == "NHWC" else tensor


def _per_channel(case, block):
    return torch.frombuffer(block.view(), dtype=getattr(torch, case.dtype))


def _forward(case, buffers):
    x, y = _tensor(case, buffers.x), _tensor(case, buffers.out)
    weight, bias = _per_channel(case, buffers.gamma), _per_channel(case, buffers.beta)
    mean, variance = (_per_channel(case, block) for block in buffers.moving_statistics())
    training = case.pipeline == "training"
    saved = [torch.empty(case.channels if training else 0, dtype=x.dtype) for _ in range(2)]
    batch_norm, relu = aten.native_batch_norm.out, torch.relu_

    def plain():
        batch_norm(x, weight, bias, mean, variance, training, 1 - MOMENTUM, EPSILON,
                   out=y, save_mean=saved[0], save_invstd=saved[1])

    def with_relu():
        plain()
        relu(y)

    def channels():
        return {"mean": saved[0].numpy(), "inv_std": saved[1].numpy()}

    return with_relu if case.activation == "relu" else plain, lambda: buffers.out, channels


def _backward(case, buffers):
    x, dy, dx = (_tensor(case, block) for block in (buffers.x, buffers.dy, buffers.out))
    weight, bias = _per_channel(case, buffers.gamma), _per_channel(case, buffers.beta)
    y, mean, inv_std = aten.native_batch_norm(x, weight, bias, None, None, True, 1 - MOMENTUM, EPSILON)
    backward, threshold = aten.native_batch_norm_backward.default, aten.threshold_backward.grad_input
    wanted = [True, True, True]

    def plain(g=dy):
        return backward(g, x, weight, None, None, mean, inv_std, True, EPSILON, wanted)[0]

    g = torch.empty_like(x)
    torch.relu_(y)

    def with_relu():
        threshold(dy, y, 0, grad_input=g)
        return plain(g)

    call = with_relu if case.activation == "relu" else plain

    def result():
        dx.copy_(call())
        return buffers.out

    def channels():
        _, dgamma, dbeta = backward(dy, x, weight, None, None, mean, inv_std, True, EPSILON, wanted)
        return {"dgamma": dgamma.numpy(), "dbeta": dbeta.numpy()}

    return call, result, channels
