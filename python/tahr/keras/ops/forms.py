"""Ops whose arguments in Keras are others than in the table: what `keras.ops` publishes in their place."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from tahr import ops


def _take(name: str, kwargs: dict[str, Any], known: str, default: Any) -> Any:
    """The argument `known`, which Keras hides in `**kwargs`; TypeError for any other."""
    value = kwargs.pop(known, default)
    if kwargs:
        raise TypeError(f"[{name}] expected no arguments beside those of its signature, received {sorted(kwargs)}.")
    return value


def matmul(x1: Any, x2: Any) -> Any:
    """The matrix product of the last two axes; axes before them broadcast, and vectors are rows or columns as needed.

    Args:
        x1: tensor (..., n, k) or (k,).
        x2: tensor (..., k, m) or (k,).

    Returns:
        Tensor (..., n, m), without the axis of a vector.

    >>> from tahr import keras
    >>> keras.ops.matmul([[1.0, 2.0]], [[3.0], [4.0]]).tolist()
    [[11.0]]
    """
    return ops.matmul(x1, x2)


def layer_normalization(
    x: Any, gamma: Any = None, beta: Any = None, axis: Any = -1, epsilon: float | None = None, **kwargs: Any
) -> Any:
    """Values minus their mean over `axis`, divided by their standard deviation, times `gamma` plus `beta`.

    Args:
        x: tensor.
        gamma, beta: tensors of the shape of the axes; None for 1 and 0.
        axis: axis or axes to normalise over.
        epsilon: what is added to the variance; `keras.config.epsilon()` if None.
        kwargs: `rms_scaling=True`, which leaves the mean in and is deprecated: `rms_normalization` is what is meant.

    Raises:
        TypeError: for other arguments.

    >>> from tahr import keras
    >>> keras.ops.layer_normalization([[1.0, 3.0]]).numpy().round(3).tolist()
    [[-1.0, 1.0]]
    """
    rms_scaling = bool(_take("layer_normalization", kwargs, "rms_scaling", False))
    if rms_scaling:
        warnings.warn(
            "[layer_normalization] rms_scaling=True divides by the standard deviation and leaves the mean in, which is "
            "deprecated. Use keras.ops.rms_normalization.",
            stacklevel=3,
        )
    return ops.layer_normalization(x, gamma, beta, axis=axis, epsilon=epsilon, rms_scaling=rms_scaling)


def multi_hot(
    inputs: Any, num_classes: int | None = None, axis: int = -1, dtype: Any = None, sparse: bool = False, **kwargs: Any
) -> Any:
    """1 for each class that occurs in a sample, 0 for the others.

    Args:
        inputs: integers (batch, length) or (length,).
        num_classes: number of classes.
        axis: where the axis of classes goes.
        dtype: of the result; `keras.config.floatx()` if None.
        sparse: False only.
        kwargs: `num_tokens`, the former name of `num_classes`.

    Raises:
        ValueError: without `num_classes`.
        TypeError: for other arguments.

    >>> from tahr import keras
    >>> keras.ops.multi_hot([[0, 2, 2]], 4, dtype="int32").tolist()
    [[1, 0, 1, 0]]
    """
    if num_classes is None:
        num_classes = kwargs.pop("num_tokens", None)
    _take("multi_hot", kwargs, "", None)
    if num_classes is None:
        raise ValueError("[multi_hot] Argument `num_classes` must be specified, received None.")
    return ops.multi_hot(inputs, num_classes, axis=axis, dtype=dtype, sparse=sparse)


def scatter_update(inputs: Any, indices: Any, updates: Any, reduction: str | None = None) -> Any:
    """A copy of a tensor with updates put in at the places that indices name.

    Args:
        inputs: tensor.
        indices: integers (..., k), coordinates on the first k axes.
        updates: tensor of shape indices.shape[:-1] + inputs.shape[k:].
        reduction: None (the last update of a place stays), "add", "mul", "max" or "min".

    Raises:
        ValueError: for another reduction.

    >>> from tahr import keras
    >>> keras.ops.scatter_update([1, 1, 1], [[1], [1]], [5, 6], reduction="add").tolist()
    [1, 12, 1]
    """
    if reduction is not None:
        reduction = reduction.lower()
    if reduction not in (None, "add", "mul", "max", "min"):
        raise ValueError(
            f"[scatter_update] expected reduction None, 'add', 'mul', 'max' or 'min', received {reduction!r}."
        )
    return ops.scatter_update(inputs, indices, updates, reduction=reduction)


def slice(inputs: Any, start_indices: Any, shape: Any) -> Any:
    """The part of a tensor that begins at `start_indices`.

    Args:
        inputs: tensor.
        start_indices: where the part begins on each axis: a sequence of ints or a tensor.
        shape: the shape of the part, -1 for all to the end: a sequence of ints, or an array of them.

    Raises:
        TypeError: if `shape` holds no integers.
        ValueError: if ranks differ.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.ops.slice([1, 2, 3, 4], [1], np.array([2])).tolist()
    [2, 3]
    """
    if isinstance(shape, np.ndarray) and shape.dtype.kind in "iu":
        shape = tuple(shape.tolist())
    return ops.slice(inputs, start_indices, shape)


FORMS = {form.__name__: form for form in (matmul, layer_normalization, multi_hot, scatter_update, slice)}
