"""Intersection over union of predicted and true regions, for segmentation."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from tahr import ops
from tahr.keras import backend
from tahr.keras.metrics.metric import Metric


class IoU(Metric):
    """Mean over chosen classes of `tp / (tp + fp + fn)`, from a confusion matrix of all elements.

    Arguments:
        num_classes: number of classes; targets and predictions outside of `0 .. num_classes - 1` do not count.
        target_class_ids: the classes whose scores are averaged.
        name: as in `Metric`.
        dtype: dtype of the counts; integers if `None`, so that weights below 1 need a float dtype.
        ignore_class: id of targets that do not count, or `None`.
        sparse_y_true: whether targets are class ids and not one-hot.
        sparse_y_pred: whether predictions are class ids and not scores per class.
        axis: the axis of the classes, where there is one.

    Example:

    >>> from tahr.keras import metrics
    >>> round(float(metrics.IoU(num_classes=3, target_class_ids=[1, 2])([0, 1, 1, 2, 2, 2], [1, 1, 1, 2, 0, 2])), 4)
    0.6667
    """

    _direction = "up"

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ):
        super().__init__(name=name, dtype=dtype or "int")
        if max(target_class_ids) >= num_classes:
            raise ValueError(
                f"[{self.name}] expected target_class_ids below num_classes={num_classes}, received "
                f"{max(target_class_ids)}."
            )
        self.num_classes = num_classes
        self.target_class_ids = list(target_class_ids)
        self.ignore_class = ignore_class
        self.sparse_y_true = sparse_y_true
        self.sparse_y_pred = sparse_y_pred
        self.axis = axis
        self.total_cm = self.add_variable(
            (num_classes, num_classes), "zeros", dtype=self.dtype, name="total_confusion_matrix"
        )

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch.

        Arguments:
            y_true: targets, class ids of any shape (or with the axis of the classes, if not `sparse_y_true`).
            y_pred: predictions, of the same shape (or with the axis of the classes, if not `sparse_y_pred`).
            sample_weight: `None`, a number, or weights with as many elements as there are class ids.
        """
        if not self.sparse_y_true:
            y_true = ops.argmax(y_true, axis=self.axis)
        if not self.sparse_y_pred:
            y_pred = ops.argmax(y_pred, axis=self.axis)
        y_true, y_pred = (ops.reshape(ops.cast(ops.convert_to_tensor(y), "int32"), (-1,)) for y in (y_true, y_pred))
        weight = ops.convert_to_tensor(1 if sample_weight is None else sample_weight)
        if sample_weight is not None and backend.is_int_dtype(self.dtype) and not backend.is_int_dtype(weight.dtype):
            warnings.warn(
                f"[{self.name}] expected integer weights, because the counts are of dtype {self.dtype}, received dtype "
                f"{weight.dtype}: they are cut off to integers. Make the metric with dtype='float32'.",
                stacklevel=2,
            )
        weight = ops.cast(weight, self.dtype)
        if len(weight.shape) > 1:
            weight = ops.reshape(weight, (-1,))
        weight = ops.broadcast_to(weight, tuple(y_true.shape))
        n = self.num_classes
        inside = ops.logical_and(_within(y_true, n), _within(y_pred, n))
        if self.ignore_class is not None:
            inside = ops.logical_and(inside, ops.not_equal(y_true, self.ignore_class))
        # What lies outside goes to a cell of its own, behind the matrix.
        cell = ops.where(inside, y_true * n + y_pred, n * n)
        counts = ops.segment_sum(weight, cell, num_segments=n * n + 1)
        self.total_cm.assign_add(ops.reshape(counts[:-1], (n, n)))

    def result(self) -> Any:
        """The mean score over the chosen classes that occur at all, a scalar tensor."""
        matrix = ops.cast(self.total_cm, "float32")
        hits = ops.diag(matrix)
        union = ops.sum(matrix, axis=0) + ops.sum(matrix, axis=1) - hits
        ids = ops.convert_to_tensor(self.target_class_ids, dtype="int32")
        hits, union = ops.take(hits, ids, axis=0), ops.take(union, ids, axis=0)
        occurs = ops.greater(union, 1e-9)
        tiny = backend.epsilon()
        scores = ops.where(occurs, hits / (union + tiny), ops.zeros_like(hits))
        return ops.sum(scores) / (ops.sum(ops.cast(occurs, "float32")) + tiny)

    # The constructor's own arguments, in the order of the config.
    _arguments: tuple[str, ...] = (
        "num_classes",
        "target_class_ids",
        "ignore_class",
        "sparse_y_true",
        "sparse_y_pred",
        "axis",
    )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **{name: getattr(self, name) for name in self._arguments}}


def _within(ids: Any, n: int) -> Any:
    return ops.logical_and(ops.greater_equal(ids, 0), ops.less(ids, n))


class BinaryIoU(IoU):
    """`IoU` of two classes, told apart by a threshold.

    Arguments:
        target_class_ids: the classes whose scores are averaged, of 0 and 1.
        threshold: predictions from it on are class 1.
        name, dtype: as in `IoU`.

    Example:

    >>> from tahr.keras import metrics
    >>> m = metrics.BinaryIoU(target_class_ids=[1], threshold=0.6)
    >>> round(float(m([1, 1, 0, 1], [0.9, 0.5, 0.7, 0.8])), 4)
    0.5
    """

    _arguments = ("target_class_ids", "threshold")

    def __init__(
        self,
        target_class_ids: Sequence[int] = (0, 1),
        threshold: float = 0.5,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(num_classes=2, target_class_ids=target_class_ids, name=name, dtype=dtype)
        self.threshold = threshold

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch: targets 0 and 1, predictions in [0, 1], of equal shape; weights as in `IoU`."""
        y_pred = ops.greater_equal(ops.convert_to_tensor(y_pred, dtype="float32"), self.threshold)
        super().update_state(y_true, ops.cast(y_pred, "int32"), sample_weight)


class MeanIoU(IoU):
    """`IoU`, the mean over all classes.

    Arguments:
        num_classes, name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis: as in `IoU`.

    Example:

    >>> from tahr.keras import metrics
    >>> round(float(metrics.MeanIoU(num_classes=3)([0, 1, 1, 2, 2, 2], [1, 1, 1, 2, 0, 2])), 4)
    0.4444
    """

    _arguments: tuple[str, ...] = ("num_classes", "ignore_class", "sparse_y_true", "sparse_y_pred", "axis")

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ):
        super().__init__(num_classes, range(num_classes), name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis)


class OneHotIoU(IoU):
    """`IoU` for one-hot targets.

    Arguments:
        num_classes, target_class_ids, name, dtype, ignore_class, axis: as in `IoU`.
        sparse_y_pred: whether predictions are class ids and not scores per class.

    Example:

    >>> from tahr.keras import metrics
    >>> m = metrics.OneHotIoU(num_classes=2, target_class_ids=[1])
    >>> round(float(m([[0, 1], [0, 1], [1, 0]], [[0.1, 0.9], [0.7, 0.3], [0.45, 0.55]])), 4)
    0.3333
    """

    _arguments = ("num_classes", "target_class_ids", "ignore_class", "sparse_y_pred", "axis")

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ):
        super().__init__(num_classes, target_class_ids, name, dtype, ignore_class, False, sparse_y_pred, axis)


class OneHotMeanIoU(MeanIoU):
    """`MeanIoU` for one-hot targets.

    Arguments:
        num_classes, name, dtype, ignore_class, axis: as in `IoU`.
        sparse_y_pred: whether predictions are class ids and not scores per class.

    Example:

    >>> from tahr.keras import metrics
    >>> m = metrics.OneHotMeanIoU(num_classes=2)
    >>> round(float(m([[1, 0], [0, 1]], [[0.9, 0.1], [0.6, 0.4]])), 4)
    0.25
    """

    _arguments = ("num_classes", "ignore_class", "sparse_y_pred", "axis")

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ):
        super().__init__(num_classes, name, dtype, ignore_class, False, sparse_y_pred, axis)
