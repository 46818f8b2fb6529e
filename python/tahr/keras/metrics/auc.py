"""The area under a curve that decisions describe as their threshold moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tahr import ops
from tahr.keras import backend
from tahr.keras.metrics.confusion import COUNTS, ThresholdMetric, checked_thresholds, evenly_spaced

_CURVES = ("ROC", "PR", "PRGAIN")
_SUMMATIONS = ("interpolation", "majoring", "minoring")


class AUC(ThresholdMetric):
    """Area under the curve of a classifier, approximated by a sum over thresholds.

    Arguments:
        num_thresholds: number of thresholds, evenly spaced in [0, 1]; 2 or more.
        curve: `"ROC"`: sensitivity over the rate of false positives; `"PR"`: precision over recall; `"PRGAIN"`: the
            same as gains over deciding always for the class.
        summation_method: heights between two thresholds: `"interpolation"` (the mean; for `"PR"` the interpolation of
            Davis and Goadrich), `"minoring"` (the lower) or `"majoring"` (the higher).
        name, dtype: as in `Metric`.
        thresholds: the inner thresholds themselves, in place of evenly spaced ones.
        multi_label: whether each column of `(batch, labels)` has a curve of its own, whose areas are averaged.
        num_labels: number of labels, with `multi_label`; taken from the first batch if `None`.
        label_weights: weights of the labels: of their areas with `multi_label`, else of their decisions.
        from_logits: whether predictions are scores before a sigmoid.

    Source: Davis and Goadrich, "The Relationship Between Precision-Recall and ROC Curves", 2006; Flach and Kull,
    "Precision-Recall-Gain Curves: PR Analysis Done Right", 2015.

    Example:

    >>> from tahr.keras import metrics
    >>> round(float(metrics.AUC(num_thresholds=101)([0, 1, 0, 1, 1], [0.15, 0.35, 0.45, 0.65, 0.85])), 4)
    0.8333
    """

    _direction = "up"
    _counted = COUNTS

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        thresholds: Sequence[float] | None = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Any = None,
        from_logits: bool = False,
    ):
        super().__init__(name=name, dtype=dtype)
        self.curve = self._choice("curve", str(curve).upper(), _CURVES)
        self.summation_method = self._choice("summation_method", str(summation_method).lower(), _SUMMATIONS)
        self._given_thresholds = thresholds is not None
        if thresholds is not None:
            inner = sorted(checked_thresholds(self.name, list(thresholds)))
            self.__dict__["_is_evenly"] = bool(evenly_spaced([0.0, *inner, 1.0]))
        else:
            if num_thresholds <= 1:
                raise ValueError(f"[{self.name}] expected num_thresholds to be 2 or more, received {num_thresholds}.")
            inner = [i / (num_thresholds - 1) for i in range(1, num_thresholds - 1)]
            self.__dict__["_is_evenly"] = True
        self.num_thresholds = len(inner) + 2
        # The outer ones lie outside of [0, 1], so that 0 and 1 are on the right side of them.
        self._thresholds = np.array([-backend.epsilon(), *inner, 1.0 + backend.epsilon()])
        if num_labels and not multi_label:
            raise ValueError(
                f"[{self.name}] expected num_labels only with multi_label=True, received num_labels={num_labels}."
            )
        self.multi_label = multi_label
        self.num_labels = num_labels
        self.label_weights = None if label_weights is None else np.asarray(label_weights, dtype=self._dtype)
        self._from_logits = from_logits
        self._built = False
        if not multi_label:
            self._build(())
        elif num_labels:
            self._build((num_labels,))

    def _choice(self, argument: str, value: str, choices: tuple[str, ...]) -> str:
        if value not in choices:
            raise ValueError(f"[{self.name}] expected {argument} to be one of {choices}, received {value!r}.")
        return value

    @property
    def thresholds(self) -> list[float]:  # type: ignore[override]
        """All thresholds, in rising order."""
        return list(self._thresholds)

    def _build(self, labels: tuple[int, ...]) -> None:
        self._make_counts((self.num_thresholds, *labels))
        self._built = True

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch.

        Arguments:
            y_true: targets 0 and 1, shape `(batch, ...)`; `(batch, labels)` with `multi_label`.
            y_pred: predictions in [0, 1] (or any scores with `from_logits`), same shape.
            sample_weight: `None` or weights, `(batch,)` or of the shape of the targets.
        """
        y_pred = ops.convert_to_tensor(y_pred)
        if self.multi_label and len(y_pred.shape) != 2:
            raise ValueError(
                f"[{self.name}] expected predictions of shape (batch, labels) with multi_label=True, received "
                f"{tuple(y_pred.shape)}."
            )
        if not self._built:
            self._build((y_pred.shape[1],))
        if self._from_logits:
            y_pred = ops.sigmoid(y_pred)
        label_weights = None if self.multi_label else self.label_weights
        self._add_counts(y_true, y_pred, sample_weight, label_weights=label_weights, multi_label=self.multi_label)

    def _joined(self, areas: Any) -> Any:
        """The areas between thresholds, `(thresholds - 1,)` or `(thresholds - 1, labels)`, as one number."""
        if not self.multi_label:
            return ops.sum(areas)
        by_label = ops.sum(areas, axis=0)
        if self.label_weights is None:
            return ops.mean(by_label)
        weights = ops.convert_to_tensor(self.label_weights)
        return ops.divide_no_nan(ops.sum(by_label * weights), ops.sum(weights))

    def interpolate_pr_auc(self) -> Any:
        """The area under the precision-recall curve where counts of true positives grow linearly with all positives.

        Between two thresholds `tp = slope p + intercept` with `p = tp + fp`; the precision `tp / p` is integrated over
        `d tp`, which gives `slope (d tp + intercept log(p_1 / p_2))`.
        """
        tp = ops.convert_to_tensor(self.true_positives)
        p = ops.add(tp, self.false_positives)
        d_tp = tp[:-1] - tp[1:]
        slope = ops.divide_no_nan(d_tp, ops.maximum(p[:-1] - p[1:], 0.0))
        intercept = tp[1:] - slope * p[1:]
        both = ops.logical_and(ops.greater(p[:-1], 0.0), ops.greater(p[1:], 0.0))
        ratio = ops.where(both, ops.divide_no_nan(p[:-1], p[1:]), ops.ones_like(p[1:]))
        all_true = ops.add(tp, self.false_negatives)[1:]
        return self._joined(ops.divide_no_nan(slope * (d_tp + intercept * ops.log(ratio)), all_true))

    def result(self) -> Any:
        """The area, a scalar tensor; 0 before the first batch."""
        if not self._built:
            return ops.zeros((), dtype=self._dtype)
        if self.curve == "PR" and self.summation_method == "interpolation":
            return self.interpolate_pr_auc()
        tp, fp, tn, fn = (ops.convert_to_tensor(getattr(self, name)) for name in self._counted)
        recall = self._share(tp, fn)
        if self.curve == "ROC":
            x, y = self._share(fp, tn), recall
        elif self.curve == "PR":
            x, y = recall, self._share(tp, fp)
        else:
            odds = ops.divide_no_nan(tp + fn, tn + fp)
            none = ops.equal(tp, 0.0)
            zero = ops.zeros_like(tp)
            x = ops.maximum(ops.where(none, zero, 1.0 - odds * ops.divide_no_nan(fn, tp)), 0.0)
            y = ops.where(none, zero + 1.0, 1.0 - odds * ops.divide_no_nan(fp, tp))
        if self.summation_method == "interpolation":
            heights = (y[:-1] + y[1:]) / 2.0
        else:
            heights = (ops.minimum if self.summation_method == "minoring" else ops.maximum)(y[:-1], y[1:])
        return self._joined((x[:-1] - x[1:]) * heights)

    def get_config(self) -> dict[str, Any]:
        config = {
            "num_thresholds": self.num_thresholds,
            "curve": self.curve,
            "summation_method": self.summation_method,
            "multi_label": self.multi_label,
            "num_labels": self.num_labels,
            "label_weights": None if self.label_weights is None else self.label_weights.tolist(),
            "from_logits": self._from_logits,
        }
        if self._given_thresholds:
            config["thresholds"] = [float(t) for t in self._thresholds[1:-1]]
        return {**super().get_config(), **config}
