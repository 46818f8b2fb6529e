"""ActivityRegularization."""

from __future__ import annotations

from typing import Any

from tahr.keras import regularizers
from tahr.keras.layers.layer import Layer


class ActivityRegularization(Layer):
    """Returns its input, and adds l1 * sum|x| + l2 * sum x^2 (per sample) to the loss.

    Args:
        l1: weight of the absolute values.
        l2: weight of the squares.

    >>> import numpy as np
    >>> from tahr import keras
    >>> layer = keras.layers.ActivityRegularization(l1=1.0)
    >>> _ = layer(np.array([[1.0, -2.0]]))
    >>> float(layer.losses[0].numpy())
    3.0
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(activity_regularizer=regularizers.L1L2(l1=l1, l2=l2), **kwargs)
        self.supports_masking = True
        self.l1 = l1
        self.l2 = l2
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        """`inputs`."""
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """`input_shape`."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        config = super().get_config()
        config.pop("activity_regularizer", None)
        return {**config, "l1": self.l1, "l2": self.l2}
