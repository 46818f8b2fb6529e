"""Which query may look at which key: boolean masks."""

from __future__ import annotations

from typing import Any

from tahr import ops


def causal_mask(queries: int, keys: int) -> Any:
    """(1, queries, keys): query i sees keys 0 to i."""
    return ops.greater_equal(_column(queries), _row(keys))


def window_mask(queries: int, keys: int, size: int) -> Any:
    """(1, queries, keys): query i sees the keys less than `size` away."""
    return ops.less(ops.abs(ops.subtract(_column(queries), _row(keys))), size)


def both(a: Any, b: Any) -> Any:
    """`a` and `b`; None stands for a mask that lets everything through."""
    if a is None or b is None:
        return b if a is None else a
    return ops.logical_and(a, b)


def _column(n: int) -> Any:
    return ops.reshape(ops.arange(n, dtype="int32"), (1, n, 1))


def _row(n: int) -> Any:
    return ops.reshape(ops.arange(n, dtype="int32"), (1, 1, n))
