"""DataLayer: the base of layers that prepare data, and may do so away from the model."""

from __future__ import annotations

from typing import Any

from tahr.keras.layers.layer import Layer


class DataLayer(Layer):
    """A layer that prepares data."""

    def convert_weight(self, weight: Any) -> Any:
        """A weight in the form that the layer computes with: as it is, for there is one engine.

        Args:
            weight: a tensor or variable.

        >>> from tahr import keras
        >>> keras.layers.Rescaling(2.0).convert_weight(keras.ops.ones((2,))).numpy()
        array([1., 1.], dtype=float32)
        """
        return weight
