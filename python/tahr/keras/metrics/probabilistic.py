"""Cross-entropies, divergences and hinge losses as metrics: what `keras.losses` computes, averaged over all batches."""

from __future__ import annotations

from typing import Any

from tahr.keras.losses.classification import (
    binary_crossentropy,
    categorical_crossentropy,
    categorical_hinge,
    hinge,
    kl_divergence,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from tahr.keras.losses.regression import poisson
from tahr.keras.metrics.reduction import FunctionMetric


class BinaryCrossentropy(FunctionMetric):
    """Mean cross-entropy of targets in [0, 1].

    Arguments:
        name, dtype: as in `Metric`.
        from_logits: whether predictions are scores before a sigmoid.
        label_smoothing: share of each target moved to 0.5.

    Example:

    >>> from tahr.keras import metrics
    >>> round(float(metrics.BinaryCrossentropy()([[0, 1]], [[0.5, 0.5]])), 4)
    0.6931
    """

    _direction = "down"

    def __init__(
        self,
        name: str = "binary_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
    ):
        super().__init__(binary_crossentropy, name, dtype, from_logits=from_logits, label_smoothing=label_smoothing)


class CategoricalCrossentropy(FunctionMetric):
    """Mean cross-entropy of one-hot targets.

    Arguments:
        name, dtype: as in `Metric`.
        from_logits: whether predictions are scores before a softmax.
        label_smoothing: share of each target spread evenly over the classes.
        axis: the axis of the classes.

    Example:

    >>> from tahr.keras import metrics
    >>> round(float(metrics.CategoricalCrossentropy()([[0, 1]], [[0.5, 0.5]])), 4)
    0.6931
    """

    _direction = "down"

    def __init__(
        self,
        name: str = "categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
        axis: int = -1,
    ):
        super().__init__(
            categorical_crossentropy,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class SparseCategoricalCrossentropy(FunctionMetric):
    """Mean cross-entropy of class ids.

    Arguments:
        name, dtype: as in `Metric`.
        from_logits: whether predictions are scores before a softmax.
        ignore_class: id of targets that do not count, or `None`.
        axis: the axis of the classes.

    Example:

    >>> from tahr.keras import metrics
    >>> round(float(metrics.SparseCategoricalCrossentropy()([1], [[0.5, 0.5]])), 4)
    0.6931
    """

    _direction = "down"

    def __init__(
        self,
        name: str = "sparse_categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ):
        super().__init__(
            sparse_categorical_crossentropy,
            name,
            dtype,
            from_logits=from_logits,
            ignore_class=ignore_class,
            axis=axis,
        )


class KLDivergence(FunctionMetric):
    """Mean Kullback-Leibler divergence `sum(y_true log(y_true / y_pred))`.

    Arguments:
        name, dtype: as in `Metric`.

    Example:

    >>> from tahr.keras import metrics
    >>> round(float(metrics.KLDivergence()([[0.5, 0.5]], [[0.25, 0.75]])), 4)
    0.1438
    """

    _direction = "down"

    def __init__(self, name: str = "kl_divergence", dtype: Any = None):
        super().__init__(kl_divergence, name, dtype)


class Poisson(FunctionMetric):
    """Mean of `y_pred - y_true log(y_pred)`.

    Arguments:
        name, dtype: as in `Metric`.

    Example:

    >>> from tahr.keras import metrics
    >>> round(float(metrics.Poisson()([[1.0, 2.0]], [[1.0, 1.0]])), 4)
    1.0
    """

    _direction = "down"

    def __init__(self, name: str = "poisson", dtype: Any = None):
        super().__init__(poisson, name, dtype)


class Hinge(FunctionMetric):
    """Mean of `max(1 - y_true y_pred, 0)` for targets -1 and 1 (or 0 and 1, which are mapped).

    Arguments:
        name, dtype: as in `Metric`.

    Example:

    >>> from tahr.keras import metrics
    >>> float(metrics.Hinge()([[1.0, -1.0]], [[0.5, 0.5]]))
    1.0
    """

    _direction = "down"

    def __init__(self, name: str = "hinge", dtype: Any = None):
        super().__init__(hinge, name, dtype)


class SquaredHinge(FunctionMetric):
    """Mean of `max(1 - y_true y_pred, 0)^2` for targets as in `Hinge`.

    Arguments:
        name, dtype: as in `Metric`.

    Example:

    >>> from tahr.keras import metrics
    >>> float(metrics.SquaredHinge()([[1.0, -1.0]], [[0.5, 0.5]]))
    1.25
    """

    _direction = "down"

    def __init__(self, name: str = "squared_hinge", dtype: Any = None):
        super().__init__(squared_hinge, name, dtype)


class CategoricalHinge(FunctionMetric):
    """Mean of `max(neg - pos + 1, 0)`: the score of the true class against the highest of the others.

    Arguments:
        name, dtype: as in `Metric`.

    Example:

    >>> from tahr.keras import metrics
    >>> float(metrics.CategoricalHinge()([[0.0, 1.0]], [[0.5, 1.0]]))
    0.5
    """

    _direction = "down"

    def __init__(self, name: str = "categorical_hinge", dtype: Any = None):
        super().__init__(categorical_hinge, name, dtype)
