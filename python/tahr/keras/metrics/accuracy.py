"""How often predictions are right."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras import backend
from tahr.keras.losses.base import squeeze_or_expand_to_same_rank
from tahr.keras.metrics.reduction import FunctionMetric


def accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where prediction and target are equal, else 0: float values of their shape."""
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.convert_to_tensor(y_true, dtype=y_pred.dtype)
    y_true, y_pred = squeeze_or_expand_to_same_rank(y_true, y_pred)
    return ops.cast(ops.equal(y_true, y_pred), backend.floatx())


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Any:
    """1 where a prediction lies on the side of the threshold that its target (0 or 1) says, else 0.

    Arguments:
        y_true: targets 0 and 1, shape `(..., d)`.
        y_pred: predictions, same shape.
        threshold: predictions above it mean 1.

    Returns:
        Float values of shape `(..., d)`.

    Example:

    >>> from tahr.keras import metrics
    >>> metrics.binary_accuracy([1, 1, 0], [0.9, 0.2, 0.4]).numpy().tolist()
    [1.0, 0.0, 1.0]
    """
    y_true, y_pred = squeeze_or_expand_to_same_rank(ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred))
    y_pred = ops.cast(ops.greater(y_pred, threshold), y_true.dtype)
    return ops.cast(ops.equal(y_true, y_pred), backend.floatx())


def categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the largest prediction is that of the true class, else 0.

    Arguments:
        y_true: targets, one-hot or distributions, shape `(..., classes)`.
        y_pred: predictions (scores of any kind), same shape.

    Returns:
        Float values of shape `(...)`.

    Example:

    >>> from tahr.keras import metrics
    >>> metrics.categorical_accuracy([[0, 1], [1, 0]], [[0.1, 0.9], [0.2, 0.8]]).numpy().tolist()
    [1.0, 0.0]
    """
    matches = ops.equal(ops.argmax(y_true, axis=-1), ops.argmax(y_pred, axis=-1))
    return ops.cast(matches, backend.floatx())


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the largest prediction is that of the true class, else 0.

    Arguments:
        y_true: class ids, shape `(...)` or `(..., 1)`.
        y_pred: predictions (scores of any kind), shape `(..., classes)`.

    Returns:
        Float values of shape `(...)`.

    Example:

    >>> from tahr.keras import metrics
    >>> metrics.sparse_categorical_accuracy([1, 0], [[0.1, 0.9], [0.2, 0.8]]).numpy().tolist()
    [1.0, 0.0]
    """
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    had_axis = len(y_true.shape) == len(y_pred.shape) and y_true.shape[-1] == 1
    if had_axis:
        y_true = ops.squeeze(y_true, -1)
    matches = ops.cast(ops.equal(y_true, ops.argmax(y_pred, axis=-1)), backend.floatx())
    if len(matches.shape) > 1 and matches.shape[-1] == 1 and not had_axis:
        matches = ops.squeeze(matches, -1)
    return matches


def _flat_classes(y_true: Any, y_pred: Any) -> tuple[Any, Any, tuple[int, ...]]:
    """Class ids `(n,)`, predictions `(n, classes)`, and the shape that the matches are to have."""
    shape = tuple(y_true.shape)
    if len(y_pred.shape) > 2:
        y_pred = ops.reshape(y_pred, (-1, y_pred.shape[-1]))
    return (ops.reshape(y_true, (-1,)) if len(shape) > 1 else y_true), y_pred, shape


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Any:
    """1 where the true class is among the `k` largest predictions, else 0.

    Arguments:
        y_true: targets, one-hot or distributions, shape `(..., classes)`.
        y_pred: predictions, same shape.
        k: how many of the predictions count.

    Returns:
        Float values of shape `(...)`.

    Example:

    >>> from tahr.keras import metrics
    >>> y_true, y_pred = [[0, 0, 1, 0], [0, 0, 1, 0]], [[0.3, 0.4, 0.2, 0.1], [0.4, 0.3, 0.1, 0.2]]
    >>> metrics.top_k_categorical_accuracy(y_true, y_pred, k=3).numpy().tolist()
    [1.0, 0.0]
    """
    return sparse_top_k_categorical_accuracy(ops.argmax(y_true, axis=-1), y_pred, k)


def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5, from_sorted_ids: bool = False) -> Any:
    """1 where the true class is among the `k` largest predictions, else 0.

    Arguments:
        y_true: class ids, shape `(...)`.
        y_pred: predictions, shape `(..., classes)`; with `from_sorted_ids`, class ids, the best first.
        k: how many of the predictions count.
        from_sorted_ids: whether predictions are ids and not scores.

    Returns:
        Float values of shape `(...)`.

    Example:

    >>> from tahr.keras import metrics
    >>> best = [[6, 2, 9], [4, 0, 1]]  # class ids, the best first
    >>> metrics.sparse_top_k_categorical_accuracy([9, 0], best, k=2, from_sorted_ids=True).numpy().tolist()
    [0.0, 1.0]
    """
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.convert_to_tensor(y_true, dtype=y_pred.dtype if from_sorted_ids else "int32")
    y_true, y_pred, shape = _flat_classes(y_true, y_pred)
    if from_sorted_ids:
        matches = ops.any(ops.equal(ops.expand_dims(y_true, 1), y_pred[:, :k]), axis=1)
    else:
        matches = ops.in_top_k(y_true, y_pred, k=k)
    matches = ops.cast(matches, backend.floatx())
    return ops.reshape(matches, shape) if len(shape) > 1 else matches


class Accuracy(FunctionMetric):
    """Share of predictions that equal their target.

    Arguments:
        name, dtype: as in `Metric`.

    Example:

    >>> from tahr.keras import metrics
    >>> float(metrics.Accuracy()([7, 2, 5, 5], [7, 1, 5, 3]))
    0.5
    """

    _direction = "up"

    def __init__(self, name: str = "accuracy", dtype: Any = None):
        super().__init__(accuracy, name, dtype)


class BinaryAccuracy(FunctionMetric):
    """Share of predictions on the right side of a threshold (see `binary_accuracy`).

    Arguments:
        name, dtype: as in `Metric`.
        threshold: predictions above it mean 1.

    Example:

    >>> from tahr.keras import metrics
    >>> float(metrics.BinaryAccuracy(threshold=0.25)([1, 0, 1, 0], [0.3, 0.2, 0.1, 0.4]))
    0.5
    """

    _direction = "up"

    def __init__(self, name: str = "binary_accuracy", dtype: Any = None, threshold: float = 0.5):
        super().__init__(binary_accuracy, name, dtype, threshold=threshold)


class CategoricalAccuracy(FunctionMetric):
    """Share of samples whose largest prediction is that of the true class, for one-hot targets.

    Arguments:
        name, dtype: as in `Metric`.

    Example:

    >>> from tahr.keras import metrics
    >>> y_true, y_pred = [[1, 0, 0], [0, 0, 1]], [[0.7, 0.2, 0.1], [0.4, 0.5, 0.1]]
    >>> float(metrics.CategoricalAccuracy()(y_true, y_pred))
    0.5
    """

    _direction = "up"

    def __init__(self, name: str = "categorical_accuracy", dtype: Any = None):
        super().__init__(categorical_accuracy, name, dtype)


class SparseCategoricalAccuracy(FunctionMetric):
    """Share of samples whose largest prediction is that of the true class, for class ids as targets.

    Arguments:
        name, dtype: as in `Metric`.

    Example:

    >>> from tahr.keras import metrics
    >>> float(metrics.SparseCategoricalAccuracy()([0, 0, 1, 1], [[7, 3], [4, 6], [2, 8], [1, 9]]))
    0.75
    """

    _direction = "up"

    def __init__(self, name: str = "sparse_categorical_accuracy", dtype: Any = None):
        super().__init__(sparse_categorical_accuracy, name, dtype)


class TopKCategoricalAccuracy(FunctionMetric):
    """Share of samples whose true class is among the `k` largest predictions, for one-hot targets.

    Arguments:
        k: how many of the predictions count.
        name, dtype: as in `Metric`.

    Example:

    >>> from tahr.keras import metrics
    >>> y_true, y_pred = [[0, 1, 0, 0], [0, 1, 0, 0]], [[0.2, 0.3, 0.4, 0.1], [0.4, 0.1, 0.3, 0.2]]
    >>> float(metrics.TopKCategoricalAccuracy(k=2)(y_true, y_pred))
    0.5
    """

    _direction = "up"

    def __init__(self, k: int = 5, name: str = "top_k_categorical_accuracy", dtype: Any = None):
        super().__init__(top_k_categorical_accuracy, name, dtype, k=k)


class SparseTopKCategoricalAccuracy(FunctionMetric):
    """Share of samples whose true class is among the `k` largest predictions, for class ids as targets.

    Arguments:
        k: how many of the predictions count.
        name, dtype: as in `Metric`.
        from_sorted_ids: whether predictions are class ids, the best first, and not scores.

    Example:

    >>> from tahr.keras import metrics
    >>> m = metrics.SparseTopKCategoricalAccuracy(k=2, from_sorted_ids=True)
    >>> float(m([4, 4, 4, 4], [[4, 1, 0], [2, 4, 7], [9, 8, 4], [4, 2, 1]]))
    0.75
    """

    _direction = "up"

    def __init__(
        self,
        k: int = 5,
        name: str = "sparse_top_k_categorical_accuracy",
        dtype: Any = None,
        from_sorted_ids: bool = False,
    ):
        super().__init__(sparse_top_k_categorical_accuracy, name, dtype, k=k, from_sorted_ids=from_sorted_ids)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if not self.from_sorted_ids:  # type: ignore[attr-defined]
            del config["from_sorted_ids"]
        return config
