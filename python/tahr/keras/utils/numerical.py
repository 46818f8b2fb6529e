"""Array helpers that tutorials lean on: one-hot labels, unit norms, padded sequences."""

from __future__ import annotations

from typing import Any

import numpy as np


def to_categorical(x: Any, num_classes: int | None = None) -> Any:
    """One-hot rows for integer labels.

    Args:
        x: labels from 0 to `num_classes - 1`, any shape; a last axis of size 1 is dropped.
        num_classes: length of the new last axis, by default the largest label plus one.

    Returns:
        NumPy array of shape `x.shape + (num_classes,)`, dtype floatx ("float64" is not widened to). Given a tensor: a
        tensor.

    Raises:
        ValueError: a label is negative, fractional or too large.

    Example:
        >>> from tahr import keras
        >>> keras.utils.to_categorical([2, 2, 0], num_classes=4)
        array([[0., 0., 1., 0.],
               [0., 0., 1., 0.],
               [1., 0., 0., 0.]], dtype=float32)
    """
    import tahr
    from tahr.keras.backend.config import floatx

    if isinstance(x, tahr.Tensor):
        return tahr.convert_to_tensor(to_categorical(np.asarray(x), num_classes))
    given = np.asarray(x)
    if given.dtype.kind not in "iufb":
        raise ValueError(
            f"[to_categorical] expected integer labels, received an array of dtype {given.dtype}. "
            "np.unique(labels, return_inverse=True) turns words into integers."
        )
    labels = given.astype("int64")
    if given.dtype.kind == "f" and not np.array_equal(labels, given):
        raise ValueError("[to_categorical] expected integer labels, received fractions or NaN.")
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    low, high = (int(labels.min()), int(labels.max())) if labels.size else (0, -1)
    if num_classes is None:
        num_classes = high + 1
    if low < 0 or high >= num_classes:
        raise ValueError(
            f"[to_categorical] expected labels from 0 to {num_classes - 1}, received labels from {low} to {high}. "
            "Shift the labels to start at 0 or raise num_classes."
        )
    result = np.zeros((labels.size, num_classes), dtype=floatx())
    result[np.arange(labels.size), labels.ravel()] = 1
    return result.reshape(*labels.shape, num_classes)


def normalize(x: Any, axis: int = -1, order: int = 2) -> Any:
    """Scales `x` to norm 1 along `axis`; slices of norm 0 stay 0.

    Args:
        x: array or tensor.
        axis: axis along which the norm is taken.
        order: order of the norm: 1, 2, ... or `np.inf`.

    Returns:
        Array of the shape of `x` (a tensor if `x` is one).

    Example:
        >>> from tahr import keras
        >>> keras.utils.normalize([[3.0, 4.0]])
        array([[0.6, 0.8]])
    """
    import tahr

    if isinstance(x, tahr.Tensor):
        norm = tahr.ops.norm(x, ord=order, axis=axis, keepdims=True)
        return x / tahr.ops.where(norm == 0, tahr.ops.ones_like(norm), norm)
    array = np.atleast_1d(np.asarray(x))
    if array.dtype.kind != "f":
        array = array.astype("float64")
    norms = np.atleast_1d(np.linalg.norm(array, order, axis))
    norms[norms == 0] = 1
    return array / np.expand_dims(norms, axis)


def pad_sequences(
    sequences: Any,
    maxlen: int | None = None,
    dtype: str = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> np.ndarray:
    """Brings sequences to one length by padding short ones and cutting long ones.

    Args:
        sequences: list of sequences; each of shape (steps, ...) with the same trailing shape.
        maxlen: length of the result, by default that of the longest sequence.
        dtype: dtype of the result; `object` to pad words.
        padding: "pre" puts the padding before, "post" after the sequence.
        truncating: "pre" drops the beginning, "post" the end of a sequence that is too long.
        value: what to pad with.

    Returns:
        Array of shape (number of sequences, maxlen, ...).

    Raises:
        ValueError: an unknown `padding` or `truncating`, something that has no length, differing trailing shapes.

    Example:
        >>> from tahr import keras
        >>> keras.utils.pad_sequences([[7, 8, 9], [5]], maxlen=2, padding="post")
        array([[8, 9],
               [5, 0]], dtype=int32)
    """
    for name, choice in (("padding", padding), ("truncating", truncating)):
        if choice not in ("pre", "post"):
            raise ValueError(f"[pad_sequences] expected {name} to be 'pre' or 'post', received {choice!r}.")
    if not hasattr(sequences, "__len__"):
        raise ValueError(
            f"[pad_sequences] expected sequences to be a list of sequences, received {type(sequences).__name__}."
        )
    for index, sequence in enumerate(sequences):
        if not hasattr(sequence, "__len__"):
            raise ValueError(
                f"[pad_sequences] expected sequences to be a list of sequences, received {sequence!r} at position "
                f"{index}."
            )
    lengths = [len(sequence) for sequence in sequences]
    if maxlen is None:
        maxlen = max(lengths, default=0)
    trailing: tuple[int, ...] = next((np.shape(s)[1:] for s in sequences if len(s)), ())
    kind = np.dtype(dtype)
    if isinstance(value, str) and kind.kind not in "USO":
        raise ValueError(
            f"[pad_sequences] expected a number as value for dtype {dtype}, received {value!r}. Pass dtype=object "
            f"to pad text."
        )
    result = np.full((len(lengths), maxlen, *trailing), value, dtype=kind)
    for index, sequence in enumerate(sequences):
        if not len(sequence):
            continue
        kept = sequence[max(0, len(sequence) - maxlen) :] if truncating == "pre" else sequence[:maxlen]
        kept = np.asarray(kept, dtype=kind)
        if kept.shape[1:] != trailing:
            raise ValueError(
                f"[pad_sequences] expected every sequence to have steps of shape {trailing}, received "
                f"{kept.shape[1:]} at "
                f"position {index}."
            )
        if padding == "pre":
            result[index, maxlen - len(kept) :] = kept
        else:
            result[index, : len(kept)] = kept
    return result
