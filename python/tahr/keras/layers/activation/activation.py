"""Activation."""

from __future__ import annotations

from typing import Any

from tahr.keras import activations
from tahr.keras.layers.layer import Layer


class Activation(Layer):
    """Applies an activation function.

    Args:
        activation: function or name of one.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.Activation("relu")(np.array([-1.0, 2.0])).numpy()
    array([0., 2.], dtype=float32)
    """

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.activation = activations.get(activation)
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        """`activation(inputs)`."""
        return self.activation(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """`input_shape`."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {**super().get_config(), "activation": activations.serialize(self.activation)}
