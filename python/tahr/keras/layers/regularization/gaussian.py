"""GaussianNoise and GaussianDropout."""

from __future__ import annotations

import math
from typing import Any

from tahr import ops
from tahr.keras import random
from tahr.keras.layers.layer import Layer
from tahr.keras.layers.regularization.dropout import check_rate


class GaussianNoise(Layer):
    """While training, adds normal noise of mean 0.

    Args:
        stddev: standard deviation of the noise, 0 to 1.
        seed: integer from which the random numbers start.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.GaussianNoise(0.1)(np.array([1.0, 2.0])).numpy()
    array([1., 2.], dtype=float32)
    """

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if isinstance(stddev, bool) or not isinstance(stddev, (int, float)) or not 0 <= stddev <= 1:
            raise ValueError(f"[{self.name}] expected stddev to be a number from 0 to 1, received stddev={stddev!r}.")
        self.stddev = stddev
        self.seed = seed
        if stddev > 0:
            self.seed_generator = random.SeedGenerator(seed)
        self.supports_masking = True
        self._build_at_init()

    def call(self, inputs: Any, training: bool = False) -> Any:
        """`inputs`, with noise if `training`."""
        if not training or self.stddev == 0:
            return inputs
        noise = random.normal(
            tuple(inputs.shape), mean=0.0, stddev=self.stddev, dtype=self.compute_dtype, seed=self.seed_generator
        )
        return ops.add(inputs, noise)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """`input_shape`."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {**super().get_config(), "stddev": self.stddev, "seed": self.seed}


class GaussianDropout(Layer):
    """While training, multiplies by normal noise of mean 1 and variance rate / (1 - rate).

    Args:
        rate: strength of the noise, as that of `Dropout`, from 0 to 1.
        seed: integer from which the random numbers start.

    Source: Srivastava et al., "Dropout", JMLR 2014, section 10.
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = check_rate(self.name, rate)
        self.seed = seed
        if self.rate > 0:
            self.seed_generator = random.SeedGenerator(seed)
        self.supports_masking = True
        self._build_at_init()

    def call(self, inputs: Any, training: bool = False) -> Any:
        """`inputs`, multiplied by noise if `training`."""
        if not training or self.rate == 0:
            return inputs
        noise = random.normal(
            tuple(inputs.shape),
            mean=1.0,
            stddev=math.sqrt(self.rate / (1.0 - self.rate)),
            dtype=self.compute_dtype,
            seed=self.seed_generator,
        )
        return ops.multiply(inputs, noise)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """`input_shape`."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
