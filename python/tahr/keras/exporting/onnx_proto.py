"""Protocol-buffer bytes of ONNX messages: field numbers from onnx.proto, opset 18."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

_IR_VERSION, OPSET = 8, 18
_ELEMENT = {
    **{"float32": 1, "uint8": 2, "int8": 3, "uint16": 4, "int16": 5, "int32": 6, "int64": 7, "bool": 9},
    **{"float16": 10, "float64": 11, "uint32": 12, "uint64": 13, "bfloat16": 16},
}


def element_type(dtype: str) -> int:
    """ONNX's number of a dtype."""
    return _ELEMENT[dtype]


def _varint(n: int) -> bytes:
    n &= (1 << 64) - 1
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def _integer(field: int, n: int) -> bytes:
    return _varint(field << 3) + _varint(n)


def _block(field: int, content: bytes | str) -> bytes:
    raw = content.encode() if isinstance(content, str) else content
    return _varint(field << 3 | 2) + _varint(len(raw)) + raw


def _float(field: int, x: float) -> bytes:
    return _varint(field << 3 | 5) + struct.pack("<f", x)


def tensor(name: str, array: np.ndarray) -> bytes:
    """A TensorProto."""
    dims = b"".join(_integer(1, d) for d in array.shape)
    raw = np.ascontiguousarray(array).tobytes()
    return dims + _integer(2, element_type(str(array.dtype))) + _block(8, name) + _block(9, raw)


class Graph(bytes):
    """A GraphProto, the value of an attribute."""


def _attribute(name: str, value: Any) -> bytes:
    head = _block(1, name)
    if isinstance(value, Graph):
        return head + _block(6, bytes(value)) + _integer(20, 5)
    if isinstance(value, float):
        return head + _float(2, value) + _integer(20, 1)
    if isinstance(value, int):
        return head + _integer(3, value) + _integer(20, 2)
    if isinstance(value, str):
        return head + _block(4, value) + _integer(20, 3)
    values = list(value)
    if values and isinstance(values[0], str):
        return head + b"".join(_block(9, v) for v in values) + _integer(20, 8)
    if values and isinstance(values[0], float):
        return head + b"".join(_float(7, v) for v in values) + _integer(20, 6)
    return head + b"".join(_integer(8, v) for v in values) + _integer(20, 7)


def node(op: str, inputs: Sequence[str], outputs: Sequence[str], name: str, attributes: dict[str, Any]) -> bytes:
    """A NodeProto; "" stands for an optional input or output that is left out."""
    parts = [_block(1, i) for i in inputs] + [_block(2, o) for o in outputs] + [_block(3, name), _block(4, op)]
    return b"".join(parts + [_block(5, _attribute(k, v)) for k, v in attributes.items()])


def value_info(name: str, dtype: str, shape: Sequence[int | str] | None) -> bytes:
    """A ValueInfoProto; dimensions that are strings are names of unknown ones, None is any shape."""
    if shape is None:
        return _block(1, name) + _block(2, _block(1, _integer(1, element_type(dtype))))
    dims = b"".join(_block(1, _block(2, d) if isinstance(d, str) else _integer(1, d)) for d in shape)
    return _block(1, name) + _block(2, _block(1, _integer(1, element_type(dtype)) + _block(2, dims)))


def graph(
    name: str, nodes: Sequence[bytes], initializers: Sequence[bytes], inputs: Sequence[bytes], outputs: Sequence[bytes]
) -> Graph:
    """A GraphProto."""
    parts = [_block(1, n) for n in nodes] + [_block(2, name)] + [_block(5, t) for t in initializers]
    return Graph(b"".join(parts + [_block(11, i) for i in inputs] + [_block(12, o) for o in outputs]))


def model(
    name: str,
    nodes: Sequence[bytes],
    initializers: Sequence[bytes],
    inputs: Sequence[bytes],
    outputs: Sequence[bytes],
    version: str,
) -> bytes:
    """A ModelProto, whole."""
    content = graph(name, nodes, initializers, inputs, outputs)
    producer = _block(2, "tahr") + _block(3, version)
    opset = _block(8, _block(1, "") + _integer(2, OPSET))
    return _integer(1, _IR_VERSION) + producer + _block(7, bytes(content)) + opset
