"""MaxPooling1D-3D and AveragePooling1D-3D."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras.backend.config import standardize_data_format
from tahr.keras.layers.input_spec import InputSpec
from tahr.keras.layers.layer import Layer
from tahr.keras.layers.spatial import int_tuple, padding_name, spatial_sizes, windows, with_spatial_sizes


class BasePooling(Layer):
    """Something taken over windows along `rank` axes; subclasses set the rank and the op."""

    _op = staticmethod(ops.max_pool)

    def __init__(
        self,
        rank: int,
        pool_size: Any,
        strides: Any,
        padding: str,
        data_format: str | None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        kind = type(self).__name__
        self.pool_size = int_tuple(pool_size, rank, "pool_size", kind)
        self.strides = self.pool_size if strides is None else int_tuple(strides, rank, "strides", kind)
        self.padding = padding_name(padding, kind)
        self.data_format = standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=rank + 2)
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        """The pooled `inputs`."""
        return self._op(
            inputs,
            pool_size=self.pool_size,
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
        )

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """The shape of the outputs for inputs of this shape."""
        sizes = spatial_sizes(input_shape, self.data_format)
        counts = [
            windows(n, k, s, self.padding, layer=self.name) for n, k, s in zip(sizes, self.pool_size, self.strides)
        ]
        channels = input_shape[-1 if self.data_format == "channels_last" else 1]
        return with_spatial_sizes(input_shape, counts, channels, self.data_format)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {
            **super().get_config(),
            "pool_size": self.pool_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
        }


class MaxPooling1D(BasePooling):
    """The maximum of each channel over windows along one axis, such as time.

    Args:
        pool_size: size of the window, an integer or one per axis.
        strides: distance between neighbouring windows, likewise; None for `pool_size`.
        padding: "valid" (windows inside the input only) or "same" (as many windows as strides fit; what lies outside
            the input does not count).
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.
        name: name.

    Shapes: (batch, time, channels) to (batch, new time, channels), or with the channels after the batch.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.MaxPooling1D(2)(np.ones((2, 6, 3))).shape
    (2, 3, 3)
    """

    _op = staticmethod(ops.max_pool)

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(1, pool_size, strides, padding, data_format, name, **kwargs)


class MaxPooling2D(BasePooling):
    """The maximum of each channel over windows along two axes, as of images.

    Args:
        pool_size: size of the window, an integer or one per axis.
        strides: distance between neighbouring windows, likewise; None for `pool_size`.
        padding: "valid" (windows inside the input only) or "same" (as many windows as strides fit; what lies outside
            the input does not count).
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.
        name: name.

    Shapes: (batch, height, width, channels) to (batch, new height, width, channels),
        or with the channels after the batch.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.MaxPooling2D(2)(np.ones((2, 6, 6, 3))).shape
    (2, 3, 3, 3)
    """

    _op = staticmethod(ops.max_pool)

    def __init__(
        self,
        pool_size: Any = (2, 2),
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(2, pool_size, strides, padding, data_format, name, **kwargs)


class MaxPooling3D(BasePooling):
    """The maximum of each channel over windows along three axes, as of volumes or films.

    Args:
        pool_size: size of the window, an integer or one per axis.
        strides: distance between neighbouring windows, likewise; None for `pool_size`.
        padding: "valid" (windows inside the input only) or "same" (as many windows as strides fit; what lies outside
            the input does not count).
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.
        name: name.

    Shapes: (batch, depth, height, width, channels) to (batch, new depth, height, width, channels),
        or with the channels after the batch.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.MaxPooling3D(2)(np.ones((2, 6, 6, 6, 3))).shape
    (2, 3, 3, 3, 3)
    """

    _op = staticmethod(ops.max_pool)

    def __init__(
        self,
        pool_size: Any = (2, 2, 2),
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(3, pool_size, strides, padding, data_format, name, **kwargs)


class AveragePooling1D(BasePooling):
    """The mean of each channel over windows along one axis, such as time.

    Args:
        pool_size: size of the window, an integer or one per axis.
        strides: distance between neighbouring windows, likewise; None for `pool_size`.
        padding: "valid" (windows inside the input only) or "same" (as many windows as strides fit; what lies outside
            the input does not count).
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.
        name: name.

    Shapes: (batch, time, channels) to (batch, new time, channels), or with the channels after the batch.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.AveragePooling1D(2)(np.ones((2, 6, 3))).shape
    (2, 3, 3)
    """

    _op = staticmethod(ops.average_pool)

    def __init__(
        self,
        pool_size: Any,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(1, pool_size, strides, padding, data_format, name, **kwargs)


class AveragePooling2D(BasePooling):
    """The mean of each channel over windows along two axes, as of images.

    Args:
        pool_size: size of the window, an integer or one per axis.
        strides: distance between neighbouring windows, likewise; None for `pool_size`.
        padding: "valid" (windows inside the input only) or "same" (as many windows as strides fit; what lies outside
            the input does not count).
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.
        name: name.

    Shapes: (batch, height, width, channels) to (batch, new height, width, channels),
        or with the channels after the batch.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.AveragePooling2D(2)(np.ones((2, 6, 6, 3))).shape
    (2, 3, 3, 3)
    """

    _op = staticmethod(ops.average_pool)

    def __init__(
        self,
        pool_size: Any,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(2, pool_size, strides, padding, data_format, name, **kwargs)


class AveragePooling3D(BasePooling):
    """The mean of each channel over windows along three axes, as of volumes or films.

    Args:
        pool_size: size of the window, an integer or one per axis.
        strides: distance between neighbouring windows, likewise; None for `pool_size`.
        padding: "valid" (windows inside the input only) or "same" (as many windows as strides fit; what lies outside
            the input does not count).
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.
        name: name.

    Shapes: (batch, depth, height, width, channels) to (batch, new depth, height, width, channels),
        or with the channels after the batch.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.AveragePooling3D(2)(np.ones((2, 6, 6, 6, 3))).shape
    (2, 3, 3, 3, 3)
    """

    _op = staticmethod(ops.average_pool)

    def __init__(
        self,
        pool_size: Any,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(3, pool_size, strides, padding, data_format, name, **kwargs)
