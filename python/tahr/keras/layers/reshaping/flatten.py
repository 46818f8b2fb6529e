"""Flatten."""

from __future__ import annotations

import math
from typing import Any

from tahr import ops
from tahr.keras.backend.config import standardize_data_format
from tahr.keras.backend.keras_tensor import KerasTensor
from tahr.keras.layers.input_spec import InputSpec
from tahr.keras.layers.layer import Layer


class Flatten(Layer):
    """Makes one axis of all axes but the first.

    Args:
        data_format: where the channels are; "channels_first" moves them last before flattening.

    Shapes: (batch, a, b, ...) to (batch, a * b * ...).

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.Flatten()(np.ones((2, 3, 4))).shape
    (2, 12)
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = standardize_data_format(data_format)
        self.input_spec = InputSpec(min_ndim=1)
        self.supports_masking = False
        self._channels_first = self.data_format == "channels_first"

    def call(self, inputs: Any) -> Any:
        """The flat `inputs`."""
        shape = tuple(inputs.shape)
        if self._channels_first and len(shape) > 1:
            inputs = ops.transpose(inputs, (0, *range(2, len(shape)), 1))
        if any(d is None for d in shape[1:]):
            return ops.reshape(inputs, (-1, *self.compute_output_shape(shape)[1:]))
        return ops.reshape(inputs, (-1 if shape[0] is None else shape[0], math.prod(shape[1:])))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """(batch, product of the other sizes)."""
        sizes = input_shape[1:]
        return (input_shape[0], None if any(d is None for d in sizes) else math.prod(sizes))

    def compute_output_spec(self, inputs: Any) -> KerasTensor:
        """The flat shape, with the dtype of `inputs`."""
        return KerasTensor(self.compute_output_shape(inputs.shape), dtype=inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {**super().get_config(), "data_format": self.data_format}
