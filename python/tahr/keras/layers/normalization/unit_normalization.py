"""UnitNormalization."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras.layers.layer import Layer
from tahr.keras.layers.normalization.base import as_axis, check_axes


class UnitNormalization(Layer):
    """Divides the features of each example by their Euclidean norm.

    Args:
        axis: axis of the features, or several.

    Raises:
        TypeError: if `axis` is not made of integers.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.UnitNormalization()(np.array([[3.0, 4.0]])).numpy()
    array([[0.6, 0.8]], dtype=float32)
    """

    def __init__(self, axis: Any = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = as_axis(self.name, axis)
        self.supports_masking = True
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        """The normalised `inputs`."""
        return ops.normalize(inputs, axis=self.axis, order=2, epsilon=1e-12)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """`input_shape`."""
        check_axes(self.name, [self.axis] if isinstance(self.axis, int) else self.axis, input_shape)
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {**super().get_config(), "axis": self.axis}
