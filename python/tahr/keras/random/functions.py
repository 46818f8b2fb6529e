"""The functions of `keras.random` that differ from those of `tahr.random`, which also take what TensorFlow 2 took."""

from __future__ import annotations

from typing import Any

from tahr import random
from tahr.keras.backend.dtypes import is_float_dtype, standardize_dtype


def _check(name: str, dtype: Any) -> Any:
    if dtype is not None and not is_float_dtype(standardize_dtype(dtype)):
        raise ValueError(
            f"[{name}] `keras.random.{name}` requires a floating point `dtype`, received {standardize_dtype(dtype)!r}. "
            "keras.random.randint draws integers."
        )
    return dtype


def normal(shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    """Samples of the normal distribution.

    Args:
        shape: of the result.
        mean, stddev: of the distribution.
        dtype: floating-point; `keras.config.floatx()` if None.
        seed: an int, a SeedGenerator, or None for the global generator.

    Raises:
        ValueError: for an integer dtype.

    >>> from tahr import keras
    >>> keras.random.normal((2, 3), seed=1).shape
    (2, 3)
    """
    return random.normal(shape, mean, stddev, _check("normal", dtype), seed)


def truncated_normal(shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    """Samples of the normal distribution, those beyond two standard deviations drawn again.

    Args:
        shape, mean, stddev, dtype, seed: as of `normal`.

    Raises:
        ValueError: for an integer dtype.

    >>> from tahr import keras
    >>> bool(keras.ops.max(keras.random.truncated_normal((1000,), seed=1)) <= 2)
    True
    """
    return random.truncated_normal(shape, mean, stddev, _check("truncated_normal", dtype), seed)


def uniform(shape: Any, minval: float = 0.0, maxval: float = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    """Samples of the uniform distribution on [minval, maxval).

    Args:
        shape: of the result.
        minval, maxval: the ends.
        dtype, seed: as of `normal`.

    Raises:
        ValueError: for an integer dtype.

    >>> from tahr import keras
    >>> bool(keras.ops.min(keras.random.uniform((1000,), 2, 3, seed=1)) >= 2)
    True
    """
    return random.uniform(shape, minval, maxval, _check("uniform", dtype), seed)


def shuffle(x: Any, axis: int = 0, seed: Any = None) -> Any:
    """The slices of `x` along `axis` in random order.

    Args:
        x: tensor.
        axis: the axis to shuffle along.
        seed: as of `normal`.

    >>> from tahr import keras
    >>> sorted(keras.random.shuffle([1, 2, 3]).tolist())
    [1, 2, 3]
    """
    return random.shuffle(x, axis, seed)
