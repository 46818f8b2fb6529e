"""Harmonic means of precision and recall."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras import backend
from tahr.keras.metrics.metric import Metric


class FBetaScore(Metric):
    """`(1 + beta^2) precision recall / (beta^2 precision + recall)`, for one-hot or multi-label targets.

    Arguments:
        average: `None`: one score per class; `"micro"`: one score from the counts of all classes; `"macro"`: the mean
            of the scores; `"weighted"`: the same, weighted by the number of targets of each class.
        beta: how many times recall counts as much as precision; a float above 0.
        threshold: predictions above it are positive; with `None` the largest prediction of a sample is.
        name, dtype: as in `Metric`.

    Example:

    >>> from tahr.keras import metrics
    >>> m = metrics.FBetaScore(average="weighted", beta=0.5, threshold=0.4)
    >>> round(float(m([[1, 0], [0, 1], [1, 1], [1, 0]], [[0.9, 0.3], [0.5, 0.7], [0.6, 0.2], [0.3, 0.1]])), 4)
    0.7333
    """

    _direction = "up"

    true_positives: Any
    false_positives: Any
    false_negatives: Any
    intermediate_weights: Any

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str = "fbeta_score",
        dtype: Any = None,
    ):
        super().__init__(name=name, dtype=dtype)
        if average not in (None, "micro", "macro", "weighted"):
            raise ValueError(
                f"[{self.name}] expected average to be None, 'micro', 'macro' or 'weighted', received {average!r}."
            )
        if not isinstance(beta, float) or beta <= 0.0:
            raise ValueError(f"[{self.name}] expected beta to be a float above 0, received {beta!r}.")
        if threshold is not None and (not isinstance(threshold, float) or threshold > 1.0 or threshold <= 0.0):
            raise ValueError(
                f"[{self.name}] expected threshold to be a float in (0, 1] or None, received {threshold!r}."
            )
        self.average = average
        self.beta = beta
        self.threshold = threshold
        self.axis = None if average == "micro" else 0
        self._built = False

    def _build(self, y_true: Any, y_pred: Any) -> None:
        if len(y_pred.shape) != 2 or len(y_true.shape) != 2:
            raise ValueError(
                f"[{self.name}] expected targets and predictions of shape (batch, classes), received "
                f"{tuple(y_true.shape)} and {tuple(y_pred.shape)}. Class ids need keras.utils.to_categorical first."
            )
        shape = () if self.average == "micro" else (y_pred.shape[-1],)
        for name in ("true_positives", "false_positives", "false_negatives", "intermediate_weights"):
            setattr(self, name, self.add_variable(shape, "zeros", dtype=self.dtype, name=name))
        self._built = True

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch.

        Arguments:
            y_true: targets 0 and 1, shape `(batch, classes)`.
            y_pred: predictions, same shape.
            sample_weight: `None` or weights, `(batch,)`.
        """
        y_true = ops.convert_to_tensor(y_true, dtype=self._dtype)
        y_pred = ops.convert_to_tensor(y_pred, dtype=self._dtype)
        if not self._built:
            self._build(y_true, y_pred)
        if self.threshold is None:
            largest = ops.max(y_pred, axis=-1, keepdims=True)
            decided = ops.logical_and(ops.greater_equal(y_pred, largest), ops.greater(ops.abs(y_pred), 1e-9))
        else:
            decided = ops.greater(y_pred, self.threshold)
        decided = ops.cast(decided, self._dtype)
        weight = None
        if sample_weight is not None:
            weight = ops.expand_dims(ops.convert_to_tensor(sample_weight, dtype=self._dtype), 1)
        for variable, values in (
            (self.true_positives, decided * y_true),
            (self.false_positives, decided * (1.0 - y_true)),
            (self.false_negatives, (1.0 - decided) * y_true),
            (self.intermediate_weights, y_true),
        ):
            variable.assign_add(ops.sum(values if weight is None else values * weight, axis=self.axis))

    def result(self) -> Any:
        """The score: a scalar tensor, or one per class if `average` is `None`; 0 before the first batch."""
        if not self._built:
            return ops.zeros((), dtype=self._dtype)
        tiny = backend.epsilon()
        tp = ops.convert_to_tensor(self.true_positives)
        precision = tp / (tp + self.false_positives + tiny)
        recall = tp / (tp + self.false_negatives + tiny)
        squared = self.beta**2
        scores = precision * recall / (squared * precision + recall + tiny) * (1.0 + squared)
        if self.average == "weighted":
            weights = ops.convert_to_tensor(self.intermediate_weights)
            return ops.sum(scores * (weights / (ops.sum(weights) + tiny)))
        return scores if self.average is None else ops.mean(scores)

    def get_config(self) -> dict[str, Any]:
        config = {"average": self.average, "beta": self.beta, "threshold": self.threshold}
        return {**super().get_config(), **config}


class F1Score(FBetaScore):
    """`2 precision recall / (precision + recall)`. Arguments as in `FBetaScore`.

    Example:

    >>> from tahr.keras import metrics
    >>> round(float(metrics.F1Score("micro")([[1, 0], [0, 1], [0, 1]], [[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]])), 4)
    0.6667
    """

    def __init__(
        self, average: str | None = None, threshold: float | None = None, name: str = "f1_score", dtype: Any = None
    ):
        super().__init__(average=average, beta=1.0, threshold=threshold, name=name, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["beta"]
        return config
