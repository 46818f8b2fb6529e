"""AlphaDropout."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras import random
from tahr.keras.layers.layer import Layer
from tahr.keras.layers.regularization.dropout import check_noise_shape, check_rate, known_noise_shape

_FLOOR = -1.0507009873554804934193349852946 * 1.6732632423543772848170429916717  # selu far below 0


class AlphaDropout(Layer):
    """Dropout that goes with selu: mean and variance of the inputs stay as they are.

    Args:
        rate: part of the values to replace by the floor of selu, from 0 to 1.
        noise_shape: shape of the mask, broadcast to the inputs.
        seed: integer from which the random numbers start.

    Source: Klambauer et al., 2017 (arXiv:1706.02515).
    """

    def __init__(self, rate: float, noise_shape: Any = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = check_rate(self.name, rate)
        self.seed = seed
        self.noise_shape = None if noise_shape is None else check_noise_shape(self.name, noise_shape)
        if self.rate > 0:
            self.seed_generator = random.SeedGenerator(seed)
        self.supports_masking = True
        self._build_at_init()

    def call(self, inputs: Any, training: bool = False) -> Any:
        """`inputs`, some of them at the floor if `training`."""
        if not training or self.rate == 0:
            return inputs
        shape = known_noise_shape(self.noise_shape, inputs) or tuple(inputs.shape)
        kept = ops.greater_equal(random.uniform(shape, seed=self.seed_generator), self.rate)
        scale = ((1 - self.rate) * (1 + self.rate * _FLOOR**2)) ** -0.5
        x = ops.where(kept, inputs, ops.full_like(inputs, _FLOOR))
        return ops.add(ops.multiply(x, scale), -scale * _FLOOR * self.rate)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """`input_shape`."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {**super().get_config(), "rate": self.rate, "seed": self.seed, "noise_shape": self.noise_shape}
