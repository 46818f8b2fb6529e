"""Checks of what the user hands to `fit`, `evaluate` and `predict`, and the messages they read when it cannot work."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np


def check_numeric(array: np.ndarray, name: str, where: str) -> None:
    """Raises where `array` holds text or Python objects instead of numbers."""
    if array.dtype.kind in "USOMmV" and array.dtype.names is None and not _is_bfloat16(array):
        sample = f", for example {_plain(array.flat[0])!r}" if array.size else ""
        what = "text" if array.dtype.kind in "US" else f"values of NumPy dtype {array.dtype}"
        raise ValueError(
            f"[{where}] expected numbers in argument {name}, received {what} of shape {array.shape}{sample}. "
            "Encode it first: keras.layers.StringLookup or TextVectorization for words, integer labels with "
            "np.unique(labels, return_inverse=True), np.asarray(rows, dtype='float32') for rows of equal length."
        )


def check_real(array: np.ndarray, name: str, where: str) -> None:
    """Raises for complex numbers, of which no tensor consists."""
    if array.dtype.kind == "c":
        raise ValueError(
            f"[{where}] expected real numbers in argument {name}, received {array.dtype} of shape {array.shape}. Pass "
            "real and imaginary parts side by side, np.stack([x.real, x.imag], axis=-1), or np.abs(x)."
        )


def check_verbose(verbose: Any, where: str) -> None:
    """Raises unless `verbose` is one of the levels."""
    if verbose is not None and verbose != "auto" and not isinstance(verbose, (bool, int, np.integer)):
        raise ValueError(
            f"[{where}] expected verbose to be 0 (silent), 1 or 'auto' (a progress bar) or 2 (a line per epoch), received "
            f"{verbose!r}."
        )


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _is_bfloat16(array: np.ndarray) -> bool:
    return array.dtype.name == "bfloat16"


def check_epochs(epochs: Any, initial_epoch: Any) -> None:
    """Raises unless both are whole numbers. From one to an earlier one there is no epoch to run."""
    for name, value in (("epochs", epochs), ("initial_epoch", initial_epoch)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise ValueError(f"[fit] expected {name} to be an integer, received {value!r}.")


def check_lengths(named_lengths: list[tuple[str, int]], where: str) -> None:
    """Raises unless all arguments hold the same number of samples."""
    if len({length for _, length in named_lengths}) > 1:
        received = ", ".join(f"{name}: {length}" for name, length in named_lengths)
        raise ValueError(
            f"[{where}] expected the same number of samples (first axis) in every argument, received {received}. "
            "Check how the arrays were split or filtered: row i of each must belong to the same sample."
        )


def check_no_nan(array: np.ndarray, name: str, where: str) -> None:
    """Raises where targets hold NaN, which would turn the loss and then all weights into NaN."""
    if array.dtype.kind != "f" or array.size == 0:
        return
    with np.errstate(invalid="ignore", over="ignore"):
        if not np.isnan(array.sum(dtype="float64")):  # one pass, no temporary of the array's size
            return
    bad = np.isnan(array)
    count = int(bad.sum())
    if count:
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(
            f"[{where}] expected numbers in argument {name}, received NaN in {count} of {array.size} entries "
            f"(the first at index {first}). The loss and then every weight would become NaN: "
            "drop those samples, fill the gaps, or use an own loss function that masks them."
        )


def check_whole_labels(array: Any, name: str, where: str) -> None:
    """Raises where class ids are fractions: they would be cut to whole numbers."""
    labels = np.asarray(array)
    if labels.dtype.kind != "f" or labels.size == 0:
        return
    bad = labels != np.trunc(labels)
    if bad.any():
        raise ValueError(
            f"[{where}] expected class ids (whole numbers) in argument {name} for sparse_categorical_crossentropy, "
            f"received {float(labels[bad][0]):g}. For probabilities of classes use categorical_crossentropy, for "
            "quantities mean_squared_error."
        )


def check_binary_labels(array: Any, name: str, where: str) -> None:
    """Warns where targets of a binary cross-entropy fall outside 0..1: Keras computes on, but it measures nothing."""
    labels = np.asarray(array)
    if labels.size == 0 or labels.dtype.kind not in "iuf":
        return
    low, high = labels.min(), labels.max()
    if low < 0 or high > 1:
        hint = (
            "For classes -1 and 1 pass `(y + 1) / 2`, or use the hinge loss"
            if low == -1 and high <= 1
            else "For more than two classes use sparse_categorical_crossentropy and one output per class"
            if low >= 0
            else "Scale the targets, or use another loss"
        )
        warnings.warn(
            f"[{where}] expected labels from 0 to 1 in argument {name} for binary_crossentropy, received labels from "
            f"{low:g} to {high:g}. {hint}.",
            stacklevel=4,
        )


def check_label_range(array: Any, classes: int, name: str, where: str, ignore_class: int | None = None) -> None:
    """Raises where integer class labels fall outside `0 .. classes - 1`."""
    labels = np.asarray(array)
    if labels.size == 0 or labels.dtype.kind not in "iufb":
        return
    low, high = labels.min(), labels.max()
    if low >= 0 and high < classes:
        return
    if ignore_class is not None:
        kept = labels[labels != ignore_class]
        if kept.size == 0 or (kept.min() >= 0 and kept.max() < classes):
            return
        low, high = kept.min(), kept.max()
    hint = (
        "Labels that start at 1 need `y - 1`"
        if low == 1 and high == classes
        else f"Give the last layer {int(high) + 1} units, or correct the labels"
        if low >= 0
        else "Replace the negative labels (`ignore_class` of SparseCategoricalCrossentropy can skip one value)"
    )
    raise ValueError(
        f"[{where}] expected class labels from 0 to {classes - 1} in argument {name}, because the model's last "
        f"axis has "
        f"{classes} values, received labels from {low:g} to {high:g}. {hint}."
    )
