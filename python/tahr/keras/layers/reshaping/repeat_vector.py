"""RepeatVector."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras.layers.input_spec import InputSpec
from tahr.keras.layers.layer import Layer


class RepeatVector(Layer):
    """Repeats each sample `n` times: (batch, features) to (batch, n, features).

    Args:
        n: how often, at least 1.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.RepeatVector(3)(np.array([[1.0, 2.0]])).shape
    (1, 3, 2)
    """

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(n, int):
            raise TypeError(
                f"[{self.name}] Expected an integer value for `n`, received {n!r} of type {type(n).__name__}."
            )
        if n <= 0:
            raise ValueError(f"[{self.name}] expected n to be a positive integer, received n={n}.")
        self.n = n
        self.input_spec = InputSpec(ndim=2)

    def call(self, inputs: Any) -> Any:
        """`inputs`, repeated along a new axis 1."""
        return ops.repeat(ops.expand_dims(inputs, 1), self.n, axis=1)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """(batch, n, features)."""
        return (input_shape[0], self.n, input_shape[1])

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {**super().get_config(), "n": self.n}
