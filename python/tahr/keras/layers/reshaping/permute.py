"""Permute."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras.backend.keras_tensor import KerasTensor
from tahr.keras.layers.input_spec import InputSpec
from tahr.keras.layers.layer import Layer


class Permute(Layer):
    """Puts the axes of each sample in another order.

    Args:
        dims: the axes in their new order, counted from 1 (0 is the batch).

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.Permute((2, 1))(np.ones((4, 5, 3))).shape
    (4, 3, 5)
    """

    def __init__(self, dims: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(
                f"[{self.name}] Invalid permutation `dims`: expected each of 1 to {len(self.dims)} once, received "
                f"dims={dims}."
            )
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs: Any) -> Any:
        """`inputs` with permuted axes."""
        return ops.transpose(inputs, axes=(0, *self.dims))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """The permuted shape."""
        return (input_shape[0], *(input_shape[d] for d in self.dims))

    def compute_output_spec(self, inputs: Any) -> KerasTensor:
        """The permuted shape, with the dtype of `inputs`."""
        return KerasTensor(self.compute_output_shape(inputs.shape), dtype=inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {**super().get_config(), "dims": self.dims}
