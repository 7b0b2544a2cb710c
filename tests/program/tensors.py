"""Tensors and safetensors files in plain Python, written apart from the program's own reader and writer."""

import array
import json
import math
import struct

TYPECODES = {"F32": "f", "F64": "d"}
EPSILON = {"F32": 2.0**-24, "F64": 2.0**-53}


class Tensor:
    """A dense row-major tensor of F32 or F64."""

    def __init__(self, shape, values, dtype="F64"):
        self.shape = tuple(shape)
        self.dtype = dtype
        self.values = array.array(TYPECODES[dtype], values)
        assert len(self.values) == math.prod(self.shape)

    def tobytes(self):
        return self.values.tobytes()


class Raw:
    """A tensor of any dtype, by its bytes."""

    def __init__(self, shape, data, dtype):
        self.shape, self.data, self.dtype = tuple(shape), data, dtype

    def tobytes(self):
        return self.data


def vector(values, dtype="F64"):
    values = list(values)
    return Tensor([len(values)], values, dtype)


def with_header(header, data=b""):
    """A file of a header (text, bytes or JSON) and data, without any check."""
    if not isinstance(header, (str, bytes)):
        header = json.dumps(header)
    if isinstance(header, str):
        header = header.encode()
    return struct.pack("<Q", len(header)) + header + data


def to_file(tensors, metadata=None, pad=True):
    """The bytes of a safetensors file."""
    header, data = {}, b""
    if metadata is not None:
        header["__metadata__"] = metadata
    for name, tensor in tensors.items():
        end = len(data) + len(tensor.tobytes())
        header[name] = {
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "data_offsets": [len(data), end],
        }
        data += tensor.tobytes()
    text = json.dumps(header).encode()
    if pad:
        text += b" " * (-len(text) % 8)
    return with_header(text, data)


def from_file(content):
    """The tensors of a safetensors file whose data starts at a multiple of 8 and has no holes."""
    (length,) = struct.unpack_from("<Q", content)
    assert length % 8 == 0, length
    header = json.loads(content[8 : 8 + length])
    data = content[8 + length :]
    expected = 0
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        assert begin == expected, (name, begin, expected)
        expected = end
        values = array.array(TYPECODES[entry["dtype"]], data[begin:end])
        tensors[name] = Tensor(entry["shape"], values, entry["dtype"])
    assert expected == len(data), (expected, len(data))
    return tensors
