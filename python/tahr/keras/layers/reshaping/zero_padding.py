"""ZeroPadding1D-3D."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras.backend.config import standardize_data_format
from tahr.keras.layers.input_spec import InputSpec
from tahr.keras.layers.layer import Layer
from tahr.keras.layers.spatial import int_pairs, int_tuple


class _ZeroPadding(Layer):
    """Zeros around `rank` axes."""

    def __init__(self, rank: int, padding: Any, data_format: str | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = standardize_data_format(data_format)
        self.padding: Any = padding
        self.input_spec = InputSpec(ndim=rank + 2)

    def _widths(self) -> list[tuple[int, int]]:
        """Places to add before and after each axis."""
        pairs = list(self.padding) if isinstance(self.padding[0], tuple) else [self.padding]
        return [(0, 0), *pairs, (0, 0)] if self.data_format == "channels_last" else [(0, 0), (0, 0), *pairs]

    def call(self, inputs: Any) -> Any:
        """`inputs` with zeros around."""
        return ops.pad(inputs, self._widths())

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """The shape of the outputs for inputs of this shape."""
        return tuple(None if d is None else d + sum(w) for d, w in zip(input_shape, self._widths()))

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {**super().get_config(), "padding": self.padding, "data_format": self.data_format}


class ZeroPadding1D(_ZeroPadding):
    """Puts zeros before and after each of one axis, such as time.

    Args:
        padding: places to add: a pair (before, after), or an integer for both.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.ZeroPadding1D(2)(np.ones((2, 6, 3))).shape
    (2, 10, 3)
    """

    def __init__(self, padding: Any = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(1, int_tuple(padding, 2, "padding", type(self).__name__, least=0), data_format, **kwargs)


class ZeroPadding2D(_ZeroPadding):
    """Puts zeros before and after each of two axes, as of images.

    Args:
        padding: places to add: a pair (before, after) per axis, an integer per axis, or one integer for all.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.ZeroPadding2D(2)(np.ones((2, 6, 6, 3))).shape
    (2, 10, 10, 3)
    """

    def __init__(self, padding: Any = (1, 1), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(2, int_pairs(padding, 2, "padding", type(self).__name__), data_format, **kwargs)


class ZeroPadding3D(_ZeroPadding):
    """Puts zeros before and after each of three axes, as of volumes or films.

    Args:
        padding: places to add: a pair (before, after) per axis, an integer per axis, or one integer for all.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.ZeroPadding3D(2)(np.ones((2, 6, 6, 6, 3))).shape
    (2, 10, 10, 10, 3)
    """

    def __init__(self, padding: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(3, int_pairs(padding, 3, "padding", type(self).__name__), data_format, **kwargs)
