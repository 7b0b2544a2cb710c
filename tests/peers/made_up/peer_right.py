"""Inference by the formula, one element after the other."""

from peer import EPSILON, Unsupported
from timing import PythonContender


class Peer:
    label = "Right"
    version = "1.0"

    def __init__(self, threads):
        pass

    def contenders(self, case, buffers):
        if case.pipeline != "inference":
            raise Unsupported("it only knows inference")
        code = "d" if case.dtype == "float64" else "f"

        def values(block):
            return memoryview(block.view()).cast("B").cast(code)

        x, y, gamma, beta = map(values, (buffers.x, buffers.out, buffers.gamma, buffers.beta))
        mean, variance = map(values, buffers.moving_statistics())
        inner = 1 if case.layout in ("NC", "NHWC") else case.shape[2] * case.shape[3]
        least = 0.0 if case.activation == "relu" else float("-inf")

        def call():
            for i in range(case.count):
                c = i // inner % case.channels
                y[i] = max(least, (x[i] - mean[c]) / (variance[c] + EPSILON) ** 0.5 * gamma[c] + beta[c])

        return [PythonContender(self.label, call, lambda: buffers.out)]
