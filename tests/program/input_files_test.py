"""What may stand in IN: the tensors of the layer, and the rules of the safetensors format."""

import json
import os
import unittest

from program import ProgramTest, random_tensor
from tensors import Raw, Tensor, to_file, vector, with_header

LEGAL = "x, weight, bias, moving_mean, moving_variance"
MOVING = ["moving_mean", "moving_variance"]


class Tensors(ProgramTest):
    def setUp(self):
        super().setUp()
        self.x = random_tensor([2, 3, 4, 5], "F32")

    def test_names(self):
        for name in ["gamma", "X", "", "y", "weight ", "wei\nght", "w\0", "gewicht\u00e9", "\u2028", "n" * 9999]:
            self.refused({"x": self.x, name: vector([1, 1, 1], "F32")}, says=["tensor", LEGAL])
        self.refused({"x": self.x, "gamma": self.x}, says=['"gamma"'])
        self.refused({"weight": vector([1])}, says=['"x"', "missing"])
        self.refused({}, says=['"x"', "missing"])

    def test_dtype_of_x(self):
        sizes = {"BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "I16": 2, "U16": 2, "F16": 2,
                 "BF16": 2, "I32": 4, "U32": 4, "I64": 8, "U64": 8, "C64": 8}  # fmt: skip
        for dtype, size in sizes.items():
            x = Raw([2, 3], bytes(6 * size), dtype)
            self.refused({"x": x}, says=["x:", f"was {dtype},", "F32 or F64"])
        self.refused({"x": Raw([2, 4], bytes(4), "F4")}, says=["was F4,", "F32 or F64"])

    def test_rank_of_x(self):
        for shape in [[], [1], [1, 1, 1, 1, 1, 1]]:
            self.refused({"x": Tensor(shape, [1])}, says=["x:", "rank 2 to 5"])

    def test_channels_of_x(self):
        self.refused({"x": Tensor([2, 0, 3], [])}, says=["x:", "(2, 0, 3)", "axis 1"])
        self.refused({"x": Tensor([2, 3, 0], [])}, "--data-layout", "NHWC", says=["x:", "axis 2"])

    def test_parameters(self):
        for name in ["weight", "bias", *MOVING]:
            for shape in [[], [2], [4], [1, 3], [3, 1], [0]]:
                count = 0 if 0 in shape else shape[0] * shape[-1] if len(shape) == 2 else sum(shape) or 1
                given = Tensor(shape, [1] * count, "F32")
                self.refused({"x": self.x, name: given}, says=[name + ":", "(3,)"])
            for dtype in ["F64", "F16", "I32"]:
                size = {"F64": 8, "F16": 2, "I32": 4}[dtype]
                given = Raw([3], bytes(3 * size), dtype)
                self.refused({"x": self.x, name: given}, says=[name + ":", dtype, "F32"])
            layout = ["--data-layout", "NHWC"]
            self.refused({"x": self.x, name: vector([1, 1, 1], "F32")}, *layout, says=[name, "(5,)"])

    def test_absent_parameters(self):
        for name in ["weight", "bias"]:
            tensors = {"x": self.x, name: vector([1, 1, 1], "F32")}
            self.refused(tensors, "--no-" + name, says=[name, "absent", "--no-" + name])


class Format(ProgramTest):
    def setUp(self):
        super().setUp()
        self.x = Tensor([2, 3], range(6))
        self.entry = {"dtype": "F64", "shape": [2, 3], "data_offsets": [0, 48]}
        self.wanted = self.forward({"x": self.x})
        self.in_path.unlink()
        self.out_path.unlink()

    def accepted(self, content):
        self.assert_same_bits(self.forward(content), self.wanted)
        self.out_path.unlink()

    def damaged(self, header, data=None, says=()):
        data = self.x.tobytes() if data is None else data
        self.refused(with_header(header, data), says=["IN ", *says])

    def test_accepted(self):
        self.accepted(to_file({"x": self.x}, pad=False))
        self.accepted(to_file({"x": self.x}, metadata={"format": "pt", "author": ""}))
        self.accepted(to_file({"x": self.x}, metadata={}))
        text = json.dumps({"x": self.entry})
        self.accepted(with_header(text + " " * 1001, self.x.tobytes()))
        self.accepted(with_header(text.replace('"x"', '"\\u0078"'), self.x.tobytes()))

    def test_header_in_another_order_than_the_data(self):
        weight = {"dtype": "F64", "shape": [3], "data_offsets": [0, 24]}
        x = {"dtype": "F64", "shape": [2, 3], "data_offsets": [24, 72]}
        data = vector([1, 1, 1]).tobytes() + self.x.tobytes()
        self.accepted(with_header({"x": x, "weight": weight}, data))

    def test_header_length(self):
        good = to_file({"x": self.x})
        for content in [b"", b"\0", good[:7]]:
            self.refused(content, says=["IN ", f"{len(content)} bytes"])
        for length in [len(good) - 7, 100_000_001, 2**31, 2**32 + 8, 2**63, 2**64 - 8, 2**64 - 1]:
            content = length.to_bytes(8, "little") + good[8:]
            self.refused(content, says=["header length", f"was {length},", f"at most {len(good) - 8},"])
        for length in range(len(good) - 7):
            if length != int.from_bytes(good[:8], "little"):
                self.refused(length.to_bytes(8, "little") + good[8:], says=["IN "])

    def test_header_beyond_the_limit(self):
        with open(self.in_path, "wb") as file:
            file.write((100_000_001).to_bytes(8, "little"))
            file.truncate(200_000_000)  # a sparse file: no disk is used
        self.refused(None, says=["100000001", "at most 100000000", "limit"])

    def test_json(self):
        good = json.dumps({"x": self.entry})
        texts = ["", " " + good, "\ufeff" + good, "[]", '"x"', "null", good[:-1], good + "}", good + ",",
                 good + "\0\0", good + "\0}", good.replace(":", "=", 1), good.replace("48", "4e8", 1),
                 good.replace("48", "48.0"), good.replace("48", "048"), good.replace("48", "1e999"),
                 good.replace("[0,", "[-0,"), good.replace("[0,", "[-8,"), good.replace('"x"', "'x'"),
                 good.replace("{", "{/* */", 1), good.replace('"x"', '"x\n"'),
                 good.replace('"x"', '"\\ud800"'), "{" * 10000, '{"a":' + "[" * 100000]  # fmt: skip
        for text in texts:
            self.damaged(text)
        for text in [b"\xff", b'{"\xff": 1}', b'{"\xc0\x80": 1}', b'{"\xed\xa0\x80": 1}', b'{"x\xe2\x28"']:
            self.damaged(text)

    def test_nesting(self):
        """More members than the format has are passed over, as in its reference implementation."""
        self.accepted(with_header({"x": {**self.entry, "more": [[1], {"a": None}]}}, self.x.tobytes()))
        for opening, closing in ["[]", ('{"a":', "}")]:
            for depth in [20, 200000]:
                deep = opening * depth + "1" + closing * depth
                self.damaged(f'{{"x": {deep}}}', says=["nesting"])
                self.damaged(f'{{"x": {json.dumps(self.entry)[:-1]}, "more": {deep}}}}}', says=["nesting"])

    def test_repeated_keys(self):
        entry = json.dumps(self.entry)
        self.damaged(f'{{"x": {entry}, "x": {entry}}}', says=['key "x" of the header'])
        self.damaged(f'{{"x": {entry}, "\\u0078": {entry}}}', says=['key "x" of the header'])
        self.damaged(f'{{"x": {entry[:-1]}, "dtype": "F64"}}}}', says=['key "dtype" of the header'])
        metadata = '"__metadata__": {"a": "1", "a": "2"}'
        self.damaged(f'{{{metadata}, "x": {entry}}}', says=['key "a" of the header'])

    def test_metadata(self):
        for metadata in [None, [], "text", {"a": 1}, {"a": None}, {"a": ["b"]}, {"a": {"b": "c"}}]:
            self.damaged({"__metadata__": metadata, "x": self.entry}, says=["__metadata__"])

    def test_entries(self):
        for entry in [None, [], "F64", 1, {}]:
            self.damaged({"x": entry}, says=['tensor "x"'])
        for key in self.entry:
            without = {name: value for name, value in self.entry.items() if name != key}
            self.damaged({"x": without}, says=['tensor "x"', key, "missing"])
        for dtype in ["f64", "F63", "", None, 64, ["F64"]]:
            self.damaged({"x": {**self.entry, "dtype": dtype}}, says=["dtype", "F32", "F64"])
        for shape in [None, 6, "6", [2, -3], [2, 3.0], [2, "3"], [[2, 3]], {"0": 2}, [2, None], [2, True]]:
            self.damaged({"x": {**self.entry, "shape": shape}}, says=["shape"])
        for shape in [[2, 2], [2, 3, 2], [], [0], [6, 2**63], [6, 2**64]]:
            self.damaged({"x": {**self.entry, "shape": shape}}, says=['tensor "x"'])
        for shape in [[2**32, 2**32], [2**62, 2**62, 2**62], [2**61], [3, 2**63 - 1, 3]]:
            self.damaged({"x": {**self.entry, "shape": shape}}, says=["shape", "2^64"])
        for offsets in [None, 0, [], [0], [0, 48, 96], [48, 0], [0, 47], [0, 49], [0, 96], [0, "48"],
                        [2**63 - 49, 2**63 - 1], [2**64 - 48, 0], [-48, 0]]:  # fmt: skip
            self.damaged({"x": {**self.entry, "data_offsets": offsets}}, says=["data_offsets"])
        half = {"dtype": "F4", "shape": [3], "data_offsets": [0, 1]}
        self.damaged({"x": half}, says=["12 bits", "whole bytes"])

    def test_layout_of_the_data(self):
        weight = {"dtype": "F64", "shape": [3], "data_offsets": [48, 72]}
        data = self.x.tobytes() + vector([1, 1, 1]).tobytes()
        self.accepted(with_header({"x": self.entry, "weight": weight}, data))
        for begin, size in [(56, 80), (47, 71), (40, 72), (24, 72), (0, 72), (49, 80)]:
            moved = {**weight, "data_offsets": [begin, begin + 24]}
            header = {"x": self.entry, "weight": moved}
            self.damaged(header, data[:size] + bytes(size - len(data[:size])), says=["begin of data_offsets"])
        self.damaged({"x": {**self.entry, "data_offsets": [8, 56]}}, bytes(56), says=["should be 0"])
        self.damaged({"x": self.entry}, data[:49], says=["49 bytes", "48"])
        self.damaged({"x": self.entry}, data[:47], says=["47 bytes", "48"])
        self.damaged({"x": self.entry}, b"", says=["0 bytes", "48"])

    def test_no_such_file(self):
        self.refused(None, says=["IN ", "in.safetensors", "No such file or directory"])

    def test_other_kinds_of_files(self):
        os.mkfifo(self.folder / "pipe")
        for path in [self.folder, self.folder / "pipe", "/dev/null", "/dev/zero"]:
            self.refused(None, arguments=["forward", path, self.out_path], says=[str(path), "regular file"])
        self.refused(None, arguments=["forward", self.in_path / "below", self.out_path], says=["IN "])
        self.refused(None, arguments=["forward", "", self.out_path], says=['IN ""'])

    @unittest.skipIf(os.geteuid() == 0, "root may read everything")
    def test_unreadable(self):
        self.in_path.write_bytes(to_file({"x": self.x}))
        self.in_path.chmod(0)
        self.refused(None, says=["IN ", "Permission denied"])


if __name__ == "__main__":
    unittest.main()
