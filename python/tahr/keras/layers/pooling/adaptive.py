"""AdaptiveMaxPooling1D-3D and AdaptiveAveragePooling1D-3D."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras.backend.config import standardize_data_format
from tahr.keras.layers.input_spec import InputSpec
from tahr.keras.layers.layer import Layer
from tahr.keras.layers.spatial import int_tuple, with_spatial_sizes


class BaseAdaptivePooling(Layer):
    """Something taken over `output_size` parts of each of `rank` axes; subclasses set the rank and the op."""

    _op = staticmethod(ops.adaptive_max_pool)

    def __init__(self, rank: int, output_size: Any, data_format: str | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.output_size = int_tuple(output_size, rank, "output_size", type(self).__name__)
        self.data_format = standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=rank + 2)
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        """The pooled `inputs`."""
        return self._op(inputs, output_size=self.output_size, data_format=self.data_format)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """The shape of the outputs for inputs of this shape."""
        channels = input_shape[-1 if self.data_format == "channels_last" else 1]
        return with_spatial_sizes(input_shape, self.output_size, channels, self.data_format)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {**super().get_config(), "output_size": self.output_size, "data_format": self.data_format}


class AdaptiveMaxPooling1D(BaseAdaptivePooling):
    """The maximum of each channel over nearly equal parts of one axis, such as time.

    The outputs have a given size, whatever that of the input.

    Args:
        output_size: number of parts, an integer or one per axis.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.

    Shapes: (batch, time, channels) to (batch, *output_size, channels),
        or with the channels after the batch.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.AdaptiveMaxPooling1D(4)(np.ones((2, 6, 3))).shape
    (2, 4, 3)
    """

    _op = staticmethod(ops.adaptive_max_pool)

    def __init__(self, output_size: Any, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(1, output_size, data_format, **kwargs)


class AdaptiveMaxPooling2D(BaseAdaptivePooling):
    """The maximum of each channel over nearly equal parts of two axes, as of images.

    The outputs have a given size, whatever that of the input.

    Args:
        output_size: number of parts, an integer or one per axis.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.

    Shapes: (batch, height, width, channels) to (batch, *output_size, channels),
        or with the channels after the batch.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.AdaptiveMaxPooling2D(4)(np.ones((2, 6, 6, 3))).shape
    (2, 4, 4, 3)
    """

    _op = staticmethod(ops.adaptive_max_pool)

    def __init__(self, output_size: Any, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(2, output_size, data_format, **kwargs)


class AdaptiveMaxPooling3D(BaseAdaptivePooling):
    """The maximum of each channel over nearly equal parts of three axes, as of volumes or films.

    The outputs have a given size, whatever that of the input.

    Args:
        output_size: number of parts, an integer or one per axis.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.

    Shapes: (batch, depth, height, width, channels) to (batch, *output_size, channels),
        or with the channels after the batch.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.AdaptiveMaxPooling3D(4)(np.ones((2, 6, 6, 6, 3))).shape
    (2, 4, 4, 4, 3)
    """

    _op = staticmethod(ops.adaptive_max_pool)

    def __init__(self, output_size: Any, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(3, output_size, data_format, **kwargs)


class AdaptiveAveragePooling1D(BaseAdaptivePooling):
    """The mean of each channel over nearly equal parts of one axis, such as time.

    The outputs have a given size, whatever that of the input.

    Args:
        output_size: number of parts, an integer or one per axis.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.

    Shapes: (batch, time, channels) to (batch, *output_size, channels),
        or with the channels after the batch.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.AdaptiveAveragePooling1D(4)(np.ones((2, 6, 3))).shape
    (2, 4, 3)
    """

    _op = staticmethod(ops.adaptive_average_pool)

    def __init__(self, output_size: Any, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(1, output_size, data_format, **kwargs)


class AdaptiveAveragePooling2D(BaseAdaptivePooling):
    """The mean of each channel over nearly equal parts of two axes, as of images.

    The outputs have a given size, whatever that of the input.

    Args:
        output_size: number of parts, an integer or one per axis.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.

    Shapes: (batch, height, width, channels) to (batch, *output_size, channels),
        or with the channels after the batch.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.AdaptiveAveragePooling2D(4)(np.ones((2, 6, 6, 3))).shape
    (2, 4, 4, 3)
    """

    _op = staticmethod(ops.adaptive_average_pool)

    def __init__(self, output_size: Any, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(2, output_size, data_format, **kwargs)


class AdaptiveAveragePooling3D(BaseAdaptivePooling):
    """The mean of each channel over nearly equal parts of three axes, as of volumes or films.

    The outputs have a given size, whatever that of the input.

    Args:
        output_size: number of parts, an integer or one per axis.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.

    Shapes: (batch, depth, height, width, channels) to (batch, *output_size, channels),
        or with the channels after the batch.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.AdaptiveAveragePooling3D(4)(np.ones((2, 6, 6, 6, 3))).shape
    (2, 4, 4, 4, 3)
    """

    _op = staticmethod(ops.adaptive_average_pool)

    def __init__(self, output_size: Any, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(3, output_size, data_format, **kwargs)
