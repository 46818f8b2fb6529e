"""Resampling and adaptive pools in ONNX.

Both are linear along each axis (but for maxima), so that the engine itself says which matrices they are, and ONNX multiplies
with them: the same numbers for every method.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tahr import ops
from tahr._C import ops as _ops
from tahr.keras.exporting.onnx import Node, Unsupported


def _sizes(n: Node, axes: list[int]) -> list[int]:
    sizes = [n.shape(0)[axis] for axis in axes]
    known = [s for s in sizes if s is not None]
    if len(known) < len(sizes):
        raise Unsupported("over axes of unknown size")
    return known


def _times(n: Node, x: str, axis: int, matrix: np.ndarray) -> str:
    """`matrix` (new size, size) applied along `axis` of `x`."""
    rank = len(n.shape(0))
    last = [a for a in range(rank) if a != axis] + [axis]
    y = n.add("MatMul", n.add("Transpose", x, perm=last), np.ascontiguousarray(matrix.T).astype(n.dtype(0)))
    return n.add("Transpose", y, perm=[last.index(a) for a in range(rank)])


def resize(n: Node) -> None:
    at = n.attrs
    axes = [2, 3] if at["channels_first"] else [1, 2]
    x = n.input(0)
    for axis, old, new in zip(axes, _sizes(n, axes), at["size"], strict=True):
        image = ops.reshape(ops.eye(old), (1, old, old, 1))  # column j: what row j gives to the new rows
        matrix = _ops.resize_core(image, (new, old), at["method"], at["antialias"]).numpy()[0, :, :, 0]
        x = _times(n, x, axis, matrix)
    n.give(x)


def _windows(old: int, new: int) -> list[tuple[int, int]]:
    return [(i * old // new, -(-(i + 1) * old // new)) for i in range(new)]


def adaptive(average: bool) -> Callable[[Node], None]:
    def rule(n: Node) -> None:
        x = n.input(0)
        axes = list(range(1, len(n.shape(0)) - 1))
        for axis, old, new in zip(axes, _sizes(n, axes), n.attrs["window"], strict=True):
            windows = _windows(old, new)
            if average:
                matrix = np.zeros((new, old))
                for row, (begin, end) in zip(matrix, windows, strict=True):
                    row[begin:end] = 1.0 / (end - begin)
                x = _times(n, x, axis, matrix)
                continue
            at = np.asarray([axis], "int64")
            parts = [n.add("Slice", x, np.asarray([b], "int64"), np.asarray([e], "int64"), at) for b, e in windows]
            x = n.add("Concat", *[n.add("ReduceMax", p, at, keepdims=1) for p in parts], axis=axis)
        n.give(x)

    return rule
