"""oneDNN: its primitives on the plain layouts and, beside NCHW, on its own blocked one, which is what a network that is
oneDNN's from end to end would run. Its calls are timed from C, like halnorm's."""

import ctypes
import os
import sys

import onednn_c
from native import Block, NativeContender
from onednn_c import OneDnn, Unimplemented
from peer import EPSILON, Unsupported

LIBRARY = os.environ.get("HALNORM_ONEDNN") or os.path.join(sys.prefix, "lib", "libdnnl.so.3")


class Peer:
    label = "oneDNN"

    def __init__(self, threads):
        # The number of threads is OMP_NUM_THREADS, which is set before a process starts.
        self._onednn = OneDnn(LIBRARY)
        self.version = self._onednn.version

    def contenders(self, case, buffers):
        if case.dtype != "float32":
            raise Unsupported("it has no batch normalization in float64")
        found = [_BatchNormalization(self._onednn, case, buffers).contender(self.label)]
        if case.layout == "NCHW":
            for block in _blocks():
                if block <= case.channels:
                    blocked = _BatchNormalization(self._onednn, case, buffers, block)
                    contender = blocked.contender(f"{self.label} nChw{block}c")
                    # Its plain loops, a hundred times slower, are no rival and take minutes.
                    if not contender.note.startswith("ref"):
                        found.append(contender)
        return found


def _blocks():
    """Channels in a block: as many as a vector of this machine has."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        return (16,) if " avx512f " in file.read() else (8,)


def _strides(case):
    """Of N, C, H, W."""
    if len(case.shape) == 2:
        return (case.channels, 1)
    _, c, h, w = case.shape
    return (c * h * w, 1, w * c, c) if case.layout == "NHWC" else (c * h * w, h * w, w, 1)


class _BatchNormalization:
    """A case on plain memory, or with x, dy and the output copied to blocks of channels."""

    def __init__(self, onednn, case, buffers, block=None):
        self._onednn, self._case, self._buffers = onednn, case, buffers
        self._kept = []  # memory that oneDNN's objects refer to
        self._results = {}
        self._plain = onednn.plain_desc(case.shape, _strides(case))
        self._desc = onednn.blocked_desc(case.shape, block) if block else self._plain
        # Blocks may be padded, so that all of these are larger than x.
        self._x, self._dy, self._out = (
            (self._block(onednn.size(self._desc)) for _ in range(3)) if block else
            (buffers.x, buffers.dy, buffers.out))
        self._blocked = block is not None
        if self._blocked:
            self._copy(self._plain, buffers.x, self._desc, self._x)
            self._copy(self._plain, buffers.dy, self._desc, self._dy)

    def contender(self, label):
        try:
            description, memories = self._described()
        except Unimplemented:
            raise Unsupported("it has no primitive for this") from None
        onednn, primitive = self._onednn, self._onednn.primitive(description)
        arguments = onednn.arguments(memories)
        library = onednn.library
        handle = self._buffers.native.library.peers_onednn(
            ctypes.cast(library.dnnl_primitive_execute, ctypes.c_void_p),
            ctypes.cast(library.dnnl_stream_wait, ctypes.c_void_p),
            primitive, onednn.stream, len(memories), ctypes.cast(arguments, ctypes.c_void_p))
        return NativeContender(self._buffers.native, label, handle, keep=(self, arguments, memories),
                               result=self._result, note=onednn.implementation(description),
                               channels=self._channels)

    def _described(self):
        """The primitive's description and the memory of each of its arguments."""
        onednn, case = self._onednn, self._case
        relu, inference = case.activation == "relu", case.pipeline == "inference"
        flags = onednn_c.USE_SCALE | onednn_c.USE_SHIFT
        flags |= onednn_c.USE_GLOBAL_STATS if inference else onednn_c.FUSE_NORM_RELU if relu else 0
        forward = onednn.forward(
            onednn_c.FORWARD_INFERENCE if inference else onednn_c.FORWARD_TRAINING, self._desc, EPSILON, flags,
            onednn.relu_attribute() if relu and inference else None)
        memories = self._forward_memories()
        if relu and not inference:
            workspace = onednn.workspace_desc(forward)
            memories[onednn_c.ARG_WORKSPACE] = onednn.memory(
                workspace, self._block(onednn.size(workspace)).address)
        if case.pipeline != "backward":
            return forward, memories
        onednn.execute(onednn.primitive(forward), memories)
        return onednn.backward(self._desc, EPSILON, flags, forward), self._backward_memories(memories)

    def _forward_memories(self):
        onednn, buffers = self._onednn, self._buffers
        mean, variance = buffers.moving_statistics()
        self._kept += [mean, variance]
        if self._case.pipeline == "training":
            self._results = {"mean": mean, "variance": variance}
        channels = onednn.plain_desc((self._case.channels,), (1,))
        return {
            onednn_c.ARG_SRC: onednn.memory(self._desc, self._x.address),
            onednn_c.ARG_DST: onednn.memory(self._desc, self._out.address),
            onednn_c.ARG_SCALE: onednn.memory(channels, buffers.gamma.address),
            onednn_c.ARG_SHIFT: onednn.memory(channels, buffers.beta.address),
            onednn_c.ARG_MEAN: onednn.memory(channels, mean.address),
            onednn_c.ARG_VARIANCE: onednn.memory(channels, variance.address),
        }

    def _backward_memories(self, forward):
        onednn = self._onednn
        channels = onednn.plain_desc((self._case.channels,), (1,))
        memories = {index: forward[index] for index in (
            onednn_c.ARG_SRC, onednn_c.ARG_SCALE, onednn_c.ARG_MEAN, onednn_c.ARG_VARIANCE, onednn_c.ARG_WORKSPACE)
            if index in forward}
        memories[onednn_c.ARG_DIFF_DST] = onednn.memory(self._desc, self._dy.address)
        memories[onednn_c.ARG_DIFF_SRC] = onednn.memory(self._desc, self._out.address)
        for name, index in (("dgamma", onednn_c.ARG_DIFF_SCALE), ("dbeta", onednn_c.ARG_DIFF_SHIFT)):
            self._results[name] = self._block(onednn.size(channels))
            memories[index] = onednn.memory(channels, self._results[name].address)
        return memories

    def _block(self, nbytes):
        block = Block(self._buffers.native, nbytes)
        self._kept.append(block)
        return block

    def _copy(self, source, source_block, target, target_block):
        onednn = self._onednn
        onednn.execute(onednn.primitive(onednn.reorder(source, target)), {
            onednn_c.ARG_FROM: onednn.memory(source, source_block.address),
            onednn_c.ARG_TO: onednn.memory(target, target_block.address)})

    def _channels(self):
        return {name: block.values("float32") for name, block in self._results.items()}

    def _result(self):
        if self._blocked:
            self._copy(self._desc, self._out, self._plain, self._buffers.out)
        return self._buffers.out
