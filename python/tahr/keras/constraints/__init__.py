"""Constraints: functions that put a weight back into an allowed set after each optimizer step.

A new one subclasses `Constraint`, implements `__call__(w) -> tensor of w's shape`, and joins `_OBJECTS`.
"""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras import backend
from tahr.keras.identifiers import Identifiers
from tahr.keras.saving import serialize_keras_object


class Constraint:
    """Base class of constraints: callables from a weight to the nearest allowed weight.

    Example:

    >>> from tahr import ops
    >>> from tahr.keras import constraints
    >>> class AtMostOne(constraints.Constraint):
    ...     def __call__(self, w):
    ...         return ops.minimum(w, 1.0)
    >>> float(AtMostOne()(2.0 * ops.ones(())))
    1.0
    """

    def __call__(self, w: Any) -> Any:
        return w

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as plain Python values."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Constraint:
        """Rebuilds the constraint from `get_config()`'s result."""
        return cls(**config)


def _norms(w: Any, axis: Any) -> Any:
    return ops.sqrt(ops.sum(ops.square(w), axis=axis, keepdims=True))


class MaxNorm(Constraint):
    """Shrinks vectors of the weight that are longer than `max_value`.

    Arguments:
        max_value: the greatest allowed L2 norm.
        axis: axis, or axes, along which a vector lies: 0 for the incoming weights of a `Dense` unit, `[0, 1, 2]` for the
            filters of a `Conv2D`.

    Example:

    >>> from tahr import ops
    >>> from tahr.keras import constraints
    >>> round(float(constraints.MaxNorm(2.0)(ops.convert_to_tensor([[3.0], [4.0]]))[0, 0]), 3)
    1.2
    """

    def __init__(self, max_value: float = 2, axis: Any = 0):
        self.max_value = max_value
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        w = ops.convert_to_tensor(w)
        norms = _norms(w, self.axis)
        return w * (ops.clip(norms, 0, self.max_value) / (backend.epsilon() + norms))

    def get_config(self) -> dict[str, Any]:
        return {"max_value": self.max_value, "axis": self.axis}


class NonNeg(Constraint):
    """Sets negative weights to zero.

    Example:

    >>> from tahr import ops
    >>> from tahr.keras import constraints
    >>> float(constraints.NonNeg()(-1.0 * ops.ones(())))
    0.0
    """

    def __call__(self, w: Any) -> Any:
        return ops.maximum(ops.convert_to_tensor(w), 0)


class UnitNorm(Constraint):
    """Scales each vector of the weight to an L2 norm of one.

    Arguments:
        axis: axis, or axes, along which a vector lies, as in `MaxNorm`.

    Example:

    >>> from tahr import ops
    >>> from tahr.keras import constraints
    >>> round(float(constraints.UnitNorm()(ops.convert_to_tensor([[3.0], [4.0]]))[0, 0]), 3)
    0.6
    """

    def __init__(self, axis: Any = 0):
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        w = ops.convert_to_tensor(w)
        return w / (backend.epsilon() + _norms(w, self.axis))

    def get_config(self) -> dict[str, Any]:
        return {"axis": self.axis}


class MinMaxNorm(Constraint):
    """Moves the norm of each vector of the weight towards `[min_value, max_value]`.

    Arguments:
        min_value: the least allowed L2 norm.
        max_value: the greatest.
        rate: share of the way to the allowed norm that one step takes; 1 goes all the way.
        axis: axis, or axes, along which a vector lies, as in `MaxNorm`.

    Example:

    >>> from tahr import ops
    >>> from tahr.keras import constraints
    >>> round(float(constraints.MinMaxNorm(0.0, 1.0)(ops.convert_to_tensor([[3.0], [4.0]]))[0, 0]), 3)
    0.6
    """

    def __init__(self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Any = 0):
        self.min_value = min_value
        self.max_value = max_value
        self.rate = rate
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        w = ops.convert_to_tensor(w)
        norms = _norms(w, self.axis)
        desired = self.rate * ops.clip(norms, self.min_value, self.max_value) + (1 - self.rate) * norms
        return w * (desired / (backend.epsilon() + norms))

    def get_config(self) -> dict[str, Any]:
        return {"min_value": self.min_value, "max_value": self.max_value, "rate": self.rate, "axis": self.axis}


_OBJECTS = (Constraint, MaxNorm, MinMaxNorm, NonNeg, UnitNorm)

max_norm = MaxNorm
min_max_norm = MinMaxNorm
non_neg = NonNeg
unit_norm = UnitNorm

# Names of Keras 1, still met in tutorials.
maxnorm = MaxNorm
nonneg = NonNeg
unitnorm = UnitNorm

_identifiers = Identifiers("constraint", _OBJECTS, {"maxnorm": MaxNorm, "nonneg": NonNeg, "unitnorm": UnitNorm})


def serialize(constraint: Any) -> Any:
    """A plain-Python config of a constraint, for `deserialize`."""
    return serialize_keras_object(constraint)


def deserialize(config: Any, custom_objects: dict | None = None) -> Any:
    """The constraint that `serialize` described."""
    return _identifiers.deserialize(config, custom_objects)


def get(identifier: Any) -> Any:
    """The constraint that a name, config dict, class or callable stands for; `None` for `None`.

    Raises:
        ValueError: the identifier is of another kind, or the name is unknown.

    Example:

    >>> from tahr.keras import constraints
    >>> constraints.get("max_norm").max_value
    2
    """
    return _identifiers.get(identifier)


__all__ = [
    "Constraint",
    "MaxNorm",
    "MinMaxNorm",
    "NonNeg",
    "UnitNorm",
    "deserialize",
    "get",
    "max_norm",
    "maxnorm",
    "min_max_norm",
    "non_neg",
    "nonneg",
    "serialize",
    "unit_norm",
    "unitnorm",
]
