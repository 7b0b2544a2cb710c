"""oneDNN's C interface, version 3, as far as batch normalization needs it. Numbers of its enumerators are part of its
binary interface (dnnl_types.h)."""

import ctypes

FLOAT32 = 3
FORWARD_TRAINING, FORWARD_INFERENCE, BACKWARD = 64, 96, 128
USE_GLOBAL_STATS, USE_SCALE, USE_SHIFT, FUSE_NORM_RELU = 1, 2, 4, 8
ELTWISE_RELU = 32
BLOCKED_TAGS = {8: 102, 16: 78}  # dnnl_nChw8c, dnnl_nChw16c
ARG_SRC, ARG_DST, ARG_FROM, ARG_TO = 1, 17, 1, 17
ARG_MEAN, ARG_VARIANCE, ARG_SCALE, ARG_SHIFT, ARG_WORKSPACE = 49, 50, 51, 52, 64
ARG_DIFF_SRC, ARG_DIFF_DST, ARG_DIFF_SCALE, ARG_DIFF_SHIFT = 129, 145, 255, 256
_CPU, _DEFAULT_STREAM = 1, 1
_QUERY_IMPLEMENTATION, _QUERY_WORKSPACE = 8, 135
_MAX_RANK = 12
_UNIMPLEMENTED = 3  # dnnl_unimplemented

Handle = ctypes.c_void_p


class Unimplemented(Exception):
    pass


class Argument(ctypes.Structure):
    _fields_ = [("index", ctypes.c_int), ("memory", Handle)]


class _Version(ctypes.Structure):
    _fields_ = [("major", ctypes.c_int), ("minor", ctypes.c_int), ("patch", ctypes.c_int), ("hash", ctypes.c_char_p)]


class OneDnn:
    """The library with an engine and a stream on the processor. Objects live as long as the process."""

    def __init__(self, path):
        self.library = ctypes.CDLL(path)
        self.library.dnnl_version.restype = ctypes.POINTER(_Version)
        version = self.library.dnnl_version().contents
        self.version = f"{version.major}.{version.minor}.{version.patch}"
        if version.major != 3:
            raise OSError(f"{path} is oneDNN {self.version}, should be 3.x")
        self.library.dnnl_primitive_desc_query_md.restype = Handle
        self.library.dnnl_memory_desc_get_size.restype = ctypes.c_size_t
        self.engine = self._made("dnnl_engine_create", ctypes.c_int(_CPU), ctypes.c_size_t(0))
        self.stream = self._made("dnnl_stream_create", self.engine, ctypes.c_uint(_DEFAULT_STREAM))

    def _check(self, function, *arguments):
        status = getattr(self.library, function)(*arguments)
        if status == _UNIMPLEMENTED:
            raise Unimplemented(function)
        if status != 0:
            raise RuntimeError(f"{function}: status {status}")

    def _made(self, function, *arguments):
        made = Handle()
        self._check(function, ctypes.byref(made), *arguments)
        return made

    def plain_desc(self, extents, strides):
        """float32, extents in the order N, C, H, W."""
        dims = ctypes.c_int64 * _MAX_RANK
        return self._made("dnnl_memory_desc_create_with_strides", ctypes.c_int(len(extents)), dims(*extents),
                          ctypes.c_int(FLOAT32), dims(*strides))

    def blocked_desc(self, extents, channels_in_block):
        return self._made("dnnl_memory_desc_create_with_tag", ctypes.c_int(len(extents)),
                          (ctypes.c_int64 * _MAX_RANK)(*extents), ctypes.c_int(FLOAT32),
                          ctypes.c_int(BLOCKED_TAGS[channels_in_block]))

    def size(self, desc):
        return self.library.dnnl_memory_desc_get_size(desc)

    def memory(self, desc, address):
        return self._made("dnnl_memory_create", desc, self.engine, Handle(address))

    def relu_attribute(self):
        operations = self._made("dnnl_post_ops_create")
        self._check("dnnl_post_ops_append_eltwise", operations, ctypes.c_int(ELTWISE_RELU),
                    ctypes.c_float(0), ctypes.c_float(0))
        attribute = self._made("dnnl_primitive_attr_create")
        self._check("dnnl_primitive_attr_set_post_ops", attribute, operations)
        return attribute

    def forward(self, kind, desc, epsilon, flags, attribute=None):
        return self._made("dnnl_batch_normalization_forward_primitive_desc_create", self.engine, ctypes.c_int(kind),
                          desc, desc, ctypes.c_float(epsilon), ctypes.c_uint(flags), attribute)

    def backward(self, desc, epsilon, flags, forward):
        return self._made("dnnl_batch_normalization_backward_primitive_desc_create", self.engine,
                          ctypes.c_int(BACKWARD), desc, desc, desc, ctypes.c_float(epsilon), ctypes.c_uint(flags),
                          forward, None)

    def reorder(self, source, target):
        return self._made("dnnl_reorder_primitive_desc_create", source, self.engine, target, self.engine, None)

    def primitive(self, description):
        return self._made("dnnl_primitive_create", description)

    def workspace_desc(self, description):
        return Handle(self.library.dnnl_primitive_desc_query_md(description, ctypes.c_int(_QUERY_WORKSPACE), 0))

    def implementation(self, description):
        name = ctypes.c_char_p()
        self._check("dnnl_primitive_desc_query", description, ctypes.c_int(_QUERY_IMPLEMENTATION), 0,
                    ctypes.byref(name))
        return name.value.decode()

    @staticmethod
    def arguments(memories):
        return (Argument * len(memories))(*(Argument(index, memory) for index, memory in memories.items()))

    def execute(self, primitive, memories):
        self._check("dnnl_primitive_execute", primitive, self.stream, ctypes.c_int(len(memories)),
                    self.arguments(memories))
        self._check("dnnl_stream_wait", self.stream)
