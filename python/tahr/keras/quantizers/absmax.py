"""Quantizers: from floats to integers and a scale, by the largest magnitude or by the range of a group."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tahr import ops
from tahr.keras.backend import config
from tahr.keras.backend.dtypes import standardize_dtype

_INT8 = (-127, 127)
_INT4 = (-8, 7)


class Quantizer:
    """What makes integers of floats: the base class, which returns its input.

    Args:
        output_dtype: dtype of the integers.
    """

    _keras_module = "keras"

    def __init__(self, output_dtype: str = "int8") -> None:
        self.output_dtype = output_dtype

    def __call__(self, x: Any) -> Any:
        """The quantized `x`."""
        return x

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Quantizer:
        """The quantizer that `get_config` described."""
        return cls(**config)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the quantizer; subclasses implement it."""
        raise NotImplementedError(
            f"[{type(self).__name__}] expected get_config() to be implemented, found none. Return the arguments of "
            "__init__ from it."
        )


class AbsMaxQuantizer(Quantizer):
    """Scales by the largest magnitude along axes, so that zero stays zero: see `abs_max_quantize`.

    Args:
        axis: axes over which one scale holds; the call may give others; the last one if neither does.
        value_range: smallest and largest integer.
        epsilon: added to the largest magnitude, so that zeros can be divided by it.
        output_dtype: dtype of the integers.

    Raises:
        ValueError: if `value_range` does not fit into int8 where that is the dtype.

    >>> import numpy as np
    >>> from tahr import keras
    >>> q, scale = keras.quantizers.AbsMaxQuantizer(axis=-1)(np.array([[0.5, -1.0], [0.2, 0.1]]))
    >>> q.numpy().tolist(), np.round(scale.numpy(), 1).tolist()
    ([[63, -127], [127, 63]], [[127.0], [635.0]])
    """

    def __init__(
        self,
        axis: Any = None,
        value_range: tuple[int, int] = _INT8,
        epsilon: float = config.epsilon(),
        output_dtype: str = "int8",
    ) -> None:
        super().__init__(output_dtype=output_dtype)
        self.axis = (axis,) if isinstance(axis, int) else None if axis is None else tuple(axis)
        self.value_range = value_range
        self.epsilon = epsilon
        if output_dtype == "int8" and (value_range[0] < -128 or value_range[1] > 127):
            raise ValueError(
                f"[AbsMaxQuantizer] expected value_range within [-128, 127] for output_dtype='int8', received "
                f"value_range={value_range}."
            )

    def __call__(self, x: Any, axis: Any = None, to_numpy: bool = False) -> Any:
        """The integers and the scale.

        Args:
            x: floats.
            axis: axes over which one scale holds, in place of those of the quantizer.
            to_numpy: whether NumPy computes.

        Returns:
            (integers of the shape of `x`, scale with size 1 along `axis`); the integers over the scale are about `x`.
        """
        axis = next((a for a in (axis, self.axis) if a is not None), -1)
        return abs_max_quantize(x, axis, self.value_range, self.output_dtype, self.epsilon, to_numpy)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the quantizer."""
        arguments = {"value_range": self.value_range, "epsilon": self.epsilon, "output_dtype": self.output_dtype}
        return arguments if self.axis is None else {**arguments, "axis": self.axis}


def abs_max_quantize(
    inputs: Any,
    axis: Any,
    value_range: tuple[int, int] = _INT8,
    dtype: Any = "int8",
    epsilon: float = config.epsilon(),
    to_numpy: bool = False,
) -> tuple[Any, Any]:
    """Integers `round(scale x)` with `scale = value_range[1] / (max |x| + epsilon)`.

    Args:
        inputs: floats.
        axis: axis or axes over which one scale holds.
        value_range: smallest and largest integer.
        dtype: dtype of the integers.
        epsilon: added to the largest magnitude.
        to_numpy: whether NumPy computes.

    Returns:
        (integers of the shape of `inputs`, scale with size 1 along `axis` and the dtype of `inputs`).

    >>> import numpy as np
    >>> from tahr import keras
    >>> q, scale = keras.quantizers.abs_max_quantize(np.array([[0.5, -1.0], [0.2, 0.1]]), axis=0)
    >>> q.numpy().tolist()
    [[127, -127], [51, 13]]
    """
    low, high = value_range
    if to_numpy:
        source = standardize_dtype(inputs.dtype)
        x = _array(inputs)
        axes = axis if isinstance(axis, int) else tuple(axis)
        scale = np.divide(high, np.max(np.abs(x), axis=axes, keepdims=True) + x.dtype.type(epsilon), dtype=x.dtype)
        q = np.clip(np.round(x * scale), low, high).astype(dtype)
        return ops.convert_to_tensor(q), ops.cast(ops.convert_to_tensor(scale), source)
    x = ops.convert_to_tensor(inputs)
    scale = ops.divide(high, ops.add(ops.max(ops.abs(x), axis=axis, keepdims=True), epsilon))
    scale = ops.cast(scale, x.dtype)
    return ops.cast(ops.clip(ops.round(ops.multiply(x, scale)), low, high), dtype), scale


def abs_max_quantize_grouped_with_zero_point(
    inputs: Any,
    block_size: int,
    value_range: tuple[int, int] = _INT4,
    dtype: Any = "int8",
    epsilon: float = config.epsilon(),
    to_numpy: bool = False,
) -> tuple[Any, Any, Any]:
    """Integers with a scale and a zero point for every `block_size` rows of each column.

    A group's range is that of its values and zero, cut into equal steps: `q = round(x / scale) + zero`, so that
    `(q - zero) scale` is about `x`. The last group may be smaller.

    Args:
        inputs: floats, (rows, columns).
        block_size: rows of a group.
        value_range: smallest and largest integer.
        dtype: dtype of the integers.
        epsilon: added to the range, so that zeros can be divided by it.
        to_numpy: whether NumPy computes.

    Returns:
        (integers, (rows, columns); scale, (groups, columns); zero points as int8, (groups, columns)).

    Raises:
        ValueError: if `inputs` is not a matrix.

    >>> import numpy as np
    >>> from tahr import keras
    >>> x = np.array([[0.0], [1.5], [-0.5], [1.0]], dtype="float32")
    >>> q, scale, zero = keras.quantizers.abs_max_quantize_grouped_with_zero_point(x, block_size=2)
    >>> q.numpy().ravel().tolist(), zero.numpy().ravel().tolist(), scale.numpy().ravel().round(3)
    ([-8, 7, -8, 7], [-8, -3], array([0.1, 0.1], dtype=float32))
    """
    if len(inputs.shape) != 2:
        raise ValueError(
            "[abs_max_quantize_grouped_with_zero_point] expected inputs of shape (rows, columns), received shape "
            f"{tuple(inputs.shape)}."
        )
    source = standardize_dtype(inputs.dtype)
    x: Any = _array(inputs) if to_numpy else ops.convert_to_tensor(inputs)
    on: Any = np if to_numpy else ops
    low, high = value_range
    rows, columns = x.shape
    groups = math.ceil(rows / block_size)
    x = on.pad(x, ((0, groups * block_size - rows), (0, 0)))
    x = on.reshape(x, (groups, block_size, columns))
    least = on.minimum(on.min(x, axis=1), 0)
    most = on.maximum(on.max(x, axis=1), 0)
    scale = (most - least + epsilon) / (high - low)
    zero = on.clip(on.round(-least / scale) + low, low, high)
    q = on.round(x / on.expand_dims(scale, 1)) + on.expand_dims(zero, 1)
    q = on.reshape(on.clip(q, low, high), (groups * block_size, columns))[:rows]
    q, scale, zero = (ops.convert_to_tensor(t) for t in (q, scale, zero))
    return ops.cast(q, dtype), ops.cast(scale, source), ops.cast(zero, "int8")


def dequantize_groups(weights: Any, scale: Any, zero: Any, group_of: Any, axis: int = -1) -> Any:
    """`(weights - zero) scale` with scale and zero point of each group taken along `axis`.

    Args:
        weights: integers.
        scale: scales, of size `groups` along `axis`.
        zero: zero points, likewise.
        group_of: the group of each position along `axis`, as a vector of any numeric dtype.
        axis: the axis that is cut into groups.
    """
    index = ops.cast(group_of, "int32")
    scale = ops.take(scale, index, axis=axis)
    zero = ops.cast(ops.take(zero, index, axis=axis), scale.dtype)
    return ops.multiply(ops.subtract(ops.cast(weights, scale.dtype), zero), scale)


def _array(x: Any) -> np.ndarray:
    """`x` as an array that NumPy computes with: halves as float32."""
    array = np.asarray(ops.convert_to_numpy(x))
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float32)
