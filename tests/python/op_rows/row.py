"""What a row of the test table holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

FLOATS = ("float32", "float64", "float16", "bfloat16")
INTS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
ALL = ("bool", *INTS, *FLOATS)


@dataclass(frozen=True)
class In:
    """How to draw one input: uniformly from [low, high], keeping at least `gap` away from each point of `avoid`.

    `make(rng, shape)` overrides the draw; `dtype` fixes the dtype whatever dtype the test runs in (indices, masks).
    """

    low: float = -3.0
    high: float = 3.0
    avoid: tuple[float, ...] = ()
    gap: float = 0.1
    dtype: str | None = None
    make: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray] | None = None


@dataclass(frozen=True)
class Case:
    """One call: the shapes of the inputs (None: an absent optional input) and the attributes."""

    shapes: Sequence[tuple[int, ...] | None]
    attrs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Bad:
    """A call that must fail: arguments as NumPy arrays or Python values, the exception, a regex its text matches."""

    args: Sequence[Any]
    attrs: dict[str, Any]
    error: type[Exception]
    match: str


@dataclass(frozen=True)
class Row:
    """One op of the table.

    reference(*inputs, **attrs) receives float64 (or integer) NumPy arrays and returns an array, or a tuple of them.
    The tolerance is derived: `ulp` units in the last place of the result's dtype, plus `terms(case)` roundings of the
    sum of magnitudes for ops that add up many terms.
    """

    op: str
    reference: Callable[..., Any]
    inputs: Sequence[In] = (In(),)
    cases: Sequence[Case] = (Case([(2, 3)]),)
    dtypes: Sequence[str] = FLOATS
    ulp: float = 2.0
    terms: Callable[[Case], int] | None = None
    grad: Sequence[int] = (0,)  # inputs to differentiate; () for an op without gradient
    grad2: bool = True  # check second derivatives too
    kept: int = 0  # how many of the last outputs are between the op and its gradient; the reference has none of them
    errors: Sequence[Bad] = ()
    bench: Case | None = None  # shapes of the microbenchmark
