"""GlobalMaxPooling1D-3D and GlobalAveragePooling1D-3D."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras.backend.config import standardize_data_format
from tahr.keras.layers.input_spec import InputSpec
from tahr.keras.layers.layer import Layer


class BaseGlobalPooling(Layer):
    """Something taken over all places of `rank` axes; subclasses set the rank and the reduction."""

    _reduce = staticmethod(ops.max)

    def __init__(self, rank: int, data_format: str | None, keepdims: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = standardize_data_format(data_format)
        self.keepdims = keepdims
        self.input_spec = InputSpec(ndim=rank + 2)
        self._axes = tuple(range(1, rank + 1)) if self.data_format == "channels_last" else tuple(range(2, rank + 2))
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        """The pooled `inputs`."""
        return self._reduce(inputs, axis=self._axes, keepdims=self.keepdims)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """(batch, channels), with ones in the pooled axes' places if `keepdims`."""
        if self.keepdims:
            return tuple(1 if i in self._axes else d for i, d in enumerate(input_shape))
        return tuple(d for i, d in enumerate(input_shape) if i not in self._axes)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {**super().get_config(), "data_format": self.data_format, "keepdims": self.keepdims}


class GlobalMaxPooling1D(BaseGlobalPooling):
    """The maximum of each channel over all places of one axis, such as time.

    Args:
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.
        keepdims: whether to keep the pooled axes, with one place each.

    Shapes: (batch, time, channels) to (batch, channels), or with the channels after the batch.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.GlobalMaxPooling1D()(np.ones((2, 6, 3))).shape
    (2, 3)
    """

    _reduce = staticmethod(ops.max)

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(1, data_format, keepdims, **kwargs)


class GlobalMaxPooling2D(BaseGlobalPooling):
    """The maximum of each channel over all places of two axes, as of images.

    Args:
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.
        keepdims: whether to keep the pooled axes, with one place each.

    Shapes: (batch, height, width, channels) to (batch, channels), or with the channels after the batch.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.GlobalMaxPooling2D()(np.ones((2, 6, 6, 3))).shape
    (2, 3)
    """

    _reduce = staticmethod(ops.max)

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(2, data_format, keepdims, **kwargs)


class GlobalMaxPooling3D(BaseGlobalPooling):
    """The maximum of each channel over all places of three axes, as of volumes or films.

    Args:
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.
        keepdims: whether to keep the pooled axes, with one place each.

    Shapes: (batch, depth, height, width, channels) to (batch, channels), or with the channels after the batch.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.GlobalMaxPooling3D()(np.ones((2, 6, 6, 6, 3))).shape
    (2, 3)
    """

    _reduce = staticmethod(ops.max)

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(3, data_format, keepdims, **kwargs)


class GlobalAveragePooling1D(BaseGlobalPooling):
    """The mean of each channel over all places of one axis, such as time.

    Args:
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.
        keepdims: whether to keep the pooled axes, with one place each.

    Shapes: (batch, time, channels) to (batch, channels), or with the channels after the batch.

    Steps that a mask of shape (batch, time) leaves out do not count.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.GlobalAveragePooling1D()(np.ones((2, 6, 3))).shape
    (2, 3)
    """

    _reduce = staticmethod(ops.mean)

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(1, data_format, keepdims, **kwargs)
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """The mean over the steps that `mask`, of shape (batch, time), marks; over all if it is None."""
        if mask is None:
            return super().call(inputs)
        marked = ops.cast(ops.expand_dims(mask, 2 if self.data_format == "channels_last" else 1), "bool")
        total = ops.sum(ops.where(marked, inputs, 0), axis=self._axes, keepdims=self.keepdims)
        return ops.divide(total, ops.sum(ops.cast(marked, inputs.dtype), axis=self._axes, keepdims=self.keepdims))

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """None: no steps are left."""
        return None


class GlobalAveragePooling2D(BaseGlobalPooling):
    """The mean of each channel over all places of two axes, as of images.

    Args:
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.
        keepdims: whether to keep the pooled axes, with one place each.

    Shapes: (batch, height, width, channels) to (batch, channels), or with the channels after the batch.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.GlobalAveragePooling2D()(np.ones((2, 6, 6, 3))).shape
    (2, 3)
    """

    _reduce = staticmethod(ops.mean)

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(2, data_format, keepdims, **kwargs)


class GlobalAveragePooling3D(BaseGlobalPooling):
    """The mean of each channel over all places of three axes, as of volumes or films.

    Args:
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.
        keepdims: whether to keep the pooled axes, with one place each.

    Shapes: (batch, depth, height, width, channels) to (batch, channels), or with the channels after the batch.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.GlobalAveragePooling3D()(np.ones((2, 6, 6, 6, 3))).shape
    (2, 3)
    """

    _reduce = staticmethod(ops.mean)

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(3, data_format, keepdims, **kwargs)
