"""Counts of right and wrong decisions at thresholds (true and false positives and negatives), and rates made of them.

A prediction above a threshold is a decision for the class. All metrics here keep one count per threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tahr import ops
from tahr.keras import backend
from tahr.keras.losses.base import squeeze_or_expand_to_same_rank
from tahr.keras.metrics.metric import Metric

COUNTS = ("true_positives", "false_positives", "true_negatives", "false_negatives")
# As a threshold for top-k decisions: below every score, above what `_keep_top_k` puts in place of the others.
_BELOW_ALL = -1e10


def checked_thresholds(name: str, thresholds: Any, default: float = 0.5) -> list[float]:
    """`thresholds` (a number, a sequence or `None`) as a list; an error if one lies outside of [0, 1]."""
    if thresholds is None:
        return [default]
    found = list(thresholds) if isinstance(thresholds, (list, tuple, np.ndarray)) else [thresholds]
    wrong = [t for t in found if t is None or t < 0 or t > 1]
    if wrong:
        raise ValueError(f"[{name}] expected thresholds between 0 and 1, received {wrong}.")
    return found


def evenly_spaced(thresholds: Sequence[float]) -> bool:
    """Whether the thresholds are `0, 1/n, ..., 1`, so that a prediction's place among them is found by a product."""
    n = len(thresholds)
    return n >= 3 and np.allclose(thresholds, np.arange(n, dtype=np.float32) / (n - 1), atol=backend.epsilon())


def _keep_top_k(x: Any, k: int) -> Any:
    """`x` with all but its `k` largest values along the last axis replaced by one that is below every threshold."""
    _, ids = ops.top_k(x, k)
    kept = ops.sum(ops.one_hot(ids, x.shape[-1], dtype=x.dtype), axis=-2)
    return x * kept + _BELOW_ALL * (1.0 - kept)


def confusion_counts(
    y_true: Any,
    y_pred: Any,
    thresholds: Sequence[float],
    dtype: Any,
    wanted: Sequence[str] = COUNTS,
    evenly: bool = False,
    sample_weight: Any = None,
    label_weights: Any = None,
    multi_label: bool = False,
    top_k: int | None = None,
    class_id: int | None = None,
) -> dict[str, Any]:
    """Weighted counts of one batch at each threshold.

    Arguments:
        y_true: targets, zero or not, shape `(batch, ...)`.
        y_pred: predictions, same shape.
        thresholds: a decision is positive where its prediction is greater.
        dtype: dtype of the counts.
        wanted: which of `COUNTS` to compute.
        evenly: whether `evenly_spaced(thresholds)`; predictions are then clipped to [0, 1].
        sample_weight: `None` or weights `(batch,)` or of the shape of the targets.
        label_weights: `None` or weights of the last axis (not with `multi_label`).
        multi_label: whether to count each column of `(batch, labels)` by itself.
        top_k: only the `k` largest predictions of the last axis can be positive.
        class_id: only this entry of the last axis counts.

    Returns:
        By name, tensors of shape `(thresholds,)`, or `(thresholds, labels)` with `multi_label`.
    """
    y_true, y_pred = ops.convert_to_tensor(y_true, dtype=dtype), ops.convert_to_tensor(y_pred, dtype=dtype)
    y_pred, y_true = squeeze_or_expand_to_same_rank(y_pred, y_true)
    if sample_weight is not None:
        sample_weight = ops.expand_dims(ops.convert_to_tensor(sample_weight, dtype=dtype), -1)
        _, sample_weight = squeeze_or_expand_to_same_rank(y_true, sample_weight, expand_rank_1=False)
    if top_k is not None:
        y_pred = _keep_top_k(y_pred, top_k)
    if class_id is not None:
        if len(y_pred.shape) == 1:
            raise ValueError(
                f"[metric] expected predictions of shape (batch, classes) with class_id={class_id}, received "
                f"{tuple(y_pred.shape)}."
            )
        y_true, y_pred = (ops.expand_dims(ops.take(x, class_id, axis=-1), -1) for x in (y_true, y_pred))
    positive = ops.cast(ops.not_equal(y_true, 0), dtype)
    shape = tuple(y_pred.shape)
    weights = None
    for given in (sample_weight, label_weights):
        if given is not None:
            given = ops.broadcast_to(ops.convert_to_tensor(given, dtype=dtype), shape)
            weights = given if weights is None else weights * given
    negative = 1.0 - positive
    if weights is not None:
        positive, negative = positive * weights, negative * weights
    # From here on (samples, columns), one column of counts per label or only one.
    columns = (-1, shape[-1]) if multi_label else (-1, 1)
    y_pred, positive, negative = (ops.reshape(x, columns) for x in (y_pred, positive, negative))
    count = _evenly_counts if evenly else _counts
    counts = {}
    for labels, above, below in (
        (positive, "true_positives", "false_negatives"),
        (negative, "false_positives", "true_negatives"),
    ):
        if above in wanted or below in wanted:
            counts[above], counts[below] = count(labels, y_pred, thresholds)
    return {
        name: values if multi_label else ops.squeeze(values, -1) for name, values in counts.items() if name in wanted
    }


def _counts(labels: Any, y_pred: Any, thresholds: Sequence[float]) -> tuple[Any, Any]:
    """Sums over the samples of `labels (n, columns)` above and below each threshold: each `(thresholds, columns)`."""
    limits = ops.reshape(ops.convert_to_tensor(np.asarray(thresholds), dtype=y_pred.dtype), (-1, 1, 1))
    above = ops.greater(ops.expand_dims(y_pred, 0), limits)
    labels = ops.expand_dims(labels, 0)
    zero = ops.zeros_like(labels)
    return ops.sum(ops.where(above, labels, zero), axis=1), ops.sum(ops.where(above, zero, labels), axis=1)


def _evenly_counts(labels: Any, y_pred: Any, thresholds: Sequence[float]) -> tuple[Any, Any]:
    """As `_counts`: sorts predictions into the intervals between thresholds, then sums over intervals."""
    n, columns = len(thresholds), y_pred.shape[-1]
    # Threshold i is below p where i < p (n - 1): for so many thresholds, counted from the first.
    place = ops.ceil(ops.clip(y_pred, 0.0, 1.0) * float(n - 1))
    if thresholds[0] < 0.0 or thresholds[-1] > 1.0:
        place = ops.maximum(place, 1.0)  # the first threshold is below 0
    place = ops.cast(place, "int32")
    if columns > 1:
        place = place + ops.arange(columns, dtype="int32") * (n + 1)
    sums = ops.segment_sum(ops.reshape(labels, (-1,)), ops.reshape(place, (-1,)), num_segments=columns * (n + 1))
    sums = ops.transpose(ops.reshape(sums, (columns, n + 1)))
    from_here = ops.flip(ops.cumsum(ops.flip(sums, axis=0), axis=0), axis=0)
    above = from_here[1:]
    return above, ops.sum(labels, axis=0) - above


class ThresholdMetric(Metric):
    """Base of the metrics that keep counts per threshold: `_counted` says which, each is a variable of that name."""

    _counted: tuple[str, ...] = ()

    true_positives: Any
    false_positives: Any
    true_negatives: Any
    false_negatives: Any
    thresholds: Any
    class_id: int | None = None
    top_k: int | None = None

    def _make_counts(self, shape: Sequence[int]) -> None:
        for name in self._counted:
            setattr(self, name, self.add_variable(shape, "zeros", name=name))

    def _add_counts(self, y_true: Any, y_pred: Any, sample_weight: Any, **options: Any) -> None:
        variables = [(name, getattr(self, name)) for name in self._counted]
        counts = confusion_counts(
            y_true,
            y_pred,
            self.thresholds,
            variables[0][1].dtype,
            wanted=self._counted,
            evenly=self._evenly,
            sample_weight=sample_weight,
            top_k=self.top_k,
            class_id=self.class_id,
            **options,
        )
        for name, variable in variables:
            variable.assign_add(counts[name])

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch.

        Arguments:
            y_true: targets 0 and 1, shape `(batch, ...)`.
            y_pred: predictions in [0, 1], same shape.
            sample_weight: `None` or weights, `(batch,)` or of the shape of the targets.
        """
        self._add_counts(y_true, y_pred, sample_weight)

    def _share(self, part: Any, rest: Any) -> Any:
        """`part / (part + rest)`, 0 where both are 0."""
        return ops.divide_no_nan(part, ops.add(part, rest))

    @property
    def _evenly(self) -> bool:
        cached = self.__dict__.get("_is_evenly")
        if cached is None:
            cached = self.__dict__["_is_evenly"] = bool(evenly_spaced(self.thresholds))
        return cached


class _Count(ThresholdMetric):
    """The number of decisions of one kind."""

    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: Any = None):
        super().__init__(name=name, dtype=dtype)
        self.init_thresholds = thresholds
        self.thresholds = checked_thresholds(self.name, thresholds)
        self.accumulator = self.add_variable((len(self.thresholds),), "zeros", name="accumulator")

    def _add_counts(self, y_true: Any, y_pred: Any, sample_weight: Any, **options: Any) -> None:
        (name,) = self._counted
        counts = confusion_counts(
            y_true,
            y_pred,
            self.thresholds,
            self.accumulator.dtype,
            wanted=self._counted,
            evenly=self._evenly,
            sample_weight=sample_weight,
        )
        self.accumulator.assign_add(counts[name])

    def result(self) -> Any:
        """The count: a scalar tensor, or one per threshold if there are several."""
        counts = ops.convert_to_tensor(self.accumulator)
        return counts[0] if len(self.thresholds) == 1 else counts

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "thresholds": self.init_thresholds}


class TruePositives(_Count):
    """Number of positive decisions that are right.

    Arguments:
        thresholds: a number or a list of numbers in [0, 1]; 0.5 if `None`. Predictions above it are positive.
        name, dtype: as in `Metric`.

    Example:

    >>> from tahr.keras import metrics
    >>> float(metrics.TruePositives(thresholds=0.7)([1, 1, 0, 1, 0], [0.9, 0.8, 0.95, 0.6, 0.1]))
    2.0
    """

    _counted = ("true_positives",)


class TrueNegatives(_Count):
    """Number of negative decisions that are right. Arguments as in `TruePositives`.

    Example:

    >>> from tahr.keras import metrics
    >>> float(metrics.TrueNegatives()([0, 0, 1, 0, 0], [0.2, 0.7, 0.1, 0.4, 0.3]))
    3.0
    """

    _counted = ("true_negatives",)


class FalsePositives(_Count):
    """Number of positive decisions that are wrong. Arguments as in `TruePositives`.

    Example:

    >>> from tahr.keras import metrics
    >>> metrics.FalsePositives([0.5, 0.8])([0, 0, 0, 1], [0.6, 0.9, 0.1, 0.7]).numpy().tolist()
    [2.0, 1.0]
    """

    _counted = ("false_positives",)


class FalseNegatives(_Count):
    """Number of negative decisions that are wrong. Arguments as in `TruePositives`.

    Example:

    >>> from tahr.keras import metrics
    >>> float(metrics.FalseNegatives()([1, 1, 1, 0, 1], [0.3, 0.9, 0.4, 0.2, 0.1]))
    3.0
    """

    _counted = ("false_negatives",)


class _Rate(ThresholdMetric):
    """True positives as a share of something."""

    _direction = "up"

    def __init__(
        self,
        thresholds: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(name=name, dtype=dtype)
        self.init_thresholds = thresholds
        self.top_k = top_k
        self.class_id = class_id
        self.thresholds = checked_thresholds(self.name, thresholds, 0.5 if top_k is None else _BELOW_ALL)
        self._make_counts((len(self.thresholds),))

    def result(self) -> Any:
        """The rate: a scalar tensor, or one per threshold if there are several."""
        hits, others = (getattr(self, name) for name in self._counted)
        rates = self._share(hits, others)
        return rates[0] if len(self.thresholds) == 1 else rates

    def get_config(self) -> dict[str, Any]:
        config = {"thresholds": self.init_thresholds, "top_k": self.top_k, "class_id": self.class_id}
        return {**super().get_config(), **config}


class Precision(_Rate):
    """Share of the positive decisions that are right.

    Arguments:
        thresholds: a number or a list of numbers in [0, 1]; 0.5 if `None`. Predictions above it are positive.
        top_k: only the `k` largest predictions of a sample can be positive; without `thresholds`, they are.
        class_id: only this entry of the last axis counts.
        name, dtype: as in `Metric`.

    Example:

    >>> from tahr.keras import metrics
    >>> float(metrics.Precision()([1, 0, 1, 0, 1], [0.7, 0.6, 0.9, 0.2, 0.8]))
    0.75
    """

    _counted = ("true_positives", "false_positives")


class Recall(_Rate):
    """Share of the positive targets that are decided for. Arguments as in `Precision`.

    Example:

    >>> from tahr.keras import metrics
    >>> float(metrics.Recall(thresholds=0.25)([1, 1, 0, 1, 1], [0.3, 0.2, 0.8, 0.9, 0.5]))
    0.75
    """

    _counted = ("true_positives", "false_negatives")


class _BestUnderConstraint(ThresholdMetric):
    """The best value of one rate at the thresholds where another reaches a given value."""

    _direction = "up"
    _counted = COUNTS
    # The name of the constructor's first argument: the rate that is given.
    _given = ""

    def __init__(
        self,
        value: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(name=name, dtype=dtype)
        if value < 0 or value > 1:
            raise ValueError(f"[{self.name}] expected {self._given} between 0 and 1, received {value}.")
        if num_thresholds <= 0:
            raise ValueError(f"[{self.name}] expected num_thresholds to be 1 or more, received {num_thresholds}.")
        self.value = value
        self.class_id = class_id
        self.num_thresholds = num_thresholds
        self.thresholds = [0.5] if num_thresholds == 1 else [i / (num_thresholds - 1) for i in range(num_thresholds)]
        self._make_counts((len(self.thresholds),))

    @property
    def _sensitivity(self) -> Any:  # also called recall
        return self._share(self.true_positives, self.false_negatives)

    @property
    def _specificity(self) -> Any:
        return self._share(self.true_negatives, self.false_positives)

    @property
    def _precision(self) -> Any:
        return self._share(self.true_positives, self.false_positives)

    def _best(self, constrained: Any, rate: Any) -> Any:
        feasible = ops.greater_equal(constrained, self.value)
        return ops.max(ops.where(feasible, rate, ops.zeros_like(rate)))

    def get_config(self) -> dict[str, Any]:
        config = {"num_thresholds": self.num_thresholds, self._given: self.value, "class_id": self.class_id}
        return {**super().get_config(), **config}


class SensitivityAtSpecificity(_BestUnderConstraint):
    """The best sensitivity `tp / (tp + fn)` at thresholds where the specificity `tn / (tn + fp)` reaches a value.

    Arguments:
        specificity: the value to reach, in [0, 1].
        num_thresholds: number of thresholds, evenly spaced in [0, 1].
        class_id: only this entry of the last axis counts.
        name, dtype: as in `Metric`.

    Example:

    >>> from tahr.keras import metrics
    >>> y_true, y_pred = [0, 1, 0, 1, 0, 1, 0, 1], [0.1, 0.25, 0.2, 0.6, 0.3, 0.8, 0.7, 0.9]
    >>> float(metrics.SensitivityAtSpecificity(0.75)(y_true, y_pred))
    0.75
    """

    _given = "specificity"

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(specificity, num_thresholds, class_id, name, dtype)
        self.specificity = specificity

    def result(self) -> Any:
        """The sensitivity, a scalar tensor; 0 where the value is not reached."""
        return self._best(self._specificity, self._sensitivity)


class SpecificityAtSensitivity(_BestUnderConstraint):
    """The best specificity `tn / (tn + fp)` at thresholds where the sensitivity `tp / (tp + fn)` reaches a value.

    Arguments:
        sensitivity: the value to reach, in [0, 1].
        num_thresholds, class_id, name, dtype: as in `SensitivityAtSpecificity`.

    Example:

    >>> from tahr.keras import metrics
    >>> y_true, y_pred = [0, 1, 0, 1, 0, 1, 0, 1], [0.1, 0.25, 0.2, 0.6, 0.3, 0.8, 0.7, 0.9]
    >>> float(metrics.SpecificityAtSensitivity(1.0)(y_true, y_pred))
    0.5
    """

    _given = "sensitivity"

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(sensitivity, num_thresholds, class_id, name, dtype)
        self.sensitivity = sensitivity

    def result(self) -> Any:
        """The specificity, a scalar tensor; 0 where the value is not reached."""
        return self._best(self._sensitivity, self._specificity)


class PrecisionAtRecall(_BestUnderConstraint):
    """The best precision `tp / (tp + fp)` at thresholds where the recall `tp / (tp + fn)` reaches a value.

    Arguments:
        recall: the value to reach, in [0, 1].
        num_thresholds, class_id, name, dtype: as in `SensitivityAtSpecificity`.

    Example:

    >>> from tahr.keras import metrics
    >>> y_true, y_pred = [0, 1, 0, 1, 0, 1, 0, 1], [0.1, 0.25, 0.2, 0.6, 0.3, 0.8, 0.7, 0.9]
    >>> float(metrics.PrecisionAtRecall(0.75)(y_true, y_pred))
    0.75
    """

    _given = "recall"

    def __init__(
        self,
        recall: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(recall, num_thresholds, class_id, name, dtype)
        self.recall = recall

    def result(self) -> Any:
        """The precision, a scalar tensor; 0 where the value is not reached."""
        return self._best(self._sensitivity, self._precision)


class RecallAtPrecision(_BestUnderConstraint):
    """The best recall `tp / (tp + fn)` at thresholds where the precision `tp / (tp + fp)` reaches a value.

    Arguments:
        precision: the value to reach, in [0, 1].
        num_thresholds, class_id, name, dtype: as in `SensitivityAtSpecificity`.

    Example:

    >>> from tahr.keras import metrics
    >>> y_true, y_pred = [0, 1, 0, 1, 0, 1, 0, 1], [0.1, 0.25, 0.2, 0.6, 0.3, 0.8, 0.7, 0.9]
    >>> float(metrics.RecallAtPrecision(0.9)(y_true, y_pred))
    0.5
    """

    _given = "precision"

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(precision, num_thresholds, class_id, name, dtype)
        self.precision = precision

    def result(self) -> Any:
        """The recall, a scalar tensor; 0 where the value is not reached."""
        return self._best(self._precision, self._sensitivity)
