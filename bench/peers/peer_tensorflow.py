"""TensorFlow, eagerly: the operators that Keras's layer calls. They take tensors of TensorFlow's own, into which x is
copied once, and allocate what they return."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # errors only

import numpy
import tensorflow

from peer import EPSILON, MOMENTUM, Unsupported
from timing import PythonContender

ops = tensorflow.raw_ops


class Peer:
    label = "TensorFlow"
    version = tensorflow.__version__

    def __init__(self, threads):
        tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
        tensorflow.config.threading.set_inter_op_parallelism_threads(1)

    def contenders(self, case, buffers):
        if case.dtype != "float32":
            raise Unsupported("its fused operator has no float64")
        make = _backward if case.pipeline == "backward" else _forward
        return [PythonContender(self.label, *make(case, buffers))]


def _layout(case):
    """Rank 2 is an image of a pixel."""
    return "NCHW" if case.layout == "NCHW" else "NHWC"


def _array(case, block, shape):
    return numpy.frombuffer(block.view(), dtype=case.dtype).reshape(shape)


def _tensor(case, block):
    n, *rest = case.memory_shape
    return tensorflow.constant(_array(case, block, (n, *rest) if len(rest) == 3 else (n, 1, 1, *rest)))


def _per_channel(case, block):
    return tensorflow.constant(_array(case, block, (case.channels,)))


def _normalize(case, buffers, training):
    """A call of the operator; it returns y, both moving statistics, both saved ones and what is its own."""
    x = _tensor(case, buffers.x)
    gamma, beta = _per_channel(case, buffers.gamma), _per_channel(case, buffers.beta)
    mean, variance = (_per_channel(case, block) for block in buffers.moving_statistics())
    return lambda: ops.FusedBatchNormV3(
        x=x, scale=gamma, offset=beta, mean=mean, variance=variance, epsilon=EPSILON,
        exponential_avg_factor=1 - MOMENTUM if training else 1, data_format=_layout(case), is_training=training)


def _forward(case, buffers):
    training = case.pipeline == "training"
    normalize, relu = _normalize(case, buffers, training), tensorflow.nn.relu

    def plain():
        return normalize()[0]

    def with_relu():
        return relu(plain())

    def channels():
        if not training:
            return {}
        saved_mean, saved_variance = normalize()[3:5]
        return {"mean": saved_mean.numpy(), "variance": saved_variance.numpy()}

    call = with_relu if case.activation == "relu" else plain
    return call, _copied(call, case, buffers), channels


def _backward(case, buffers):
    x, dy, gamma = _tensor(case, buffers.x), _tensor(case, buffers.dy), _per_channel(case, buffers.gamma)
    y, _, _, saved_mean, saved_variance, reserve = _normalize(case, buffers, True)()
    activated = tensorflow.nn.relu(y)

    def gradients(g):
        return ops.FusedBatchNormGradV3(
            y_backprop=g, x=x, scale=gamma, reserve_space_1=saved_mean, reserve_space_2=saved_variance,
            reserve_space_3=reserve, epsilon=EPSILON, data_format=_layout(case), is_training=True)

    def plain():
        return gradients(dy)[0]

    def with_relu():
        return gradients(ops.ReluGrad(gradients=dy, features=activated))[0]

    def channels():
        _, dgamma, dbeta, *_ = gradients(dy)
        return {"dgamma": dgamma.numpy(), "dbeta": dbeta.numpy()}

    call = with_relu if case.activation == "relu" else plain
    return call, _copied(call, case, buffers), channels


def _copied(call, case, buffers):
    def result():
        _array(case, buffers.out, (-1,))[...] = call().numpy().ravel()
        return buffers.out

    return result
