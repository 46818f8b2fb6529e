"""Merging element by element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tahr import ops
from tahr.keras.backend.masking import get_keras_mask, set_keras_mask
from tahr.keras.layers.merging.base import Merge


def _fold(op: Callable[[Any, Any], Any], inputs: list[Any]) -> Any:
    out = inputs[0]
    for x in inputs[1:]:
        out = op(out, x)
    return out


def _wide_mask(x: Any) -> Any:
    mask = get_keras_mask(x)
    return None if mask is None else ops.broadcast_to(ops.expand_dims(mask, -1), ops.shape(x))


class Add(Merge):
    """The sum of the inputs.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.Add()([np.ones((1, 2)), np.ones((1, 2))]).numpy()
    array([[2., 2.]], dtype=float32)
    """

    def _merge(self, inputs: list[Any]) -> Any:
        return _fold(ops.add, inputs)


class Subtract(Merge):
    """The first input minus the second."""

    def build(self, input_shape: Any) -> None:
        """Checks that there are two inputs."""
        super().build(input_shape)
        if len(input_shape) != 2:
            raise ValueError(
                f"[{self.name}] expected two inputs, the second to be taken off the first, received {len(input_shape)}."
            )

    def _merge(self, inputs: list[Any]) -> Any:
        return ops.subtract(inputs[0], inputs[1])


class Average(Merge):
    """The mean of the inputs."""

    def _merge(self, inputs: list[Any]) -> Any:
        return ops.divide(_fold(ops.add, inputs), len(inputs))


class Multiply(Merge):
    """The product of the inputs; masked values count as 1."""

    def _merge(self, inputs: list[Any]) -> Any:
        masks = [_wide_mask(x) for x in inputs]
        if all(m is None for m in masks):
            return _fold(ops.multiply, inputs)
        kept = [x if m is None else ops.where(m, x, ops.ones_like(x)) for x, m in zip(inputs, masks)]
        out = _fold(ops.multiply, kept)
        if any(m is None for m in masks):
            return out
        valid = _fold(ops.logical_or, masks)
        out = ops.where(valid, out, ops.zeros_like(out))
        set_keras_mask(out, ops.any(valid, axis=-1))
        return out


class _Extreme(Merge):
    _op = ""

    def _merge(self, inputs: list[Any]) -> Any:
        """The extreme of the values that are not masked."""
        op = getattr(ops, self._op)
        out, out_mask = inputs[0], _wide_mask(inputs[0])
        for x in inputs[1:]:
            mask = _wide_mask(x)
            a, b = out, x
            if mask is not None:
                b = ops.where(mask, x, out)
            if out_mask is not None:
                a = ops.where(out_mask, out, b)
            out_mask = None if mask is None or out_mask is None else ops.logical_or(out_mask, mask)
            out = op(a, b)
        if out_mask is not None:
            set_keras_mask(out, ops.any(out_mask, axis=-1))
        return out


class Maximum(_Extreme):
    """The greatest of the inputs, element by element."""

    _op = "maximum"


class Minimum(_Extreme):
    """The least of the inputs, element by element."""

    _op = "minimum"
