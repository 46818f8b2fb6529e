"""Random tensors. Each call draws from Philox at (seed, counter): the same seed gives the same numbers on any number
of threads. Without a seed the process-wide generator is used, which `set_seed` restarts.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from tahr import _C
from tahr.tensor import Tensor

__all__ = [
    *("beta", "binomial", "categorical", "dropout", "gamma", "normal", "randint", "set_seed", "shuffle"),
    *("stateless_normal", "stateless_uniform", "truncated_normal", "uniform", "next_seed"),
]


class _Generator:
    """The process-wide stream: a seed, drawn from the system until `set_seed`, and the number of calls so far.

    They are kept in a variable, so that a traced function draws new numbers at each call, from the same stream.
    """

    def __init__(self) -> None:
        self._state: Any = None

    def restart(self, seed: int) -> None:
        # Now, in the middle of a trace too; and in the variable that earlier traces know.
        pair = _C.to_tensor(np.array([seed, -1], dtype=np.int64), None, "[set_seed] the seed")
        if self._state is None:
            self._state = _C.Variable(pair, "random_generator", False)
        else:
            _C.set_variable_value(self._state, pair)

    def next(self) -> Tensor:
        if self._state is None:
            self.restart(int.from_bytes(os.urandom(7), "little"))
        return _C.ops.assign_add(self._state._handle, _ONE_DRAW)


_ONE_DRAW = _C.to_tensor(np.array([0, 1], dtype=np.int64), None, "[random]")
_generator = _Generator()


def set_seed(seed: int) -> None:
    """Restarts the process-wide generator.

    Example:
        >>> import tahr
        >>> tahr.random.set_seed(1); a = tahr.random.normal((2,)).numpy()
        >>> tahr.random.set_seed(1); b = tahr.random.normal((2,)).numpy()
        >>> bool((a == b).all())
        True
    """
    _generator.restart(int(seed))


def next_seed(seed: Any = None) -> Tensor:
    """The (seed, counter) pair of one draw: from a SeedGenerator, from an int (always the same), or the next one."""
    if seed is None:
        return _generator.next()
    if hasattr(seed, "next") and not isinstance(seed, (_C.Tensor, _C.Variable)):
        return _C.ops.cast(seed.next(), "int64")
    if isinstance(seed, (int, np.integer)):
        return _C.to_tensor(np.array([seed, 0], dtype=np.int64), None, "[random]")
    t = _C.ops.cast(_C.to_tensor(seed, None, "[random] the seed"), "int64")
    if t.shape != (2,):
        raise ValueError(f"[random] expected seed to be an int, a SeedGenerator or a pair, received shape {t.shape}.")
    return t


def _shape(shape: Any) -> tuple[int, ...]:
    return (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(int(d) for d in shape)


def normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Any = None, name: str | None = None
) -> Tensor:
    """Samples of the normal distribution.

    Arguments:
        shape: of the result.
        mean, stddev: of the distribution.
        dtype: floating-point; `floatx` if None.
        seed: an int, a SeedGenerator, or None for the process-wide generator.

    Example:
        >>> import tahr
        >>> tahr.random.normal((2, 3), seed=1).shape
        (2, 3)
    """
    return _C.ops.random_normal(next_seed(seed), shape=_shape(shape), mean=mean, stddev=stddev, dtype=dtype)


def truncated_normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Any = None, name: str | None = None
) -> Tensor:
    """Samples of the normal distribution, those beyond two standard deviations drawn again."""
    return _C.ops.random_truncated_normal(next_seed(seed), shape=_shape(shape), mean=mean, stddev=stddev, dtype=dtype)


def uniform(
    shape: Any,
    minval: float = 0.0,
    maxval: float | None = None,
    dtype: Any = None,
    seed: Any = None,
    name: str | None = None,
) -> Tensor:
    """Samples of the uniform distribution on [minval, maxval); integers for an integer dtype.

    Example:
        >>> import tahr
        >>> u = tahr.random.uniform((1000,), seed=1)
        >>> bool(tahr.ops.all((u >= 0) & (u < 1)))
        True
    """
    if dtype is not None and "int" in _C.dtype_name(dtype):
        if maxval is None:
            raise ValueError("[uniform] expected maxval for an integer dtype, received None.")
        return randint(shape, int(minval), int(maxval), dtype, seed)
    high = 1.0 if maxval is None else maxval
    return _C.ops.random_uniform(
        next_seed(seed), shape=_shape(shape), minval=float(minval), maxval=float(high), dtype=dtype
    )


def randint(shape: Any, minval: int, maxval: int, dtype: Any = "int32", seed: Any = None) -> Tensor:
    """Integers drawn uniformly from [minval, maxval)."""
    return _C.ops.random_randint(
        next_seed(seed), shape=_shape(shape), minval=int(minval), maxval=int(maxval), dtype=dtype
    )


def categorical(logits: Any, num_samples: int, dtype: Any = "int32", seed: Any = None) -> Tensor:
    """Class indices drawn with probabilities softmax(logits).

    Arguments:
        logits: of shape (batch, classes).
        num_samples: draws per row.

    Returns:
        Indices of shape (batch, num_samples).
    """
    logits = _C.to_tensor(logits, None, "[random_categorical]")
    if logits.ndim != 2:
        raise ValueError(f"[random_categorical] expected logits of shape (batch, classes), received {logits.shape}.")
    return _C.ops.random_categorical(next_seed(seed), logits, num_samples=num_samples, dtype=dtype or "int32")


def gamma(shape: Any, alpha: Any, dtype: Any = None, seed: Any = None) -> Tensor:
    """Samples of the gamma distribution of shape parameter `alpha`, a number or a tensor that broadcasts to `shape`."""
    return _C.ops.random_gamma(next_seed(seed), alpha, shape=_shape(shape), dtype=dtype)


def beta(shape: Any, alpha: Any, beta: Any, dtype: Any = None, seed: Any = None) -> Tensor:
    """Samples of the beta distribution."""
    return _C.ops.random_beta(next_seed(seed), alpha, beta, shape=_shape(shape), dtype=dtype)


def binomial(shape: Any, counts: Any, probabilities: Any, dtype: Any = None, seed: Any = None) -> Tensor:
    """Samples of the binomial distribution."""
    return _C.ops.random_binomial(next_seed(seed), counts, probabilities, shape=_shape(shape), dtype=dtype)


def shuffle(x: Any, axis: int = 0, seed: Any = None, name: str | None = None) -> Tensor:
    """The slices of `x` along `axis` in random order."""
    return _C.ops.random_shuffle(next_seed(seed), x, axis=axis)


def dropout(inputs: Any, rate: float, noise_shape: Any = None, seed: Any = None) -> Tensor:
    """Sets elements to zero with probability `rate` and scales the others by 1 / (1 - rate).

    Arguments:
        noise_shape: the shape in which elements are dropped together, broadcast to that of `inputs`.
    """
    return _C.ops.random_dropout(next_seed(seed), inputs, rate=rate, noise_shape=noise_shape)


def stateless_normal(shape: Any, seed: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = "float32") -> Tensor:
    """Normal samples that depend on the pair `seed` alone."""
    return normal(shape, mean, stddev, dtype, seed)


def stateless_uniform(
    shape: Any, seed: Any, minval: float = 0.0, maxval: float = 1.0, dtype: Any = "float32"
) -> Tensor:
    """Uniform samples that depend on the pair `seed` alone."""
    return uniform(shape, minval, maxval, dtype, seed)
