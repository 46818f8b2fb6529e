"""Sums and means of values over all batches, and means of a function of targets and predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tahr import ops
from tahr.keras.backend.masking import get_keras_mask
from tahr.keras.losses.base import Loss, apply_mask, squeeze_or_expand_to_same_rank
from tahr.keras.metrics.metric import Metric
from tahr.keras.saving import deserialize_keras_object, serialize_keras_object


def reduce_to_samplewise_values(values: Any, sample_weight: Any, reduce_fn: Callable, dtype: str) -> tuple[Any, Any]:
    """One weighted value per sample, and one weight per sample.

    Arguments:
        values: tensor `(batch, ...)`, or a scalar.
        sample_weight: `None`, or weights of the first axes of `values`.
        reduce_fn: `ops.sum` or `ops.mean`, which joins the values of a sample.
        dtype: dtype of the results.

    Returns:
        Values times weights, `(batch,)`; and weights, `(batch,)` or a scalar, `None` if none are given.
    """
    mask = get_keras_mask(values)
    values = ops.convert_to_tensor(values, dtype=dtype)
    if mask is not None:
        sample_weight = apply_mask(sample_weight, mask, dtype, "sum")
    if sample_weight is not None:
        sample_weight = ops.convert_to_tensor(sample_weight, dtype=dtype)
        if len(sample_weight.shape) or len(values.shape):
            values, sample_weight = squeeze_or_expand_to_same_rank(values, sample_weight)
            rank = len(sample_weight.shape)
            if len(values.shape) > rank:
                values = reduce_fn(values, axis=tuple(range(rank, len(values.shape))))
            if tuple(sample_weight.shape) != tuple(values.shape):
                sample_weight = ops.broadcast_to(sample_weight, tuple(values.shape))
            if rank > 1:
                weights_of_values, sample_weight = sample_weight, reduce_fn(sample_weight, axis=tuple(range(1, rank)))
                values = ops.multiply(values, weights_of_values)
            else:
                values = ops.multiply(values, sample_weight)
        else:
            values = ops.multiply(values, sample_weight)
    if len(values.shape) > 1:
        values = reduce_fn(values, axis=tuple(range(1, len(values.shape))))
    return values, sample_weight


class Sum(Metric):
    """Weighted sum of values.

    Arguments:
        name, dtype: as in `Metric`.

    Example:

    >>> from tahr.keras import metrics
    >>> m = metrics.Sum()
    >>> m.update_state([2.5, 4.0])
    >>> m.update_state([-1.0])
    >>> float(m.result())
    5.5
    """

    def __init__(self, name: str = "sum", dtype: Any = None):
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable((), "zeros", dtype=self.dtype, name="total")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Adds values `(batch, ...)`, weighted by `sample_weight` if given."""
        values, _ = reduce_to_samplewise_values(values, sample_weight, ops.sum, self._dtype)
        self.total.assign_add(ops.sum(values) if len(values.shape) else values)

    def reset_state(self) -> None:
        self.total.assign(0)

    def result(self) -> Any:
        """The sum, a scalar tensor."""
        return ops.convert_to_tensor(self.total)


class Mean(Metric):
    """Weighted mean of values; 0 before the first.

    Values of shape `(batch, ...)` count as `batch` samples, each with the mean of its values.

    Arguments:
        name, dtype: as in `Metric`.

    Example:

    >>> from tahr.keras import metrics
    >>> m = metrics.Mean()
    >>> m.update_state([10, 20, 60], sample_weight=[2, 1, 1])
    >>> float(m.result())
    25.0
    """

    def __init__(self, name: str = "mean", dtype: Any = None):
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable((), "zeros", dtype=self.dtype, name="total")
        self.count = self.add_variable((), "zeros", dtype=self.dtype, name="count")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Adds values `(batch, ...)`, weighted by `sample_weight` if given."""
        values, sample_weight = reduce_to_samplewise_values(values, sample_weight, ops.mean, self._dtype)
        rank = len(values.shape)
        self.total.assign_add(ops.sum(values) if rank else values)
        if sample_weight is None:
            count = values.shape[0] if rank else 1
        else:
            count = ops.sum(sample_weight) if len(sample_weight.shape) else sample_weight
        self.count.assign_add(count)

    def reset_state(self) -> None:
        self.total.assign(0)
        self.count.assign(0)

    def result(self) -> Any:
        """The mean, a scalar tensor."""
        return ops.divide_no_nan(self.total, self.count)


class MeanMetricWrapper(Mean):
    """The mean of a function of targets and predictions.

    Arguments:
        fn: `fn(y_true, y_pred, **kwargs)`, which returns a value per sample, `(batch, ...)`.
        name, dtype: as in `Metric`.
        **kwargs: arguments of `fn`.

    Example:

    >>> from tahr import ops
    >>> from tahr.keras import metrics
    >>> m = metrics.MeanMetricWrapper(lambda y_true, y_pred: ops.abs(y_true - y_pred), name="distance")
    >>> m.update_state(ops.array([1.0, 2.0]), ops.array([2.0, 4.0]))
    >>> float(m.result())
    1.5
    """

    def __init__(self, fn: Callable, name: str | None = None, dtype: Any = None, **kwargs: Any):
        super().__init__(name=name, dtype=dtype)  # type: ignore[arg-type]
        self._fn = fn
        self._fn_kwargs = dict(kwargs)
        if self._direction is None and (isinstance(fn, Loss) or _is_loss_function(fn)):
            self._direction = "down"

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # type: ignore[override]
        """Adds a batch.

        Arguments:
            y_true: targets, `(batch, ...)`.
            y_pred: predictions, `(batch, ...)`. A mask that they carry takes part in the weights.
            sample_weight: `None` or weights of the first axes of the values of `fn`.
        """
        mask = get_keras_mask(y_pred)
        values = self._fn(y_true, y_pred, **self._fn_kwargs)
        if mask is not None:
            sample_weight = apply_mask(sample_weight, mask, self._dtype, "sum")
        super().update_state(values, sample_weight=sample_weight)

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "fn": serialize_keras_object(self._fn)}
        config.update(serialize_keras_object(dict(self._fn_kwargs)))
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Metric:
        if "fn" in config:
            config = deserialize_keras_object(config)
        return cls(**config)


class FunctionMetric(MeanMetricWrapper):
    """Base of the named means: the function is the class's own, its arguments are attributes and make the config."""

    def __init__(self, fn: Callable, name: str | None, dtype: Any, **kwargs: Any):
        super().__init__(fn, name=name, dtype=dtype, **kwargs)
        for key, value in kwargs.items():
            setattr(self, key, value)

    def get_config(self) -> dict[str, Any]:
        return {**Metric.get_config(self), **self._fn_kwargs}


def _is_loss_function(fn: Any) -> bool:
    return str(getattr(fn, "__module__", "")).startswith("tahr.keras.losses.")
