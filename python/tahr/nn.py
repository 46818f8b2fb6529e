"""Neural-network functions under TensorFlow's names: argument names as in `tf.nn`, the work done by `tahr.ops`."""

from __future__ import annotations

from typing import Any

from tahr import ops, random
from tahr.math import l2_normalize as l2_normalize
from tahr.tensor import Tensor

relu, relu6, selu, elu, sigmoid, tanh = ops.relu, ops.relu6, ops.selu, ops.elu, ops.sigmoid, ops.tanh
silu, swish, softplus, softsign = ops.silu, ops.silu, ops.softplus, ops.softsign
in_top_k, top_k = ops.in_top_k, ops.top_k


def softmax(logits: Any, axis: int = -1, name: str | None = None) -> Tensor:
    """exp(logits) normalised to sum to one along `axis`."""
    return ops.softmax(logits, axis=axis)


def log_softmax(logits: Any, axis: int = -1, name: str | None = None) -> Tensor:
    """The logarithm of softmax, computed without overflow."""
    return ops.log_softmax(logits, axis=axis)


def leaky_relu(features: Any, alpha: float = 0.2, name: str | None = None) -> Tensor:
    """The input where it is positive, `alpha` times it elsewhere."""
    return ops.leaky_relu(features, negative_slope=alpha)


def gelu(features: Any, approximate: bool = False, name: str | None = None) -> Tensor:
    """The Gaussian error linear unit; with `approximate` by its tanh form."""
    return ops.gelu(features, approximate=approximate)


def dropout(x: Any, rate: float, noise_shape: Any = None, seed: Any = None, name: str | None = None) -> Tensor:
    """Sets elements to zero with probability `rate` and scales the others by 1 / (1 - rate)."""
    return random.dropout(x, rate, noise_shape, seed)


def bias_add(value: Any, bias: Any, data_format: str | None = None, name: str | None = None) -> Tensor:
    """Adds a vector along the last axis."""
    if data_format not in (None, "N...C", "NHWC"):
        raise ValueError(f"[bias_add] expected data_format None or 'N...C', received {data_format!r}.")
    return ops.add(value, bias)


def softmax_cross_entropy_with_logits(labels: Any, logits: Any, axis: int = -1, name: str | None = None) -> Tensor:
    """The cross-entropy between label distributions and softmax(logits), computed stably: one value per example."""
    return ops.categorical_crossentropy(labels, logits, from_logits=True, axis=axis)


def sparse_softmax_cross_entropy_with_logits(labels: Any, logits: Any, name: str | None = None) -> Tensor:
    """As softmax_cross_entropy_with_logits, for labels given as class indices."""
    return ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)


def sigmoid_cross_entropy_with_logits(labels: Any = None, logits: Any = None, name: str | None = None) -> Tensor:
    """The elementwise cross-entropy between labels in [0, 1] and sigmoid(logits), computed stably."""
    return ops.binary_crossentropy(labels, logits, from_logits=True)


def l2_loss(t: Any, name: str | None = None) -> Tensor:
    """Half the sum of squares."""
    return ops.sum(ops.square(t)) * 0.5


def moments(x: Any, axes: Any, shift: Any = None, keepdims: bool = False, name: str | None = None) -> Any:
    """Mean and variance over `axes`. `shift`, once a numerical aid, must be None."""
    if shift is not None:
        raise ValueError("[moments] expected shift=None: the computation needs no shift.")
    return ops.moments(x, axes, keepdims=keepdims)


def conv2d(
    input: Any,
    filters: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NHWC",
    dilations: Any = None,
    name: str | None = None,
) -> Tensor:
    """2D convolution of images `input` with windows `filters` (height, width, channels, filters).

    Args:
        input: (batch, height, width, channels), or (batch, channels, height, width) for `data_format="NCHW"`.
        filters: the kernel.
        strides: a number, one per spatial axis, or one per axis of `input`.
        padding: "VALID" or "SAME".
        data_format: "NHWC" or "NCHW".
        dilations: as `strides`; 1 if None.
        name: unused by design: there is no graph to name.
    """
    layout = _layout(data_format, "conv2d")
    dilation = 1 if dilations is None else _spatial(dilations, layout, "dilations")
    return ops.conv(input, filters, _spatial(strides, layout, "strides"), padding.lower(), layout, dilation)


def max_pool(
    input: Any, ksize: Any, strides: Any, padding: str, data_format: str = "NHWC", name: str | None = None
) -> Tensor:
    """Maxima over 2D windows; arguments as in `conv2d`."""
    layout = _layout(data_format, "max_pool")
    window, step = _spatial(ksize, layout, "ksize"), _spatial(strides, layout, "strides")
    return ops.max_pool(input, window, step, padding.lower(), layout)


def avg_pool(
    input: Any, ksize: Any, strides: Any, padding: str, data_format: str = "NHWC", name: str | None = None
) -> Tensor:
    """Means over 2D windows; arguments as in `conv2d`."""
    layout = _layout(data_format, "avg_pool")
    window, step = _spatial(ksize, layout, "ksize"), _spatial(strides, layout, "strides")
    return ops.average_pool(input, window, step, padding.lower(), layout)


max_pool2d, avg_pool2d = max_pool, avg_pool


def _layout(data_format: str, op: str) -> str:
    if data_format not in ("NHWC", "NCHW"):
        raise ValueError(f"[{op}] expected data_format 'NHWC' or 'NCHW', received {data_format!r}.")
    return "channels_last" if data_format == "NHWC" else "channels_first"


def _spatial(value: Any, layout: str, argument: str) -> tuple[int, int]:
    """The two spatial entries of a number, a pair, or one number per axis."""
    sizes = (value,) * 2 if isinstance(value, int) else tuple(value)
    if len(sizes) == 1:
        sizes *= 2
    if len(sizes) == 4:
        sizes = sizes[1:3] if layout == "channels_last" else sizes[2:]
    if len(sizes) != 2:
        raise ValueError(f"[nn] expected {argument} as a number, a pair or 4 numbers, received {value!r}.")
    return sizes  # type: ignore[return-value]


def embedding_lookup(params: Any, ids: Any, max_norm: float | None = None, name: str | None = None) -> Tensor:
    """The rows of `params` at `ids`, each scaled down to `max_norm` if it is longer."""
    rows = ops.take(params, ids, axis=0)
    if max_norm is None:
        return rows
    norm = ops.sqrt(ops.sum(ops.square(rows), axis=-1, keepdims=True))
    return rows * ops.minimum(1.0, max_norm / ops.maximum(norm, 1e-12))
