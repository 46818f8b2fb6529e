"""Reshape."""

from __future__ import annotations

import math
from typing import Any

from tahr import ops
from tahr.keras.backend.keras_tensor import KerasTensor
from tahr.keras.layers.layer import Layer


class Reshape(Layer):
    """Gives each sample another shape.

    Args:
        target_shape: the new shape without the batch axis; one -1 stands for whatever size is left.

    Raises:
        ValueError: in a call, if the sizes do not fit.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.Reshape((2, -1))(np.ones((5, 6))).shape
    (5, 2, 3)
    """

    def __init__(self, target_shape: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        target = (target_shape,) if isinstance(target_shape, int) else tuple(target_shape)
        if sum(d == -1 for d in target) > 1:
            raise ValueError(f"[{self.name}] expected at most one -1 in target_shape, received {target}.")
        self.target_shape = target
        self._build_at_init()

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """The batch axis and the new shape."""
        sizes = input_shape[1:]
        known = math.prod(d for d in self.target_shape if d != -1)
        if any(d is None for d in sizes):
            return (input_shape[0], *(None if d == -1 else d for d in self.target_shape))
        total = math.prod(sizes)
        if (-1 not in self.target_shape and known != total) or (known == 0 and total) or (known and total % known):
            raise ValueError(
                f"[{self.name}] expected samples whose size fits target_shape={self.target_shape}, received "
                f"shape {tuple(sizes)}. Both need the same number of elements."
            )
        left = total // known if known else 0
        return (input_shape[0], *(left if d == -1 else d for d in self.target_shape))

    def call(self, inputs: Any) -> Any:
        """The reshaped `inputs`."""
        shape = self.compute_output_shape(inputs.shape)
        if inputs.shape[0] is not None:
            return ops.reshape(inputs, tuple(-1 if d is None else d for d in shape))
        if any(d is None for d in shape[1:]):
            raise ValueError(
                f"[{self.name}] expected samples of known size for -1 in target_shape={self.target_shape}, received "
                f"shape {tuple(inputs.shape)}."
            )
        return ops.reshape(inputs, (-1, *shape[1:]))

    def compute_output_spec(self, inputs: Any) -> KerasTensor:
        """The new shape, with the dtype of `inputs`."""
        return KerasTensor(self.compute_output_shape(inputs.shape), dtype=inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {**super().get_config(), "target_shape": self.target_shape}
