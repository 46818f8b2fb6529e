"""The activation functions. Each takes a tensor of any shape and returns one of the same shape and dtype."""

from __future__ import annotations

from typing import Any

from tahr.keras import ops

__all__ = [
    "celu",
    "elu",
    "exponential",
    "gelu",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "swish",
    "tanh",
    "tanh_shrink",
    "threshold",
]


def relu(x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Any:
    """x at or above `threshold`, cut off at `max_value`; `negative_slope * (x - threshold)` below.

    >>> from tahr import keras
    >>> keras.activations.relu([-1.0, 2.0]).numpy()
    array([0., 2.], dtype=float32)
    """
    if threshold == 0.0:
        if max_value is None:
            return ops.relu(x) if negative_slope == 0.0 else ops.leaky_relu(x, negative_slope)
        if max_value == 6.0 and negative_slope == 0.0:
            return ops.relu6(x)
    x = ops.convert_to_tensor(x)
    below = ops.multiply(ops.minimum(ops.subtract(x, threshold), 0), negative_slope) if negative_slope else None
    above = ops.where(ops.greater(x, threshold), x, 0) if threshold else ops.relu(x)
    if max_value is not None:
        above = ops.clip(above, 0, max_value)
    return above if below is None else ops.add(above, below)


def leaky_relu(x: Any, negative_slope: float = 0.2) -> Any:
    """x if x > 0, else negative_slope * x."""
    return ops.leaky_relu(x, negative_slope=negative_slope)


def relu6(x: Any) -> Any:
    """min(max(x, 0), 6)."""
    return ops.relu6(x)


def softmax(x: Any, axis: Any = -1) -> Any:
    """exp(x) / sum(exp(x)) along `axis`: positive values that add up to 1.

    >>> from tahr import keras
    >>> keras.activations.softmax([[0.0, 0.0]]).numpy()
    array([[0.5, 0.5]], dtype=float32)
    """
    return ops.softmax(x, axis=axis)


def log_softmax(x: Any, axis: Any = -1) -> Any:
    """log(softmax(x)) along `axis`, computed without overflow."""
    return ops.log_softmax(x, axis=axis)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """x if x > 0, else alpha * (exp(x) - 1). Source: Clevert et al., 2016 (arXiv:1511.07289)."""
    return ops.elu(x, alpha=alpha)


def selu(x: Any) -> Any:
    """A scaled elu that keeps mean 0 and variance 1. Source: Klambauer et al., 2017 (arXiv:1706.02515)."""
    return ops.selu(x)


def celu(x: Any, alpha: float = 1.0) -> Any:
    """max(x, 0) + min(0, alpha * (exp(x / alpha) - 1)). Source: Barron, 2017 (arXiv:1704.07483)."""
    return ops.celu(x, alpha=alpha)


def glu(x: Any, axis: int = -1) -> Any:
    """a * sigmoid(b) for x cut into the halves a and b along `axis`. Source: arXiv:1612.08083."""
    return ops.glu(x, axis=axis)


def gelu(x: Any, approximate: bool = False) -> Any:
    """x times the normal distribution function of x; by tanh if `approximate`. Source: arXiv:1606.08415."""
    return ops.gelu(x, approximate=approximate)


def silu(x: Any) -> Any:
    """x * sigmoid(x). Source: Ramachandran et al., 2017 (arXiv:1710.05941)."""
    return ops.silu(x)


swish = silu


def hard_silu(x: Any) -> Any:
    """x * hard_sigmoid(x). Source: Howard et al., 2019 (arXiv:1905.02244)."""
    return ops.hard_silu(x)


hard_swish = hard_silu


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x))."""
    return ops.sigmoid(x)


def hard_sigmoid(x: Any) -> Any:
    """x / 6 + 1/2, kept within 0 and 1."""
    return ops.hard_sigmoid(x)


def log_sigmoid(x: Any) -> Any:
    """log(sigmoid(x)), computed without overflow."""
    return ops.log_sigmoid(x)


def sparse_sigmoid(x: Any) -> Any:
    """(x + 1) / 2, kept within 0 and 1."""
    return ops.sparse_sigmoid(x)


def tanh(x: Any) -> Any:
    """Hyperbolic tangent."""
    return ops.tanh(x)


def hard_tanh(x: Any) -> Any:
    """x, kept within -1 and 1."""
    return ops.hard_tanh(x)


def tanh_shrink(x: Any) -> Any:
    """x - tanh(x)."""
    return ops.tanh_shrink(x)


def hard_shrink(x: Any, threshold: float = 0.5) -> Any:
    """x where |x| > threshold, else 0."""
    return ops.hard_shrink(x, threshold=threshold)


def soft_shrink(x: Any, threshold: float = 0.5) -> Any:
    """x moved towards 0 by threshold, and 0 where |x| is at most that."""
    return ops.soft_shrink(x, threshold=threshold)


def threshold(x: Any, threshold: float, default_value: float) -> Any:
    """x where x > threshold, else default_value."""
    return ops.threshold(x, threshold, default_value)


def softplus(x: Any) -> Any:
    """log(1 + exp(x))."""
    return ops.softplus(x)


def softsign(x: Any) -> Any:
    """x / (1 + |x|)."""
    return ops.softsign(x)


def sparse_plus(x: Any) -> Any:
    """0 up to -1, x from 1 on, (x + 1)^2 / 4 between."""
    return ops.sparse_plus(x)


def squareplus(x: Any, b: float = 4) -> Any:
    """(x + sqrt(x^2 + b)) / 2. Source: Barron, 2021 (arXiv:2112.11687)."""
    return ops.squareplus(x, b=b)


def exponential(x: Any) -> Any:
    """exp(x)."""
    return ops.exp(x)


def mish(x: Any) -> Any:
    """x * tanh(softplus(x)). Source: Misra, 2019 (arXiv:1908.08681)."""
    return ops.multiply(x, ops.tanh(ops.softplus(x)))


def sparsemax(x: Any, axis: int = -1) -> Any:
    """The nearest point of the probability simplex along `axis`. Source: arXiv:1602.02068."""
    return ops.sparsemax(x, axis)


def linear(x: Any) -> Any:
    """x itself."""
    return x
