"""The calls of native.h: halnorm, the floor, memory and the clock."""

import ctypes

import cases

_ENUM = {"pipeline": cases.PIPELINES, "activation": cases.ACTIVATIONS, "dtype": cases.DTYPES}
MAX_RANK = 5  # HALNORM_MAX_RANK
STORES_AUTOMATIC, STORES_STREAMING = 0, 2  # HALNORM_STORES_...


class _Case(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int32)
                for name in ("pipeline", "activation", "layout", "dtype", "rank", "threads", "stores", "prepared")]
    _fields_ += [("shape", ctypes.c_int64 * MAX_RANK)]


class _Memory(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p)
                for name in ("x", "dy", "out", "gamma", "beta", "moving_mean", "moving_variance", "saved_mean",
                             "saved_inv_std", "dgamma", "dbeta")]


class Native:
    """libhalnorm_peers.so."""

    def __init__(self, path):
        self.library = library = ctypes.CDLL(path)
        for name in ("peers_halnorm", "peers_sweep", "peers_onednn", "peers_allocate"):
            getattr(library, name).restype = ctypes.c_void_p
        for name in ("peers_error", "peers_sweep_name", "peers_variant"):
            getattr(library, name).restype = ctypes.c_char_p
        library.peers_time.restype = ctypes.c_double
        library.peers_time.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32]
        library.peers_differences.restype = ctypes.c_int64
        library.peers_differences.argtypes = [
            ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64, ctypes.c_double]
        library.peers_fill.argtypes = [
            ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64, ctypes.c_uint64, ctypes.c_double, ctypes.c_double]
        library.peers_sweep.argtypes = [ctypes.c_int32, ctypes.c_int32] + 3 * [ctypes.c_void_p] + [ctypes.c_size_t]
        library.peers_onednn.argtypes = 4 * [ctypes.c_void_p] + [ctypes.c_int32, ctypes.c_void_p]
        library.peers_allocate.argtypes = [ctypes.c_size_t]
        library.peers_free.argtypes = [ctypes.c_void_p]
        library.peers_release.argtypes = [ctypes.c_void_p]

    def error(self):
        return self.library.peers_error().decode()

    def variant(self):
        return self.library.peers_variant().decode()


class Block:
    """Zeroed memory, for as long as this object lives."""

    def __init__(self, native, nbytes):
        self._native = native
        self.nbytes = nbytes
        self.address = native.library.peers_allocate(nbytes)
        if not self.address:
            raise MemoryError(f"{nbytes} bytes for a tensor")

    def __del__(self):
        if getattr(self, "address", None):
            self._native.library.peers_release(self.address)

    def view(self):
        """As a ctypes array of bytes, which numpy and PyTorch read without a copy, while this object lives."""
        return (ctypes.c_char * self.nbytes).from_address(self.address)

    def values(self, dtype):
        """As a list of numbers."""
        return memoryview(self.view()).cast("B").cast("d" if dtype == "float64" else "f").tolist()


class Buffers:
    """The tensors of a case, which all contenders read and write. They live as long as this object."""

    def __init__(self, native, case):
        self.native, self.case = native, case
        self.dtype = _ENUM["dtype"].index(case.dtype)
        self._statistics = []
        self.x, self.dy, self.out = (self.tensor() for _ in range(3))
        self.gamma, self.beta = self.per_channel(11, 0.5, 1.5), self.per_channel(12, -0.5, 0.5)
        self._fill(self.x, case.count, 1, -1.7, 2.3)
        self._fill(self.dy, case.count, 2, -1, 1)

    def tensor(self):
        return Block(self.native, self.case.bytes)

    def per_channel(self, seed, low, high):
        block = self.results()
        self._fill(block, self.case.channels, seed, low, high)
        return block

    def results(self, dtype=None):
        """Zeroed room for a value per channel, of the case's dtype."""
        return Block(self.native, (8 if (dtype or self.case.dtype) == "float64" else 4) * self.case.channels)

    def moving_statistics(self):
        """Mean and variance of their own for each contender, since training updates them."""
        self._statistics.append((self.per_channel(13, -0.25, 0.25), self.per_channel(14, 0.5, 1.5)))
        return self._statistics[-1]

    def _fill(self, block, count, seed, low, high):
        self.native.library.peers_fill(block.address, self.dtype, count, seed, low, high)

    def differences(self, a, b, tolerance):
        """How many elements of two tensors differ."""
        return self.native.library.peers_differences(
            a.address, b.address, self.dtype, self.case.count, tolerance)


class NativeContender:
    """Something that C calls and times; what it uses must outlive it, and is kept here.

    result() and channels() are those of timing.PythonContender.
    """

    def __init__(self, native, label, handle, keep=(), result=None, note="", channels=dict):
        if not handle:
            raise RuntimeError(native.error())
        self.label, self.result, self.note, self.channels = label, result, note, channels
        self._native, self._handle, self._keep = native, handle, keep

    def __del__(self):
        if getattr(self, "_handle", None):
            self._native.library.peers_free(self._handle)

    def seconds(self, calls, cpu_time):
        seconds = self._native.library.peers_time(self._handle, calls, cpu_time)
        if seconds < 0:
            raise RuntimeError(self._native.error())
        return seconds


def halnorm(buffers, threads, label="halnorm", stores=STORES_AUTOMATIC, prepared=False):
    case = buffers.case
    shape = (ctypes.c_int64 * MAX_RANK)(*case.memory_shape)
    c_case = _Case(_ENUM["pipeline"].index(case.pipeline), _ENUM["activation"].index(case.activation),
                   1 if case.layout == "NHWC" else 0, buffers.dtype, len(case.shape), threads, stores, prepared, shape)
    mean, variance = buffers.moving_statistics()
    saved_mean, saved_inv_std = (buffers.results("float64") for _ in range(2))
    dgamma, dbeta = (buffers.results() for _ in range(2))
    blocks = (buffers.x, buffers.dy, buffers.out, buffers.gamma, buffers.beta, mean, variance,
              saved_mean, saved_inv_std, dgamma, dbeta)
    memory = _Memory(*(block.address for block in blocks))
    handle = buffers.native.library.peers_halnorm(ctypes.byref(c_case), ctypes.byref(memory))

    def channels():
        return {"mean": saved_mean.values("float64"), "inv_std": saved_inv_std.values("float64"),
                "dgamma": dgamma.values(case.dtype), "dbeta": dbeta.values(case.dtype)}

    return NativeContender(buffers.native, label, handle, keep=blocks, result=lambda: buffers.out,
                           channels=channels)


def floor_sweeps(buffers):
    """The ways to do no more than the case's least traffic."""
    native, reads = buffers.native, buffers.case.reads
    sweeps = []
    for index in range(native.library.peers_sweep_count(reads)):
        name = native.library.peers_sweep_name(reads, index).decode()
        handle = native.library.peers_sweep(reads, index, buffers.x.address, buffers.dy.address,
                                            buffers.out.address, buffers.case.bytes)
        sweeps.append(NativeContender(native, name, handle, keep=(buffers,)))
    return sweeps
