"""Rescaling."""

from __future__ import annotations

from typing import Any

import numpy as np

from tahr import ops
from tahr.keras.layers.preprocessing.data_layer import DataLayer


class Rescaling(DataLayer):
    """inputs * scale + offset, in floating point.

    Args:
        scale: factor; a number, or one for each channel.
        offset: what is added; likewise.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.Rescaling(1 / 255)(np.array([0, 255])).numpy()
    array([0., 1.], dtype=float32)
    """

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = scale
        self.offset = offset
        self.supports_masking = True
        self._allow_non_tensor_positional_args = True

    def call(self, inputs: Any) -> Any:
        """The rescaled `inputs`."""
        dtype = self.compute_dtype
        x = ops.cast(ops.convert_to_tensor(inputs), dtype)
        return ops.add(ops.multiply(x, self._constant(self.scale, dtype)), self._constant(self.offset, dtype))

    def _constant(self, value: Any, dtype: str) -> Any:
        return value if isinstance(value, (int, float)) else ops.cast(ops.convert_to_tensor(value), dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """`input_shape`."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""

        def plain(value: Any) -> Any:
            return np.asarray(value).tolist() if hasattr(value, "shape") else value

        return {**super().get_config(), "scale": plain(self.scale), "offset": plain(self.offset)}
