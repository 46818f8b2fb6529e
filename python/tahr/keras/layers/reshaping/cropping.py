"""Cropping1D-3D."""

from __future__ import annotations

from typing import Any

from tahr.keras.backend.config import standardize_data_format
from tahr.keras.layers.input_spec import InputSpec
from tahr.keras.layers.layer import Layer
from tahr.keras.layers.spatial import int_pairs, int_tuple


class _Cropping(Layer):
    """Leaves out places at both ends of `rank` axes."""

    def __init__(self, rank: int, cropping: Any, data_format: str | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = standardize_data_format(data_format)
        self.cropping: Any = cropping
        self.input_spec = InputSpec(ndim=rank + 2)

    def _widths(self) -> list[tuple[int, int]]:
        """Places to leave out at the beginning and end of each axis."""
        pairs = list(self.cropping) if isinstance(self.cropping[0], tuple) else [self.cropping]
        return [(0, 0), *pairs, (0, 0)] if self.data_format == "channels_last" else [(0, 0), (0, 0), *pairs]

    def _check(self, shape: Any) -> None:
        if any(d is not None and sum(w) >= d and sum(w) > 0 for d, w in zip(shape, self._widths())):
            raise ValueError(
                f"[{self.name}] the `cropping` parameter of `{type(self).__name__}` layer must be smaller than each axis of "
                f"the input, received cropping={self.cropping} and shape {tuple(shape)}."
            )

    def call(self, inputs: Any) -> Any:
        """The middle of `inputs`."""
        self._check(inputs.shape)
        return inputs[tuple(slice(low, -high or None) for low, high in self._widths())]

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """The shape of the outputs for inputs of this shape."""
        self._check(input_shape)
        return tuple(None if d is None else d - sum(w) for d, w in zip(input_shape, self._widths()))

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {**super().get_config(), "cropping": self.cropping, "data_format": self.data_format}


class Cropping1D(_Cropping):
    """Leaves out places at the beginning and end of each of one axis, such as time.

    Args:
        cropping: places to leave out: a pair (beginning, end), or an integer for both.

    Raises:
        ValueError: if nothing would be left.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.Cropping1D(2)(np.ones((2, 6, 3))).shape
    (2, 2, 3)
    """

    def __init__(self, cropping: Any = (1, 1), **kwargs: Any) -> None:
        super().__init__(1, int_tuple(cropping, 2, "cropping", type(self).__name__, least=0), "channels_last", **kwargs)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        config = super().get_config()
        del config["data_format"]
        return config


class Cropping2D(_Cropping):
    """Leaves out places at the beginning and end of each of two axes, as of images.

    Args:
        cropping: places to leave out: a pair (beginning, end) per axis, an integer per axis, or one integer for all.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.

    Raises:
        ValueError: if nothing would be left.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.Cropping2D(2)(np.ones((2, 6, 6, 3))).shape
    (2, 2, 2, 3)
    """

    def __init__(self, cropping: Any = ((0, 0), (0, 0)), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(2, int_pairs(cropping, 2, "cropping", type(self).__name__), data_format, **kwargs)


class Cropping3D(_Cropping):
    """Leaves out places at the beginning and end of each of three axes, as of volumes or films.

    Args:
        cropping: places to leave out: a pair (beginning, end) per axis, an integer per axis, or one integer for all.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.

    Raises:
        ValueError: if nothing would be left.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.Cropping3D(2)(np.ones((2, 6, 6, 6, 3))).shape
    (2, 2, 2, 2, 3)
    """

    def __init__(self, cropping: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(3, int_pairs(cropping, 3, "cropping", type(self).__name__), data_format, **kwargs)
