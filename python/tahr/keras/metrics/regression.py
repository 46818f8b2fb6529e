"""How far real-valued predictions are from their targets, and how well they go along with them."""

from __future__ import annotations

import warnings
from typing import Any

from tahr import ops
from tahr.keras import backend
from tahr.keras.losses.base import l2_normalized, squeeze_or_expand_to_same_rank, targets_like
from tahr.keras.losses.regression import (
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
)
from tahr.keras.metrics.metric import Metric
from tahr.keras.metrics.reduction import FunctionMetric, Mean


class MeanSquaredError(FunctionMetric):
    """Mean of `(y_true - y_pred)^2`.

    Arguments:
        name, dtype: as in `Metric`.

    Example:

    >>> from tahr.keras import metrics
    >>> float(metrics.MeanSquaredError()([[1.5, 2.0], [6.0, 5.5]], [[1.5, 4.0], [6.0, 3.5]]))
    2.0
    """

    _direction = "down"

    def __init__(self, name: str = "mean_squared_error", dtype: Any = None):
        super().__init__(mean_squared_error, name, dtype)


class RootMeanSquaredError(Mean):
    """Square root of the mean of `(y_true - y_pred)^2`.

    Arguments:
        name, dtype: as in `Metric`.

    Example:

    >>> from tahr.keras import metrics
    >>> float(metrics.RootMeanSquaredError()([[1.0, 9.0]], [[2.0, 2.0]]))
    5.0
    """

    _direction = "down"

    def __init__(self, name: str = "root_mean_squared_error", dtype: Any = None):
        super().__init__(name, dtype)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # type: ignore[override]
        """Adds a batch of targets and predictions of equal shape."""
        y_true = ops.convert_to_tensor(y_true, dtype=self._dtype)
        y_pred = ops.convert_to_tensor(y_pred, dtype=self._dtype)
        y_true, y_pred = squeeze_or_expand_to_same_rank(y_true, y_pred)
        super().update_state(ops.square(y_pred - y_true), sample_weight=sample_weight)

    def result(self) -> Any:
        """The root, a scalar tensor."""
        return ops.sqrt(super().result())


class MeanAbsoluteError(FunctionMetric):
    """Mean of `|y_true - y_pred|`.

    Arguments:
        name, dtype: as in `Metric`.

    Example:

    >>> from tahr.keras import metrics
    >>> float(metrics.MeanAbsoluteError()([[3.0, 1.0]], [[2.5, 4.0]]))
    1.75
    """

    _direction = "down"

    def __init__(self, name: str = "mean_absolute_error", dtype: Any = None):
        super().__init__(mean_absolute_error, name, dtype)


class MeanAbsolutePercentageError(FunctionMetric):
    """Mean of `100 |y_true - y_pred| / |y_true|`.

    Arguments:
        name, dtype: as in `Metric`.

    Example:

    >>> from tahr.keras import metrics
    >>> float(metrics.MeanAbsolutePercentageError()([[2.0, 4.0]], [[1.0, 3.0]]))
    37.5
    """

    _direction = "down"

    def __init__(self, name: str = "mean_absolute_percentage_error", dtype: Any = None):
        super().__init__(mean_absolute_percentage_error, name, dtype)


class MeanSquaredLogarithmicError(FunctionMetric):
    """Mean of `(log(1 + y_true) - log(1 + y_pred))^2`.

    Arguments:
        name, dtype: as in `Metric`.

    Example:

    >>> from tahr.keras import metrics
    >>> round(float(metrics.MeanSquaredLogarithmicError()([[7.0]], [[1.0]])), 4)
    1.9218
    """

    _direction = "down"

    def __init__(self, name: str = "mean_squared_logarithmic_error", dtype: Any = None):
        super().__init__(mean_squared_logarithmic_error, name, dtype)


class LogCoshError(FunctionMetric):
    """Mean of `log(cosh(y_pred - y_true))`.

    Arguments:
        name, dtype: as in `Metric`.

    Example:

    >>> from tahr.keras import metrics
    >>> round(float(metrics.LogCoshError()([[2.0]], [[4.0]])), 4)
    1.325
    """

    _direction = "down"

    def __init__(self, name: str = "logcosh", dtype: Any = None):
        super().__init__(log_cosh, name, dtype)


def _cosine(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """The cosine of the angle between targets and predictions, vectors along `axis`."""
    y_true, y_pred = targets_like(y_true, y_pred)
    return ops.sum(l2_normalized(y_true, axis) * l2_normalized(y_pred, axis), axis=axis)


class CosineSimilarity(FunctionMetric):
    """Mean of the cosine of the angle between targets and predictions: 1 for the same direction, -1 for the opposite.

    Arguments:
        name, dtype: as in `Metric`.
        axis: the axis along which the vectors lie.

    Example:

    >>> from tahr.keras import metrics
    >>> round(float(metrics.CosineSimilarity()([[3.0, 4.0]], [[4.0, 3.0]])), 4)
    0.96
    """

    _direction = "up"

    def __init__(self, name: str = "cosine_similarity", dtype: Any = None, axis: int = -1):
        super().__init__(_cosine, name, dtype, axis=axis)


def pearson_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """Pearson's correlation of targets and predictions along `axis`.

    Arguments:
        y_true, y_pred: tensors of equal shape.
        axis: the axis along which the samples lie.

    Returns:
        Values in [-1, 1], of the shape without `axis`; NaN where either is constant.

    Example:

    >>> from tahr.keras import metrics
    >>> round(float(metrics.pearson_correlation([[1.0, 2.0, 4.0, 5.0]], [[2.0, 1.0, 5.0, 4.0]])[0]), 4)
    0.8
    """
    y_true, y_pred = targets_like(y_true, y_pred)
    standard = []
    for x in (y_true, y_pred):
        centred = x - ops.mean(x, axis=axis, keepdims=True)
        standard.append(centred / ops.std(centred, axis=axis, keepdims=True))
    return ops.mean(standard[0] * standard[1], axis=axis)


def concordance_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """Lin's concordance of targets and predictions along `axis`: correlation that asks for the same scale and mean too.

    Arguments:
        y_true, y_pred: tensors of equal shape.
        axis: the axis along which the samples lie.

    Returns:
        `2 cov / (var_true + var_pred + (mean_true - mean_pred)^2)`, of the shape without `axis`.

    Source: Lin, "A Concordance Correlation Coefficient to Evaluate Reproducibility", Biometrics 45, 1989.

    Example:

    >>> from tahr.keras import metrics
    >>> round(float(metrics.concordance_correlation([[3.0, 5.0, 7.0, 9.0]], [[3.0, 6.0, 9.0, 12.0]])[0]), 4)
    0.8108
    """
    y_true, y_pred = targets_like(y_true, y_pred)
    mean_true, mean_pred = (ops.mean(x, axis=axis, keepdims=True) for x in (y_true, y_pred))
    var_true = ops.var(y_true - mean_true, axis=axis, keepdims=True)
    var_pred = ops.var(y_pred - mean_pred, axis=axis, keepdims=True)
    # The mean of (y_pred - mean_pred) is zero, so that any constant taken off y_true gives the covariance.
    products = (y_true - mean_pred) * (y_pred - mean_pred)
    spread = var_true + var_pred + ops.square(mean_true - mean_pred)
    return ops.mean(2.0 * products / (spread + backend.epsilon()), axis=axis)


class PearsonCorrelation(FunctionMetric):
    """Mean of Pearson's correlation (see `pearson_correlation`) over the samples.

    Arguments:
        name, dtype: as in `Metric`.
        axis: the axis along which the values lie that are correlated: -1, or 0 where whole columns of an evaluation in
            one batch are meant.
    """

    _direction = "up"

    def __init__(self, name: str = "pearson_correlation", dtype: Any = None, axis: int = -1):
        super().__init__(pearson_correlation, name, dtype, axis=axis)


class ConcordanceCorrelation(FunctionMetric):
    """Mean of Lin's concordance (see `concordance_correlation`) over the samples.

    Arguments:
        name, dtype, axis: as in `PearsonCorrelation`.
    """

    _direction = "up"

    def __init__(self, name: str = "concordance_correlation", dtype: Any = None, axis: int = -1):
        super().__init__(concordance_correlation, name, dtype, axis=axis)


class R2Score(Metric):
    """Share of the targets' variance that predictions explain: `1 - sum (y - p)^2 / sum (y - mean y)^2`.

    Arguments:
        class_aggregation: how the scores of several outputs are joined: `"uniform_average"`, their mean;
            `"variance_weighted_average"`, weighted by the variances; `None`, one score per output.
        num_regressors: number of independent variables, for the adjusted score; 0 for the plain one.
        name, dtype: as in `Metric`.

    Example:

    >>> from tahr.keras import metrics
    >>> round(float(metrics.R2Score()([[2.0], [5.0], [8.0]], [[3.0], [5.0], [6.0]])), 4)
    0.7222
    """

    _direction = "up"

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str = "r2_score",
        dtype: Any = None,
    ):
        super().__init__(name=name, dtype=dtype)
        choices = (None, "uniform_average", "variance_weighted_average")
        if class_aggregation not in choices:
            raise ValueError(
                f"[{self.name}] expected class_aggregation to be one of {choices}, received {class_aggregation!r}."
            )
        if num_regressors < 0:
            raise ValueError(f"[{self.name}] expected num_regressors to be 0 or more, received {num_regressors}.")
        self.class_aggregation = class_aggregation
        self.num_regressors = num_regressors
        self.num_samples = self.add_variable((), "zeros", name="num_samples")
        self._built = False

    def _build(self, y_true: Any, y_pred: Any) -> None:
        if len(y_pred.shape) != 2 or len(y_true.shape) != 2:
            raise ValueError(
                f"[{self.name}] expected targets and predictions of shape (batch, outputs), received "
                f"{tuple(y_true.shape)} and {tuple(y_pred.shape)}."
            )
        shape = (y_pred.shape[-1],)
        self.squared_sum = self.add_variable(shape, "zeros", name="squared_sum")
        self.sum = self.add_variable(shape, "zeros", name="sum")
        self.total_mse = self.add_variable(shape, "zeros", name="residual")
        self.count = self.add_variable(shape, "zeros", name="count")
        self._built = True

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch of targets and predictions `(batch, outputs)`, with weights `(batch,)` or `(batch, outputs)`."""
        y_true = ops.convert_to_tensor(y_true, dtype=self._dtype)
        y_pred = ops.convert_to_tensor(y_pred, dtype=self._dtype)
        y_true, y_pred = squeeze_or_expand_to_same_rank(y_true, y_pred)
        if not self._built:
            self._build(y_true, y_pred)
        weight = ops.convert_to_tensor(1 if sample_weight is None else sample_weight, dtype=self._dtype)
        if len(weight.shape) == 1:
            weight = ops.expand_dims(weight, 1)
        weight = ops.broadcast_to(weight, tuple(y_true.shape))
        weighted = y_true * weight
        self.sum.assign_add(ops.sum(weighted, axis=0))
        self.squared_sum.assign_add(ops.sum(y_true * weighted, axis=0))
        self.total_mse.assign_add(ops.sum(ops.square(y_true - y_pred) * weight, axis=0))
        self.count.assign_add(ops.sum(weight, axis=0))
        self.num_samples.assign_add(ops.size(y_true))

    def result(self) -> Any:
        """The score: a scalar tensor, or one value per output."""
        if not self._built:
            return ops.convert_to_tensor(float("nan"), dtype=self._dtype)
        total = self.squared_sum - self.sum * (self.sum / self.count)
        scores = 1.0 - self.total_mse / total
        scores = ops.where(ops.isinf(scores), ops.zeros_like(scores), scores)
        if self.class_aggregation == "uniform_average":
            scores = ops.mean(scores)
        elif self.class_aggregation == "variance_weighted_average":
            scores = ops.sum(total * scores) / ops.sum(total)
        if self.num_regressors:
            free = float(self.num_samples.numpy()) - self.num_regressors - 1.0
            if free > 0:
                scores = 1.0 - (1.0 - scores) * ((free + self.num_regressors) / free)
            else:
                warnings.warn(
                    f"[{self.name}] expected more than num_regressors + 1 = {self.num_regressors + 1} samples for the "
                    f"adjusted score, received {free + self.num_regressors + 1:g}: this is the plain score.",
                    stacklevel=2,
                )
        return scores

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "class_aggregation": self.class_aggregation,
            "num_regressors": self.num_regressors,
        }
