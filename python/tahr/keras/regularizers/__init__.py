"""Regularizers: a scalar penalty on a weight or an activation, added to the loss.

A new one subclasses `Regularizer`, implements `__call__(x) -> scalar tensor` and `get_config`, and joins `_OBJECTS`.
"""

from __future__ import annotations

import math
from typing import Any

from tahr import ops
from tahr.keras.identifiers import Identifiers
from tahr.keras.saving import serialize_keras_object


class Regularizer:
    """Base class of regularizers: callables from a tensor to a scalar penalty.

    Example:

    >>> from tahr import ops
    >>> from tahr.keras import regularizers
    >>> class Largest(regularizers.Regularizer):
    ...     def __call__(self, x):
    ...         return 0.1 * ops.max(ops.abs(x))
    ...     def get_config(self):
    ...         return {}
    >>> round(float(Largest()(ops.ones((2,)))), 3)
    0.1
    """

    def __call__(self, x: Any) -> Any:
        return 0.0

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Regularizer:
        """Rebuilds the regularizer from `get_config()`'s result."""
        return cls(**config)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as plain Python values."""
        raise NotImplementedError(
            f"[regularizer] {type(self).__name__} expected to implement `get_config()`, found none. A model that uses "
            "it cannot be saved without."
        )


class L1L2(Regularizer):
    """`l1 * sum(|x|) + l2 * sum(x^2)`.

    Arguments:
        l1: factor of the absolute values, not negative.
        l2: factor of the squares, not negative.

    Example:

    >>> from tahr import ops
    >>> from tahr.keras import regularizers
    >>> float(regularizers.L1L2(l1=1.0, l2=0.5)(ops.ones((2,))))
    3.0
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0):
        self.l1 = _factor(0.0 if l1 is None else l1, "l1")
        self.l2 = _factor(0.0 if l2 is None else l2, "l2")

    def __call__(self, x: Any) -> Any:
        penalty = ops.zeros((), dtype=x.dtype)
        if self.l1:
            penalty = penalty + self.l1 * ops.sum(ops.abs(x))
        if self.l2:
            penalty = penalty + self.l2 * ops.sum(ops.square(x))
        return penalty

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1, "l2": self.l2}


class L1(Regularizer):
    """`l1 * sum(|x|)`.

    Arguments:
        l1: factor, not negative.

    Example:

    >>> from tahr import ops
    >>> from tahr.keras import regularizers
    >>> float(regularizers.L1(0.5)(ops.ones((2,))))
    1.0
    """

    def __init__(self, l1: float = 0.01):
        self.l1 = _factor(0.01 if l1 is None else l1, "l1")

    def __call__(self, x: Any) -> Any:
        return self.l1 * ops.sum(ops.abs(x))

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1}


class L2(Regularizer):
    """`l2 * sum(x^2)`.

    Arguments:
        l2: factor, not negative.

    Example:

    >>> from tahr import ops
    >>> from tahr.keras import regularizers
    >>> float(regularizers.L2(0.5)(2 * ops.ones((2,))))
    4.0
    """

    def __init__(self, l2: float = 0.01):
        self.l2 = _factor(0.01 if l2 is None else l2, "l2")

    def __call__(self, x: Any) -> Any:
        return self.l2 * ops.sum(ops.square(x))

    def get_config(self) -> dict[str, Any]:
        return {"l2": self.l2}


class OrthogonalRegularizer(Regularizer):
    """Penalises the cosine similarity of a matrix's rows (or columns): the mean of its absolute values over pairs.

    Arguments:
        factor: factor of the penalty, not negative.
        mode: `"rows"` or `"columns"`.

    Example:

    >>> from tahr import ops
    >>> from tahr.keras import regularizers
    >>> float(regularizers.OrthogonalRegularizer(1.0)(ops.eye(3)))
    0.0
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows"):
        self.factor = _factor(factor, "factor")
        if mode not in ("rows", "columns"):
            raise ValueError(f"[OrthogonalRegularizer] expected `mode` to be 'rows' or 'columns', received {mode!r}.")
        self.mode = mode

    def __call__(self, inputs: Any) -> Any:
        if len(inputs.shape) != 2:
            raise ValueError(f"[OrthogonalRegularizer] expected a matrix, received shape {tuple(inputs.shape)}.")
        rows = inputs if self.mode == "rows" else ops.transpose(inputs)
        rows = ops.normalize(rows, axis=1)
        count = rows.shape[0]
        similarity = ops.matmul(rows, ops.transpose(rows)) * (1.0 - ops.eye(count, dtype=rows.dtype))
        pairs = count * (count - 1.0) / 2.0
        return (0.5 * self.factor / pairs) * ops.sum(ops.abs(similarity))

    def get_config(self) -> dict[str, Any]:
        return {"factor": self.factor, "mode": self.mode}


def _factor(value: Any, name: str) -> float:
    valid = isinstance(value, (int, float)) or getattr(value, "shape", None) == ()
    if not valid or not math.isfinite(float(value)) or value < 0:
        raise ValueError(
            f"[regularizer] expected `{name}` to be a finite number that is not negative, received {value!r}."
        )
    return float(value)


_OBJECTS = (Regularizer, L1, L2, L1L2, OrthogonalRegularizer)

l1 = L1
l2 = L2
l1_l2 = l1l2 = L1L2
orthogonal_regularizer = OrthogonalRegularizer

_identifiers = Identifiers("regularizer", _OBJECTS, {"l1_l2": L1L2})


def serialize(regularizer: Any) -> Any:
    """A plain-Python config of a regularizer, for `deserialize`."""
    return serialize_keras_object(regularizer)


def deserialize(config: Any, custom_objects: dict | None = None) -> Any:
    """The regularizer that `serialize` described."""
    return _identifiers.deserialize(config, custom_objects)


def get(identifier: Any) -> Any:
    """The regularizer that a name, config dict, class or callable stands for; `None` for `None`.

    Raises:
        ValueError: the identifier is of another kind, or the name is unknown.

    Example:

    >>> from tahr.keras import regularizers
    >>> regularizers.get("l2").l2
    0.01
    """
    return _identifiers.get(identifier)


__all__ = [
    "L1",
    "L1L2",
    "L2",
    "OrthogonalRegularizer",
    "Regularizer",
    "deserialize",
    "get",
    "l1",
    "l1_l2",
    "l2",
    "orthogonal_regularizer",
    "serialize",
]
