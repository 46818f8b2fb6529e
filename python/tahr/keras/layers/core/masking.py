"""Masking: marks time steps to be skipped."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras.backend.masking import set_keras_mask
from tahr.keras.layers.layer import Layer


class Masking(Layer):
    """Masks each time step in which all values equal `mask_value`, and sets it to 0.

    Args:
        mask_value: the value that marks padding.

    Shapes: (batch, time, features) to the same.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.Masking()(np.array([[[1.0, 2.0], [0.0, 0.0]]]))._keras_mask.numpy()
    array([[ True, False]])
    """

    def __init__(self, mask_value: float = 0.0, **kwargs: Any) -> None:
        if isinstance(mask_value, dict) and mask_value.get("config") is not None:
            mask_value = mask_value["config"]["value"]
        super().__init__(**kwargs)
        self.mask_value = mask_value
        self.supports_masking = True
        self._build_at_init()

    def _kept(self, inputs: Any, keepdims: bool) -> Any:
        return ops.any(ops.not_equal(inputs, self.mask_value), axis=-1, keepdims=keepdims)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """True where a time step is to be used."""
        return self._kept(inputs, False)

    def call(self, inputs: Any) -> Any:
        """`inputs`, the masked steps set to 0."""
        kept = self._kept(inputs, True)
        outputs = ops.multiply(inputs, ops.cast(kept, inputs.dtype))
        set_keras_mask(outputs, ops.squeeze(kept, axis=-1))
        return outputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """`input_shape`."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {**super().get_config(), "mask_value": self.mask_value}
