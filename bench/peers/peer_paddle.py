"""PaddlePaddle. It has no form with a given output: outputs come from its own cache of memory. The backward pass is the
operator that its autograd calls, without autograd."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import paddle
import numpy

from peer import EPSILON, MOMENTUM
from timing import PythonContender

functional = paddle.nn.functional


class Peer:
    label = "PaddlePaddle"
    version = paddle.__version__

    def __init__(self, threads):
        paddle.set_device("cpu")
        paddle.base.core.set_num_threads(threads)
        paddle.set_grad_enabled(False)

    def contenders(self, case, buffers):
        make = _backward if case.pipeline == "backward" else _forward
        return [PythonContender(self.label, *make(case, buffers))]


def _tensor(case, block, shape=None):
    array = numpy.frombuffer(block.view(), dtype=case.dtype).reshape(shape or case.memory_shape)
    return paddle.utils.dlpack.from_dlpack(array)


def _per_channel(case, block):
    return _tensor(case, block, (case.channels,))


def _layout(case):
    return "NHWC" if case.layout == "NHWC" else "NCHW"


def _forward(case, buffers):
    x = _tensor(case, buffers.x)
    weight, bias = _per_channel(case, buffers.gamma), _per_channel(case, buffers.beta)
    mean, variance = (_per_channel(case, block) for block in buffers.moving_statistics())
    training, layout = case.pipeline == "training", _layout(case)
    batch_norm, relu = functional.batch_norm, functional.relu_

    def plain():
        return batch_norm(x, mean, variance, weight, bias, training=training, momentum=MOMENTUM, epsilon=EPSILON,
                          data_format=layout)

    def with_relu():
        return relu(plain())

    def channels():  # of the operator that batch_norm calls, which drops them
        if not training:
            return {}
        *_, saved_mean, saved_inv_std, _ = paddle._C_ops.batch_norm(
            x, mean, variance, weight, bias, False, MOMENTUM, EPSILON, layout, False, False)
        return {"mean": saved_mean.numpy(), "inv_std": saved_inv_std.numpy()}

    call = with_relu if case.activation == "relu" else plain
    return call, _copied(call, case, buffers), channels


def _backward(case, buffers):
    x, dy = _tensor(case, buffers.x), _tensor(case, buffers.dy)
    weight, bias = _per_channel(case, buffers.gamma), _per_channel(case, buffers.beta)
    mean, variance = (_per_channel(case, block) for block in buffers.moving_statistics())
    ops, layout = paddle._C_ops, _layout(case)
    y, mean, variance, saved_mean, saved_inv_std, reserve = ops.batch_norm(
        x, mean, variance, weight, bias, False, MOMENTUM, EPSILON, layout, False, True)
    activated = functional.relu(y)

    def gradients(g):
        return ops.batch_norm_grad(x, weight, bias, mean, variance, saved_mean, saved_inv_std, reserve, g,
                                   MOMENTUM, EPSILON, layout, False, False, True)

    def plain(g=dy):
        return gradients(g)[0]

    def channels():
        _, dgamma, dbeta = gradients(dy)
        return {"dgamma": dgamma.numpy(), "dbeta": dbeta.numpy()}

    def with_relu():
        return plain(ops.relu_grad(activated, dy))

    call = with_relu if case.activation == "relu" else plain
    return call, _copied(call, case, buffers), channels


def _copied(call, case, buffers):
    def result():
        out = numpy.frombuffer(buffers.out.view(), dtype=case.dtype).reshape(case.memory_shape)
        out[...] = call().numpy()
        return buffers.out

    return result
