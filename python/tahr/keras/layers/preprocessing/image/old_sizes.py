"""RandomHeight and RandomWidth, which Keras 3 keeps for models of Keras 2 alone."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras import random
from tahr.keras.backend.keras_tensor import KerasTensor
from tahr.keras.layers.layer import Layer


class _RandomSide(Layer):
    """A layer that stretches one axis of all images of a batch by the same random factor."""

    _side: int  # the axis, from the end

    def __init__(self, factor: Any, interpolation: str = "bilinear", seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        low, high = factor if isinstance(factor, (tuple, list)) else (-factor, factor)
        if not -1.0 <= low <= high:
            raise ValueError(
                f"[{self.name}] expected `factor` to be a number or a pair from -1 on, the lower bound first, received "
                f"{factor!r}."
            )
        self.factor, self.interpolation, self.seed = factor, interpolation, seed
        self._range = (1.0 + low, 1.0 + high)
        self.seed_generator = random.SeedGenerator(seed)

    def call(self, inputs: Any, training: bool = True) -> Any:
        """The images, stretched while training.

        Args:
            inputs: (batch, height, width, channels), or one image.
            training: without it nothing happens.
        """
        x = ops.cast(ops.convert_to_tensor(inputs), self.compute_dtype)
        if not training:
            return x
        size = list(x.shape[-3:-1])
        factor = float(random.uniform((), *self._range, seed=self.seed_generator))
        size[self._side + 3] = int(factor * size[self._side + 3])
        stretched = ops.image.resize(x, tuple(size), self.interpolation, data_format="channels_last")
        return ops.cast(stretched, self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """`input_shape`, the stretched axis unknown."""
        shape = list(input_shape)
        shape[self._side] = None
        return tuple(shape)

    def compute_output_spec(self, inputs: Any, training: bool = True) -> KerasTensor:
        """Shape and dtype of the output."""
        return KerasTensor(self.compute_output_shape(inputs.shape), dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {
            **super().get_config(),
            "factor": self.factor,
            "interpolation": self.interpolation,
            "seed": self.seed,
        }


class RandomHeight(_RandomSide):
    """While training, makes images higher or lower by a random factor. A step with it runs op by op: sizes differ.

    Args:
        factor: the range of the change, (-0.2, 0.3) for 20% lower to 30% higher; one number f for -f to f.
        interpolation: as of `keras.ops.image.resize`.
        seed: integer from which the random numbers start.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.RandomHeight((0.5, 0.5))(np.ones((2, 4, 4, 1)), training=True).shape
    (2, 6, 4, 1)
    """

    _side = -3


class RandomWidth(_RandomSide):
    """While training, makes images wider or narrower by a random factor; arguments as of `RandomHeight`.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.RandomWidth((0.5, 0.5))(np.ones((2, 4, 4, 1)), training=True).shape
    (2, 4, 6, 1)
    """

    _side = -2
