"""Identity."""

from __future__ import annotations

from typing import Any

from tahr.keras import tree
from tahr.keras.backend.keras_tensor import KerasTensor
from tahr.keras.layers.layer import Layer


class Identity(Layer):
    """Returns its input, of any structure.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.Identity()(np.array([1.0, 2.0])).numpy()
    array([1., 2.], dtype=float32)
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        """`inputs`."""
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """`input_shape`."""
        return input_shape

    def compute_output_spec(self, inputs: Any) -> Any:
        """The specs of `inputs`."""
        return tree.map_structure(lambda x: KerasTensor(x.shape, dtype=x.dtype), inputs)
