"""Softmax."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras import activations
from tahr.keras.layers.layer import Layer


class Softmax(Layer):
    """exp(x) / sum(exp(x)) along `axis`, leaving out what is masked.

    Args:
        axis: axis, or several that count as one.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.Softmax()(np.array([[1.0, 1.0, 5.0]]), mask=[[True, True, False]]).numpy()
    array([[0.5, 0.5, 0. ]], dtype=float32)
    """

    def __init__(self, axis: Any = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis
        self.supports_masking = True
        self._build_at_init()

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """The softmax of `inputs`; where `mask` is False, 0."""
        if mask is not None:
            mask = self._checked(ops.convert_to_tensor(mask), inputs)
            inputs = ops.where(mask, inputs, -3e4 if inputs.dtype == "float16" else -1e9)
        axes = tuple(self.axis) if isinstance(self.axis, (list, tuple)) else (self.axis,)
        if len(axes) > 1:
            outputs = ops.exp(ops.subtract(inputs, ops.logsumexp(inputs, axis=axes, keepdims=True)))
        else:
            outputs = activations.softmax(inputs, axis=axes[0])
        return outputs if mask is None else ops.where(mask, outputs, 0.0)

    def _checked(self, mask: Any, inputs: Any) -> Any:
        if len(mask.shape) > len(inputs.shape):
            raise ValueError(
                f"[{self.name}] a `mask` must not have more dimensions than the inputs of shape {tuple(inputs.shape)}, "
                f"received shape {tuple(mask.shape)}."
            )
        pairs = zip(reversed(mask.shape), reversed(inputs.shape))
        fits = all(m is None or n is None or m in (1, n) for m, n in pairs)
        if not fits:
            raise ValueError(
                f"[{self.name}] expected a `mask` broadcastable to the shape {tuple(inputs.shape)} of the inputs, "
                f"received shape {tuple(mask.shape)}."
            )
        return mask if mask.dtype == "bool" else ops.greater(mask, 0.5)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """`input_shape`."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {**super().get_config(), "axis": self.axis}
