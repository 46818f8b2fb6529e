"""Concatenate."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras.layers.merging.base import Merge


class Concatenate(Merge):
    """Joins the inputs along an axis.

    Args:
        axis: the axis.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.Concatenate()([np.ones((1, 1)), np.zeros((1, 2))]).numpy()
    array([[1., 0., 0.]], dtype=float32)
    """

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def build(self, input_shape: Any) -> None:
        """Checks the shapes."""
        self._check_list(input_shape)
        if all(s is None for s in input_shape):
            return
        self.compute_output_shape(input_shape)

    def call(self, inputs: Any) -> Any:
        """The joined tensor."""
        return ops.concatenate(inputs, axis=self.axis)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """The shape of the joined tensor."""
        self._check_list(input_shape)
        first = tuple(input_shape[0])
        rank = len(first)
        axis = self.axis % rank if rank else 0
        out = list(first)
        for shape in input_shape[1:]:
            clash = len(shape) != rank or any(
                i != axis and m is not None and n is not None and m != n for i, (m, n) in enumerate(zip(out, shape))
            )
            if clash:
                raise ValueError(
                    f"[{self.name}] requires inputs with matching shapes except for the concatenation axis {self.axis}, "
                    f"received {input_shape}."
                )
            for i, n in enumerate(shape):
                if i == axis:
                    out[i] = None if out[i] is None or n is None else out[i] + n
                elif out[i] is None:
                    out[i] = n
        return tuple(out)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The joined masks; an input without one is valid everywhere."""
        if mask is None:
            return None
        self._check_masks(inputs, mask)
        if all(m is None for m in mask):
            return None
        masks = []
        for x, m in zip(inputs, mask):
            if m is None:
                masks.append(ops.ones_like(x, dtype="bool"))
            elif len(m.shape) < len(x.shape):
                masks.append(ops.logical_or(ops.expand_dims(m, axis=-1), ops.zeros_like(x, dtype="bool")))
            else:
                masks.append(m)
        return ops.any(ops.concatenate(masks, axis=self.axis), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {**super().get_config(), "axis": self.axis}
