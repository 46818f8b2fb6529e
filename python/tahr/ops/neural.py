"""Functions of neural networks whose arguments differ in order or kind from those of the table's ops."""

from __future__ import annotations

import math
from typing import Any

from tahr import _C
from tahr.ops.core import convert_to_tensor
from tahr.tensor import Tensor

__all__ = ["batch_normalization", "dot_product_attention"]


def batch_normalization(
    x: Any, mean: Any, variance: Any, axis: int, offset: Any = None, scale: Any = None, epsilon: float = 0.001
) -> Tensor:
    """Normalises by given moments: ``(x - mean) / sqrt(variance + epsilon) * scale + offset``.

    Args:
        x: tensor with channels at `axis`.
        mean: (channels,).
        variance: (channels,).
        axis: the axis of the channels.
        offset: (channels,), or None for 0.
        scale: (channels,), or None for 1.
        epsilon: added to the variance.

    Returns:
        A tensor of the shape and dtype of x.

    Raises:
        ValueError: if the shapes do not fit.

    Example:
        >>> import tahr
        >>> tahr.ops.batch_normalization([[3.0]], [1.0], [4.0], axis=-1, epsilon=0.0).numpy()
        array([[1.]], dtype=float32)
    """
    return _C.ops.normalize_by_moments(x, mean, variance, offset, scale, axis=axis, epsilon=epsilon)


def dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    scale: float | None = None,
    is_causal: bool = False,
    flash_attention: bool | None = None,
    attn_logits_soft_cap: float | None = None,
) -> Tensor:
    """Attention of every head: ``softmax(scale * query @ key.T + bias) @ value``.

    The scores are computed tile by tile and never stored whole.

    Args:
        query: (batch, t, n, h): n heads of size h.
        key: (batch, s, k, h); k divides n, and n / k heads of the query share one head of the key.
        value: (batch, s, k, v).
        bias: added to the scores; broadcast to (batch, n, t, s).
        mask: boolean, True where a pair of query and key counts; broadcast to (batch, n, t, s). A query for which
            nothing counts takes the mean of all values.
        scale: factor of the scores; 1 / sqrt(h) if None.
        is_causal: query i sees keys 0 to i only.
        flash_attention: None and True say the same: tiles. False stores the scores.
        attn_logits_soft_cap: scores become ``cap * tanh(scores / cap)`` before bias and mask; this stores them.

    Returns:
        (batch, t, n, v), of the dtype of the inputs. Halves are computed in float32; on a GPU, probabilities enter the
        product with the values as halves.

    Raises:
        ValueError: if the shapes do not fit, or both tiles and a cap are asked for.

    Example:
        >>> import tahr
        >>> q = tahr.ops.ones((1, 2, 1, 4))
        >>> v = tahr.ops.reshape([1.0, 3.0], (1, 2, 1, 1))
        >>> tahr.ops.dot_product_attention(q, q, v, is_causal=True).numpy().ravel().tolist()
        [1.0, 2.0]

    Source: Vaswani et al., "Attention is all you need", 2017.
    """
    query, key, value = convert_to_tensor(query), convert_to_tensor(key), convert_to_tensor(value)
    dtype = _result_dtype(query, key, value)
    query, key, value = _as(query, dtype), _as(key, dtype), _as(value, dtype)
    if bias is not None:
        bias = convert_to_tensor(bias)
        bias = _of_rank_4(
            bias if bias.dtype.name == dtype else _as(bias, "float64" if dtype == "float64" else "float32")
        )
    if mask is not None:
        mask = _of_rank_4(_as(convert_to_tensor(mask), "bool"))
    if scale is None:
        scale = 1.0 / math.sqrt(query.shape[-1]) if len(query.shape) == 4 and query.shape[-1] else 1.0
    if attn_logits_soft_cap is not None and flash_attention:
        raise ValueError(
            "[dot_product_attention] expected flash_attention=None or False together with attn_logits_soft_cap, "
            f"received {flash_attention}."
        )
    if attn_logits_soft_cap is not None or flash_attention is False:
        wide = "float64" if dtype == "float64" else "float32"
        query, key, value = _as(query, wide), _as(key, wide), _as(value, wide)
        out = _with_scores(query, key, value, bias, mask, float(scale), is_causal, attn_logits_soft_cap)
        return _as(out, dtype)
    return _C.ops.attention(query, key, value, bias, mask, scale=float(scale), causal=bool(is_causal))[0]


def _result_dtype(*tensors: Tensor) -> str:
    dtype = tensors[0].dtype.name
    for t in tensors[1:]:
        if t.dtype.name != dtype:
            dtype = _C.promote(dtype, False, t.dtype.name, False)
    return dtype if "float" in dtype else "float32"


def _as(x: Tensor, dtype: str) -> Tensor:
    return x if x.dtype.name == dtype else _C.ops.cast(x, dtype)


def _of_rank_4(x: Tensor) -> Tensor:
    return x if len(x.shape) >= 4 else _C.ops.reshape(x, (1,) * (4 - len(x.shape)) + tuple(x.shape))


def _with_scores(
    query: Tensor, key: Tensor, value: Tensor, bias: Any, mask: Any, scale: float, is_causal: bool, cap: float | None
) -> Tensor:
    ops = _C.ops
    (b, t, n, h), (s, k) = query.shape, key.shape[1:3]
    q = ops.reshape(ops.transpose(query, (0, 2, 1, 3)), (b, k, n // k, t, h))
    keys = ops.expand_dims(ops.transpose(key, (0, 2, 1, 3)), 2)
    values = ops.expand_dims(ops.transpose(value, (0, 2, 1, 3)), 2)
    scores = ops.reshape(ops.matmul(q, ops.swapaxes(keys, -1, -2)), (b, n, t, s)) * scale
    if cap is not None:
        scores = ops.tanh(scores / cap) * cap
    if bias is not None:
        scores = scores + bias
    if is_causal:
        causal = ops.greater_equal(ops.reshape(ops.arange(t), (t, 1)), ops.reshape(ops.arange(s), (1, s)))
        mask = causal if mask is None else ops.logical_and(mask, causal)
    if mask is not None:
        least = -0.7 * (1.7976931348623157e308 if str(scores.dtype) == "float64" else 3.4028234663852886e38)
        scores = ops.where(mask, scores, least)
    probabilities = ops.reshape(ops.softmax(scores), (b, k, n // k, t, s))
    out = ops.reshape(ops.matmul(probabilities, values), (b, n, t, value.shape[-1]))
    return ops.transpose(out, (0, 2, 1, 3))
