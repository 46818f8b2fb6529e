"""RMSNormalization."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras.layers.layer import Layer
from tahr.keras.layers.normalization.base import as_axis, check_axes


class RMSNormalization(Layer):
    """Divides the features of each example by their root mean square, then scales them by a learned `scale`.

    Args:
        axis: axis of the features, or several.
        epsilon: added to the mean square.

    Source: Zhang and Sennrich, "Root mean square layer normalization", 2019.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.RMSNormalization()(np.array([[1.0, 7.0]])).numpy().round(3)
    array([[0.2, 1.4]], dtype=float32)
    """

    def __init__(self, axis: Any = -1, epsilon: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = as_axis(self.name, axis)
        self.epsilon = epsilon

    def build(self, input_shape: Any) -> None:
        """Creates the scale for inputs of this shape."""
        self.axis = sorted(self.axis) if isinstance(self.axis, list) else [self.axis]
        check_axes(self.name, self.axis, input_shape)
        self.scale = self.add_weight(name="scale", shape=tuple(input_shape[a] for a in self.axis), initializer="ones")

    def call(self, x: Any) -> Any:
        """The normalised `x`."""
        return ops.rms_normalization(x, self.scale, axis=self.axis, epsilon=self.epsilon)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """`input_shape`."""
        check_axes(self.name, [self.axis] if isinstance(self.axis, int) else self.axis, input_shape)
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {**super().get_config(), "axis": self.axis, "epsilon": self.epsilon}
