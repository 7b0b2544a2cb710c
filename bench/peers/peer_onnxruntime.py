"""ONNX Runtime, on the processor: a model of one node, or two, bound to the memory that all contenders use."""

import numpy
import onnxruntime
from onnx import TensorProto, helper

from peer import EPSILON, MOMENTUM, Unsupported
from timing import PythonContender

ERRORS_ONLY = 3  # of its log's levels


class Peer:
    label = "ONNX Runtime"
    version = onnxruntime.__version__

    def __init__(self, threads):
        self._threads = threads

    def contenders(self, case, buffers):
        if case.pipeline == "backward":
            raise Unsupported("it has no gradients")
        if case.layout == "NHWC":
            raise Unsupported("its BatchNormalization has the channels on axis 1 only")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.log_severity_level = ERRORS_ONLY
        session = onnxruntime.InferenceSession(_model(case).SerializeToString(), options,
                                               providers=["CPUExecutionProvider"])
        binding = session.io_binding()
        mean, variance = buffers.moving_statistics()
        dtype, channels = numpy.dtype(case.dtype).type, (case.channels,)
        binding.bind_input("x", "cpu", 0, dtype, case.shape, buffers.x.address)
        for name, block in (("gamma", buffers.gamma), ("beta", buffers.beta), ("mean", mean), ("variance", variance)):
            binding.bind_input(name, "cpu", 0, dtype, channels, block.address)
        binding.bind_output("y", "cpu", 0, dtype, case.shape, buffers.out.address)
        if case.pipeline == "training":
            # The new moving statistics, in place of the old.
            binding.bind_output("new_mean", "cpu", 0, dtype, channels, mean.address)
            binding.bind_output("new_variance", "cpu", 0, dtype, channels, variance.address)

        def call(keep=(session, mean, variance)):
            session.run_with_iobinding(binding)

        return [PythonContender(self.label, call, lambda: buffers.out)]


def _model(case):
    element = TensorProto.DOUBLE if case.dtype == "float64" else TensorProto.FLOAT
    training, relu = case.pipeline == "training", case.activation == "relu"

    def values(names, shape):
        return [helper.make_tensor_value_info(name, element, shape) for name in names]

    moving = ("new_mean", "new_variance") if training else ()
    nodes = [helper.make_node(
        "BatchNormalization", ["x", "gamma", "beta", "mean", "variance"], ["v" if relu else "y", *moving],
        epsilon=EPSILON, momentum=MOMENTUM, training_mode=int(training))]
    if relu:
        nodes.append(helper.make_node("Relu", ["v"], ["y"]))
    graph = helper.make_graph(
        nodes, "batch_normalization",
        values(["x"], case.shape) + values(["gamma", "beta", "mean", "variance"], (case.channels,)),
        values(["y"], case.shape) + values(moving, (case.channels,)))
    # Versions from 2021: every ONNX Runtime of today reads them.
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
