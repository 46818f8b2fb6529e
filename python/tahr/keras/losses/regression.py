"""Losses for real-valued targets."""

from __future__ import annotations

import math
from typing import Any

from tahr import ops
from tahr.keras import backend
from tahr.keras.losses.base import FunctionLoss, l2_normalized, targets_like


def mean_squared_error(y_true: Any, y_pred: Any) -> Any:
    """`mean((y_true - y_pred)^2)` over the last axis.

    Arguments:
        y_true: targets, shape `(..., d)`.
        y_pred: predictions, same shape.

    Returns:
        Values of shape `(...)`.

    Example:

    >>> from tahr.keras import losses
    >>> float(losses.mean_squared_error([[0.0, 0.0]], [[1.0, 3.0]])[0])
    5.0
    """
    y_true, y_pred = targets_like(y_true, y_pred)
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def mean_absolute_error(y_true: Any, y_pred: Any) -> Any:
    """`mean(|y_true - y_pred|)` over the last axis. Shapes as in `mean_squared_error`.

    Example:

    >>> from tahr.keras import losses
    >>> float(losses.mean_absolute_error([[0.0, 0.0]], [[1.0, 3.0]])[0])
    2.0
    """
    y_true, y_pred = targets_like(y_true, y_pred)
    return ops.mean(ops.abs(y_true - y_pred), axis=-1)


def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Any:
    """`100 mean(|y_true - y_pred| / |y_true|)` over the last axis; targets nearer to zero than epsilon count as epsilon.

    Example:

    >>> from tahr.keras import losses
    >>> float(losses.mean_absolute_percentage_error([[2.0, 4.0]], [[1.0, 3.0]])[0])
    37.5
    """
    y_true, y_pred = targets_like(y_true, y_pred)
    scale = ops.maximum(ops.abs(y_true), backend.epsilon())
    return 100.0 * ops.mean(ops.abs((y_true - y_pred) / scale), axis=-1)


def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Any:
    """`mean((log(y_true + 1) - log(y_pred + 1))^2)` over the last axis; values below epsilon count as epsilon.

    Example:

    >>> from tahr.keras import losses
    >>> round(float(losses.mean_squared_logarithmic_error([[0.0]], [[1.0]])[0]), 4)
    0.4805
    """
    y_true, y_pred = targets_like(y_true, y_pred)
    log_pred = ops.log(ops.maximum(y_pred, backend.epsilon()) + 1.0)
    log_true = ops.log(ops.maximum(y_true, backend.epsilon()) + 1.0)
    return ops.mean(ops.square(log_pred - log_true), axis=-1)


def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """Minus the cosine of the angle between targets and predictions: -1 where they point the same way, 0 if orthogonal.

    Arguments:
        y_true: targets.
        y_pred: predictions, same shape.
        axis: axis along which a vector lies; it is absent from the result.

    Example:

    >>> from tahr.keras import losses
    >>> float(losses.cosine_similarity([[0.0, 1.0]], [[0.0, 5.0]])[0])
    -1.0
    """
    y_true, y_pred = targets_like(y_true, y_pred)
    return -ops.sum(l2_normalized(y_true, axis) * l2_normalized(y_pred, axis), axis=axis)


def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Any:
    """Half the squared error where it is at most `delta`, else linear: `delta |e| - delta^2 / 2`; mean over the last axis.

    Source: Huber, "Robust Estimation of a Location Parameter", 1964.

    Example:

    >>> from tahr.keras import losses
    >>> float(losses.huber([[0.0, 0.0]], [[1.0, 3.0]])[0])
    1.5
    """
    y_true, y_pred = targets_like(y_true, y_pred)
    error = ops.abs(y_pred - y_true)
    value = ops.where(error <= delta, 0.5 * ops.square(error), delta * error - 0.5 * delta * delta)
    return ops.mean(value, axis=-1)


def log_cosh(y_true: Any, y_pred: Any) -> Any:
    """`mean(log(cosh(y_pred - y_true)))` over the last axis: `e^2 / 2` for small errors, `|e| - log 2` for large ones.

    Example:

    >>> from tahr.keras import losses
    >>> round(float(losses.log_cosh([[0.0]], [[1.0]])[0]), 4)
    0.4338
    """
    y_true, y_pred = targets_like(y_true, y_pred)
    error = y_pred - y_true
    return ops.mean(error + ops.softplus(-2.0 * error) - math.log(2.0), axis=-1)


def poisson(y_true: Any, y_pred: Any) -> Any:
    """`mean(y_pred - y_true log(y_pred))` over the last axis: negative log-likelihood of counts, up to a constant.

    Example:

    >>> from tahr.keras import losses
    >>> round(float(losses.poisson([[2.0]], [[1.0]])[0]), 4)
    1.0
    """
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.convert_to_tensor(y_true, dtype=y_pred.dtype)
    return ops.mean(y_pred - y_true * ops.log(y_pred + backend.epsilon()), axis=-1)


class MeanSquaredError(FunctionLoss):
    """The mean of squared errors (see `mean_squared_error`).

    Arguments:
        reduction, name, dtype: as in `Loss`.

    Example:

    >>> from tahr.keras import losses
    >>> float(losses.MeanSquaredError()([[0.0, 0.0]], [[1.0, 3.0]]))
    5.0
    """

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "mean_squared_error", dtype: Any = None
    ):
        super().__init__(mean_squared_error, reduction, name, dtype)


class MeanAbsoluteError(FunctionLoss):
    """The mean of absolute errors (see `mean_absolute_error`).

    Arguments:
        reduction, name, dtype: as in `Loss`.

    Example:

    >>> from tahr.keras import losses
    >>> float(losses.MeanAbsoluteError()([[0.0, 0.0]], [[1.0, 3.0]]))
    2.0
    """

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "mean_absolute_error", dtype: Any = None
    ):
        super().__init__(mean_absolute_error, reduction, name, dtype)


class MeanAbsolutePercentageError(FunctionLoss):
    """The mean of absolute errors in percent of the targets (see `mean_absolute_percentage_error`).

    Arguments:
        reduction, name, dtype: as in `Loss`.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "mean_absolute_percentage_error",
        dtype: Any = None,
    ):
        super().__init__(mean_absolute_percentage_error, reduction, name, dtype)


class MeanSquaredLogarithmicError(FunctionLoss):
    """The mean of squared errors of logarithms (see `mean_squared_logarithmic_error`).

    Arguments:
        reduction, name, dtype: as in `Loss`.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "mean_squared_logarithmic_error",
        dtype: Any = None,
    ):
        super().__init__(mean_squared_logarithmic_error, reduction, name, dtype)


class CosineSimilarity(FunctionLoss):
    """Minus the cosine between targets and predictions (see `cosine_similarity`).

    Arguments:
        axis: axis along which a vector lies.
        reduction, name, dtype: as in `Loss`.
    """

    def __init__(
        self,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "cosine_similarity",
        dtype: Any = None,
    ):
        super().__init__(cosine_similarity, reduction, name, dtype, axis=axis)


class Huber(FunctionLoss):
    """Squared error for small errors, absolute for large ones (see `huber`).

    Arguments:
        delta: where the one passes into the other.
        reduction, name, dtype: as in `Loss`.
    """

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str = "huber_loss",
        dtype: Any = None,
    ):
        super().__init__(huber, reduction, name, dtype, delta=delta)


class LogCosh(FunctionLoss):
    """Mean of `log(cosh(y_pred - y_true))` (see `log_cosh`).

    Arguments:
        reduction, name, dtype: as in `Loss`.
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str = "log_cosh", dtype: Any = None):
        super().__init__(log_cosh, reduction, name, dtype)


class Poisson(FunctionLoss):
    """Negative log-likelihood of counts (see `poisson`).

    Arguments:
        reduction, name, dtype: as in `Loss`.
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str = "poisson", dtype: Any = None):
        super().__init__(poisson, reduction, name, dtype)
