"""Dropout of whole feature maps."""

from __future__ import annotations

from typing import Any

from tahr.keras import random
from tahr.keras.backend.config import standardize_data_format
from tahr.keras.layers.input_spec import InputSpec
from tahr.keras.layers.regularization.dropout import Dropout


class _SpatialDropout(Dropout):
    _rank = 0

    def __init__(self, rate: float, seed: int | None = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(rate, seed=seed, name=name, dtype=dtype)
        self.data_format = "channels_last"
        self.input_spec = InputSpec(ndim=self._rank)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """`inputs`, some feature maps 0 if `training`."""
        if not training or self.rate == 0:
            return inputs
        channels = 1 if self.data_format == "channels_first" else self._rank - 1
        shape = tuple(d if i in (0, channels) else 1 for i, d in enumerate(inputs.shape))
        return random.dropout(inputs, rate=self.rate, noise_shape=shape, seed=self.seed_generator)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        config = super().get_config()
        return {**{k: config[k] for k in ("rate", "seed", "name")}, "dtype": self.dtype}


class SpatialDropout1D(_SpatialDropout):
    """Dropout of whole channels of a sequence, of shape (batch, time, channels).

    Args:
        rate: part of the channels to set to 0, from 0 to 1.
        seed: integer from which the random numbers start.
        name: name.
        dtype: dtype or dtype policy.

    Source: Tompson et al., 2014 (arXiv:1411.4280).
    """

    _rank = 3


class SpatialDropout2D(_SpatialDropout):
    """Dropout of whole channels of images, of shape (batch, height, width, channels).

    Args:
        rate: part of the channels to set to 0, from 0 to 1.
        data_format: "channels_last" or "channels_first".
        seed: integer from which the random numbers start.
        name: name.
        dtype: dtype or dtype policy.

    Source: Tompson et al., 2014 (arXiv:1411.4280).
    """

    _rank = 4

    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(rate, seed=seed, name=name, dtype=dtype)
        self.data_format = standardize_data_format(data_format)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {**super().get_config(), "data_format": self.data_format}


class SpatialDropout3D(SpatialDropout2D):
    """Dropout of whole channels of volumes, of shape (batch, depth, height, width, channels).

    Args:
        rate: part of the channels to set to 0, from 0 to 1.
        data_format: "channels_last" or "channels_first".
        seed: integer from which the random numbers start.
        name: name.
        dtype: dtype or dtype policy.

    Source: Tompson et al., 2014 (arXiv:1411.4280).
    """

    _rank = 5
