"""Dropout."""

from __future__ import annotations

from typing import Any

from tahr.keras import random
from tahr.keras.layers.layer import Layer


def check_rate(name: str, rate: Any) -> float:
    """`rate` as a float; ValueError unless it is between 0 and 1."""
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate <= 1:
        raise ValueError(
            f"[{name}] Invalid value received for argument `rate`. Expected a float value between 0 and 1. "
            f"Received rate={rate!r}."
        )
    return float(rate)


class Dropout(Layer):
    """While training, sets a random part of the inputs to 0 and scales the rest so that the sum stays the same.

    Args:
        rate: part to set to 0, from 0 to 1.
        noise_shape: shape of the mask, broadcast to the inputs: 1 along axes that share their fate; None for the
            size of the input.
        seed: integer from which the random numbers start.

    Source: Srivastava et al., "Dropout", JMLR 2014.

    Raises:
        ValueError: if `rate` or `noise_shape` is out of range.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.Dropout(0.5)(np.array([[1.0, 2.0]])).numpy()
    array([[1., 2.]], dtype=float32)
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
        """`inputs`, some of them 0 if `training`."""
        if not training or self.rate == 0:
            return inputs
        return random.dropout(
            inputs, rate=self.rate, noise_shape=known_noise_shape(self.noise_shape, inputs), seed=self.seed_generator
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        """`input_shape`."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {**super().get_config(), "rate": self.rate, "seed": self.seed, "noise_shape": self.noise_shape}


def check_noise_shape(name: str, noise_shape: Any) -> tuple[int | None, ...]:
    """`noise_shape` as a tuple; ValueError unless it holds positive integers and None only."""
    if not isinstance(noise_shape, (list, tuple)):
        raise ValueError(
            f"[{name}] Invalid value received for argument `noise_shape`. Expected a tuple or list of integers or None. "
            f"Received {noise_shape!r}."
        )
    for d in noise_shape:
        if d is not None and (isinstance(d, bool) or not isinstance(d, int) or d <= 0):
            what = "dimensions to be positive integers" if isinstance(d, int) else "elements to be integers"
            raise ValueError(
                f"[{name}] Invalid value received for argument `noise_shape`. Expected all {what} or None, not {d!r} in "
                f"{tuple(noise_shape)}."
            )
    return tuple(noise_shape)


def known_noise_shape(noise_shape: tuple[int | None, ...] | None, inputs: Any) -> tuple[int | None, ...] | None:
    """`noise_shape` with the sizes of `inputs` in place of None."""
    if noise_shape is None:
        return None
    return tuple(inputs.shape[i] if d is None else d for i, d in enumerate(noise_shape))
