"""Rearranging axes by a pattern, and images to and from columns of blocks."""

from __future__ import annotations

import math
import re
from typing import Any

from tahr import _C
from tahr.tensor import Tensor

__all__ = ["fold", "rearrange", "unfold"]


def _groups(side: str) -> list[list[str]]:
    """``"b (h p) c"`` as ``[["b"], ["h", "p"], ["c"]]``."""
    if not re.fullmatch(r"\s*((\w+|\((\s*\w+)*\s*\))\s*)*", side):
        raise ValueError(f"[rearrange] expected names and groups in parentheses, received {side.strip()!r}.")
    return [re.findall(r"\w+", g) for g in re.findall(r"\w+|\([^)]*\)", side)]


def rearrange(tensor: Any, pattern: str, **axes_lengths: int) -> Tensor:
    """Axes split, reordered and merged by a pattern.

    Args:
        tensor: of any shape.
        pattern: names of the axes, ``->``, and the same names in their new order. Names in parentheses are one axis: split
            on the left, merged on the right.
        **axes_lengths: sizes of names; of each group all but one are needed.

    Raises:
        ValueError: if the pattern does not fit.

    Example:
        >>> import tahr
        >>> images = tahr.ops.zeros((8, 4, 6, 3))
        >>> tahr.ops.rearrange(images, "b (h p) (w q) c -> b (h w) (p q c)", p=2, q=2).shape
        (8, 6, 12)
    """
    t = _C.to_tensor(tensor, None, "[rearrange]")
    sides = pattern.split("->")
    if len(sides) != 2:
        raise ValueError(f"[rearrange] expected a pattern with one '->', received {pattern!r}.")
    before, after = _groups(sides[0]), _groups(sides[1])
    names, target = [n for g in before for n in g], [n for g in after for n in g]
    if len(before) != len(t.shape):
        raise ValueError(f"[rearrange] expected {len(before)} axes for {pattern!r}, received shape {tuple(t.shape)}.")
    if sorted(names) != sorted(target) or len(set(names)) != len(names):
        raise ValueError(f"[rearrange] expected the same names on both sides, each once, received {pattern!r}.")
    unknown = set(axes_lengths) - set(names)
    if unknown:
        raise ValueError(f"[rearrange] expected sizes of names in {pattern!r}, received {sorted(unknown)}.")
    sizes: dict[str, int | None] = dict(axes_lengths)
    for group, size in zip(before, t.shape):
        free = [n for n in group if n not in sizes]
        given = math.prod(sizes[n] for n in group if n in sizes)  # type: ignore[misc]
        fits = size is None or (size == given if not free else given > 0 and size % given == 0)
        if len(free) > 1 or not fits:
            raise ValueError(
                f"[rearrange] expected sizes of ({' '.join(group)}) with product {size}, received {axes_lengths}. Give all "
                "but one of a group."
            )
        for n in free:
            sizes[n] = None if size is None else size // given
    split = _C.ops.reshape(t, _sizes([sizes[n] for n in names]))
    ordered = _C.ops.transpose(split, [names.index(n) for n in target])
    merged = [None if any(sizes[n] is None for n in g) else math.prod(sizes[n] for n in g) for g in after]  # type: ignore[misc]
    return _C.ops.reshape(ordered, _sizes(merged))


def _sizes(sizes: list[int | None]) -> tuple[int, ...]:
    if sizes.count(None) > 1:
        raise ValueError("[rearrange] expected at most one unknown size.")
    return tuple(-1 if n is None else n for n in sizes)


def _pair(op: str, name: str, v: Any) -> tuple[int, int]:
    pair = (v, v) if isinstance(v, int) else tuple(v)
    if len(pair) != 2:
        raise ValueError(f"[{op}] expected {name} as a number or a pair, received {v!r}.")
    return pair


class _Blocks:
    """Where the blocks lie along both axes of an image."""

    def __init__(self, op: str, size: Any, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> None:
        self.size = size
        self.kernel = _pair(op, "kernel_size", kernel_size)
        self.dilation = _pair(op, "dilation", dilation)
        self.padding = _pair(op, "padding", padding)
        self.stride = _pair(op, "stride", stride)
        self.count = [
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, p, d, k, s in zip(size, self.padding, self.dilation, self.kernel, self.stride)
        ]
        if min(self.count) < 1:
            raise ValueError(
                f"[{op}] expected at least one block of kernel_size={self.kernel} with dilation={self.dilation} in an image "
                f"of size {tuple(size)}."
            )

    def span(self, axis: int, offset: int) -> slice:
        """The pixels that element `offset` of every block lies on, in the padded image."""
        start = offset * self.dilation[axis]
        return slice(start, start + (self.count[axis] - 1) * self.stride[axis] + 1, self.stride[axis])

    def offsets(self) -> list[tuple[int, int]]:
        return [(i, j) for i in range(self.kernel[0]) for j in range(self.kernel[1])]


def unfold(x: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """The blocks of images as columns.

    Args:
        x: (batch, channels, height, width).
        kernel_size, dilation, padding, stride: numbers, or pairs for height and width.

    Returns:
        (batch, channels * kernel height * kernel width, blocks).

    Raises:
        ValueError: for other ranks, unknown sizes, or images smaller than a block.

    Example:
        >>> import tahr
        >>> tahr.ops.unfold(tahr.ops.reshape(tahr.ops.arange(4.0), (1, 1, 2, 2)), 2).numpy().ravel()
        array([0., 1., 2., 3.], dtype=float32)
    """
    t = _C.to_tensor(x, None, "[unfold]")
    if len(t.shape) != 4 or None in t.shape[1:]:
        raise ValueError(f"[unfold] expected shape (batch, channels, height, width), received {tuple(t.shape)}.")
    b = _Blocks("unfold", t.shape[2:], kernel_size, dilation, padding, stride)
    t = _C.ops.pad(t, [(0, 0), (0, 0), (b.padding[0],) * 2, (b.padding[1],) * 2])
    parts = [t[:, :, b.span(0, i), b.span(1, j)] for i, j in b.offsets()]
    columns = _C.ops.stack(parts, axis=2)
    return _C.ops.reshape(columns, (-1, t.shape[1] * len(parts), b.count[0] * b.count[1]))


def fold(x: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """Images as sums of their blocks: the transpose of `unfold`.

    Args:
        x: (batch, channels * kernel height * kernel width, blocks).
        output_size: height and width of the images.
        kernel_size, dilation, padding, stride: as for `unfold`.

    Returns:
        (batch, channels, height, width).

    Raises:
        ValueError: if the blocks do not fit.

    Example:
        >>> import tahr
        >>> columns = tahr.ops.unfold(tahr.ops.ones((1, 1, 3, 3)), 2)
        >>> tahr.ops.fold(columns, 3, 2).numpy()[0, 0]
        array([[1., 2., 1.],
               [2., 4., 2.],
               [1., 2., 1.]], dtype=float32)
    """
    t = _C.to_tensor(x, None, "[fold]")
    size = _pair("fold", "output_size", output_size)
    b = _Blocks("fold", size, kernel_size, dilation, padding, stride)
    offsets = b.offsets()
    if len(t.shape) != 3 or t.shape[1] is None or t.shape[1] % len(offsets) or t.shape[2] != b.count[0] * b.count[1]:
        raise ValueError(
            f"[fold] expected shape (batch, channels * {len(offsets)}, {b.count[0] * b.count[1]}), received "
            f"{tuple(t.shape)}."
        )
    channels = t.shape[1] // len(offsets)
    t = _C.ops.reshape(t, (-1, channels, len(offsets), *b.count))
    # A gap of stride - 1 zeros behind each row and column spreads a block's elements over the image.
    height, width = size[0] + 2 * b.padding[0], size[1] + 2 * b.padding[1]
    total = None
    for at, (i, j) in enumerate(offsets):
        part = t[:, :, at]
        part = _spread(_spread(part, -2, b.stride[0]), -1, b.stride[1])
        top, left = b.span(0, i).start, b.span(1, j).start
        part = _C.ops.pad(
            part, [(0, 0), (0, 0), (top, height - top - part.shape[2]), (left, width - left - part.shape[3])]
        )
        total = part if total is None else total + part
    return total[:, :, b.padding[0] : height - b.padding[0], b.padding[1] : width - b.padding[1]]  # type: ignore[index]


def _spread(t: Tensor, axis: int, stride: int) -> Tensor:
    if stride == 1:
        return t
    shape = list(t.shape)
    at = len(shape) + axis
    gap = [(0, 0)] * (len(shape) + 1)
    gap[at + 1] = (0, stride - 1)
    t = _C.ops.pad(_C.ops.expand_dims(t, at + 1), gap)
    n = shape[at] * stride
    t = _C.ops.reshape(t, (-1, *shape[1:at], n, *shape[at + 1 :]))
    keep = [slice(None)] * len(shape)
    keep[at] = slice(0, n - stride + 1)
    return t[tuple(keep)]
