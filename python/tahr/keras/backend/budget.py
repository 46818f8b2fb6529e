"""A bound on the memory that new variables may take, for code that builds models as a file asks."""

from __future__ import annotations

import math
from typing import Any

from tahr.keras.backend import state

_BITS = {"bool": 8, "complex64": 64, "complex128": 128}


class MemoryBudget:
    """Inside, variables may take `limit` bytes in all; the one that goes beyond is an error before it is made.

    >>> from tahr import keras
    >>> with MemoryBudget(1000, "a test"):
    ...     keras.Variable("zeros", shape=(10**12,))
    Traceback (most recent call last):
    ValueError: [Variable] expected at most 1000 bytes of variables for a test, received shape (1000000000000,) of \
float32.
    """

    def __init__(self, limit: int, what: str) -> None:
        self.limit = self.left = int(limit)
        self.what = what

    def __enter__(self) -> MemoryBudget:
        self._former = state.get_scope("memory_budget")
        state.set_scope("memory_budget", self)
        return self

    def __exit__(self, *exc: Any) -> None:
        state.set_scope("memory_budget", self._former)

    def take(self, shape: tuple[Any, ...], dtype: str) -> None:
        """Counts a variable of this shape."""
        digits = "".join(c for c in dtype.split("_")[0] if c.isdigit())
        bits = _BITS.get(dtype) or int(digits or 32)
        self.left -= math.prod(shape) * bits // 8
        if self.left < 0:
            raise ValueError(
                f"[Variable] expected at most {self.limit} bytes of variables for {self.what}, received shape "
                f"{tuple(shape)} of {dtype}."
            )


def take(shape: tuple[Any, ...], dtype: str) -> None:
    """Counts a new variable against the budget in force, if there is one."""
    budget = state.get_scope("memory_budget")
    if budget is not None:
        budget.take(shape, dtype)
