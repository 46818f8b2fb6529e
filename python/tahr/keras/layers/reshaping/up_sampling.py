"""UpSampling1D-3D."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras.backend.config import standardize_data_format
from tahr.keras.layers.input_spec import InputSpec
from tahr.keras.layers.layer import Layer
from tahr.keras.layers.spatial import int_tuple


class _UpSampling(Layer):
    """Repeats the places of `rank` axes."""

    def __init__(self, rank: int, size: Any, data_format: str | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = standardize_data_format(data_format)
        self.size: Any = size
        self.input_spec = InputSpec(ndim=rank + 2)

    def _factors(self) -> list[int]:
        sizes = list(self.size) if isinstance(self.size, tuple) else [self.size]
        return [1, *sizes, 1] if self.data_format == "channels_last" else [1, 1, *sizes]

    def call(self, inputs: Any) -> Any:
        """`inputs`, each place several times."""
        for axis, factor in enumerate(self._factors()):
            if factor > 1:
                inputs = ops.repeat(inputs, factor, axis=axis)
        return inputs

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """The shape of the outputs for inputs of this shape."""
        return tuple(None if d is None else d * f for d, f in zip(input_shape, self._factors()))

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {**super().get_config(), "size": self.size, "data_format": self.data_format}


class UpSampling1D(_UpSampling):
    """Repeats each step `size` times.

    Args:
        size: how often.

    Shapes: (batch, time, channels) to (batch, time * size, channels).

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.UpSampling1D(2)(np.array([[[1.0], [2.0]]])).numpy().ravel().tolist()
    [1.0, 1.0, 2.0, 2.0]
    """

    def __init__(self, size: int = 2, **kwargs: Any) -> None:
        super().__init__(1, int_tuple(size, 1, "size", type(self).__name__)[0], "channels_last", **kwargs)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        config = super().get_config()
        del config["data_format"]
        return config


class UpSampling2D(_UpSampling):
    """Enlarges images by whole factors.

    Args:
        size: the factors of height and width, or one integer for both.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.
        interpolation: "nearest", which repeats rows and columns, "bilinear", "bicubic", "lanczos3" or "lanczos5".

    Shapes: (batch, height, width, channels) to (batch, height * size[0], width * size[1], channels),
        or with the channels
        after the batch.

    Raises:
        ValueError: for an interpolation that is not available.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.UpSampling2D((1, 3))(np.ones((2, 6, 6, 3))).shape
    (2, 6, 18, 3)
    """

    def __init__(
        self, size: Any = (2, 2), data_format: str | None = None, interpolation: str = "nearest", **kwargs: Any
    ) -> None:
        super().__init__(2, int_tuple(size, 2, "size", type(self).__name__), data_format, **kwargs)
        self.interpolation = interpolation.lower()
        if self.interpolation not in ops.image.RESIZE_INTERPOLATIONS:
            raise ValueError(
                f"[{type(self).__name__}] expected interpolation to be one of {ops.image.RESIZE_INTERPOLATIONS}, "
                f"received {interpolation!r}."
            )

    def call(self, inputs: Any) -> Any:
        """`inputs`, enlarged."""
        if self.interpolation == "nearest":
            return super().call(inputs)
        axis = 1 if self.data_format == "channels_last" else 2
        height, width = inputs.shape[axis : axis + 2]
        if height is None or width is None:
            raise ValueError(
                f"[{self.name}] expected inputs of known height and width for interpolation={self.interpolation!r}, "
                f"received shape {inputs.shape}."
            )
        size = (height * self.size[0], width * self.size[1])
        return ops.image.resize(inputs, size, self.interpolation, data_format=self.data_format)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {**super().get_config(), "interpolation": self.interpolation}


class UpSampling3D(_UpSampling):
    """Repeats the places of each of three axes.

    Args:
        size: how often along each axis, or one integer for all.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.UpSampling3D(2)(np.ones((2, 3, 3, 3, 1))).shape
    (2, 6, 6, 6, 1)
    """

    def __init__(self, size: Any = (2, 2, 2), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(3, int_tuple(size, 3, "size", type(self).__name__), data_format, **kwargs)
