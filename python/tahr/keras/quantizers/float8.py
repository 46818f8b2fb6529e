"""8-bit floats: rounding to them, and the scales that keep values inside their range.

The engine keeps no 8-bit floats. Values are rounded to those that the format has and stay in their dtype, which gives
the same numbers as a conversion to and fro.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tahr import ops
from tahr.ops import host


class _Format(NamedTuple):
    mantissa: int  # bits behind the point
    least: int  # exponent of the smallest normal number
    most: float  # largest finite number
    beyond: float  # what larger numbers become


FORMATS = {
    "float8_e4m3fn": _Format(3, -6, 448.0, np.nan),
    "float8_e5m2": _Format(2, -14, 57344.0, np.inf),
}


def _round(x: np.ndarray, kind: str) -> list[np.ndarray]:
    form = FORMATS[kind]
    wide = x if x.dtype in (np.float32, np.float64) else x.astype(np.float32)
    exponent = np.maximum(np.frexp(wide)[1] - 1, form.least)
    step = np.ldexp(wide.dtype.type(1), exponent - form.mantissa)
    rounded = np.rint(wide / step) * step
    over = np.abs(rounded) > form.most
    rounded = np.where(over, np.copysign(wide.dtype.type(form.beyond), wide), rounded)
    return [np.ascontiguousarray(rounded.astype(x.dtype))]


host.define(
    "round_to_float8",
    infer=lambda x, kind: [x],
    run=_round,
    vjp=lambda inputs, outputs, cotangents, kind: [cotangents[0]],
)


def round_to_float8(x: Any, quantized_dtype: str) -> Any:
    """`x` rounded to the nearest numbers of an 8-bit float format (of two as near, the even one), in its own dtype.

    Numbers beyond the format's largest become infinite, or NaN where the format has no infinities. The derivative is 1.

    Args:
        x: floats.
        quantized_dtype: "float8_e4m3fn" or "float8_e5m2".

    Raises:
        ValueError: for another format.

    Source: Micikevicius et al., "FP8 formats for deep learning", 2022 (arXiv:2209.05433).

    >>> from tahr.keras.quantizers.float8 import round_to_float8
    >>> import numpy as np
    >>> round_to_float8(np.array([0.3, 17.0, 100.0], "float32"), "float8_e4m3fn").numpy().tolist()
    [0.3125, 16.0, 96.0]
    """
    if quantized_dtype not in FORMATS:
        raise ValueError(f"[round_to_float8] expected one of {tuple(FORMATS)}, received {quantized_dtype!r}.")
    return host.call("round_to_float8", [ops.convert_to_tensor(x)], kind=quantized_dtype)[0]


def quantize_and_dequantize(inputs: Any, scale: Any, quantized_dtype: str, compute_dtype: str) -> Any:
    """`inputs / scale` rounded to an 8-bit float format, times `scale`; what lies outside of the range is clipped.

    Args:
        inputs: floats.
        scale: a scalar.
        quantized_dtype: "float8_e4m3fn" or "float8_e5m2".
        compute_dtype: dtype of the computation.

    Raises:
        ValueError: for another format.

    >>> import numpy as np
    >>> from tahr import keras
    >>> x = np.array([0.3, 1000.0], "float32")
    >>> keras.quantizers.quantize_and_dequantize(x, 1.0, "float8_e4m3fn", "float32").numpy().tolist()
    [0.3125, 448.0]
    """
    if quantized_dtype not in FORMATS:
        raise ValueError(f"[quantize_and_dequantize] expected one of {tuple(FORMATS)}, received {quantized_dtype!r}.")
    most = FORMATS[quantized_dtype].most
    scale = ops.cast(scale, compute_dtype)
    x = ops.clip(ops.divide(ops.cast(inputs, compute_dtype), scale), -most, most)
    return ops.multiply(round_to_float8(x, quantized_dtype), scale)


def compute_float8_scale(amax: Any, scale: Any, dtype_max: Any, margin: int = 0) -> Any:
    """The scale that brings magnitudes up to `amax` into a format's range; the former one where `amax` says nothing.

    Args:
        amax: largest magnitude seen.
        scale: the former scale.
        dtype_max: the largest number of the format.
        margin: leaves so many powers of two unused.

    Returns:
        `amax 2^margin / dtype_max`, or `scale` where `amax` is 0 or not finite.

    >>> from tahr import keras
    >>> float(keras.quantizers.compute_float8_scale(896.0, 1.0, 448.0))
    2.0
    """
    amax = ops.convert_to_tensor(amax)
    factor = ops.divide(ops.divide(dtype_max, amax), 2**margin)
    usable = ops.logical_and(ops.greater(amax, 0), ops.isfinite(amax))
    return ops.reciprocal(ops.where(usable, factor, ops.reciprocal(ops.convert_to_tensor(scale))))


def compute_float8_amax_history(x: Any, amax_history: Any) -> Any:
    """The history moved on by a step, with the largest magnitude of `x` at its start.

    Args:
        x: the values of this step.
        amax_history: a vector.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.quantizers.compute_float8_amax_history(np.array([3.0, -5.0]), np.array([1.0, 2.0, 4.0])).numpy().tolist()
    [5.0, 4.0, 1.0]
    """
    history = ops.convert_to_tensor(amax_history)
    latest = ops.reshape(ops.cast(ops.max(ops.abs(x)), history.dtype), (1,))
    return ops.concatenate([latest, ops.roll(history, -1)[1:]], axis=0)
