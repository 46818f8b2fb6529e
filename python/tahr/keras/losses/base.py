"""What all losses share: the `Loss` class, losses made of a function, and the reduction of values to a scalar."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tahr import ops
from tahr.keras import backend, tree
from tahr.keras.backend.masking import get_keras_mask
from tahr.keras.backend.state import auto_name
from tahr.keras.saving import deserialize_keras_object, serialize_keras_object

REDUCTIONS = ("sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", "none", None)


class Loss:
    """Base class of losses: how far predictions are from targets, as a scalar to minimise.

    Subclasses implement `call(y_true, y_pred)`, which returns one value per sample (or per sample and step);
    calling the object weights these values and reduces them.

    Arguments:
        name: name of the loss; the class's name in snake_case if `None`.
        reduction: `"sum_over_batch_size"` or `"mean"`: the mean of all values; `"mean_with_sample_weight"`: their
            weighted mean; `"sum"`; `"none"` or `None`: the values as they are.
        dtype: dtype (or dtype policy) of the computation; `keras.config.floatx()` if `None`.

    Example:

    >>> from tahr import ops
    >>> from tahr.keras import losses
    >>> class LargestError(losses.Loss):
    ...     def call(self, y_true, y_pred):
    ...         errors = ops.abs(y_true - y_pred)
    ...         return ops.max(errors, axis=-1)
    >>> float(LargestError()([[2.0, 0.0], [6.0, 4.0]], [[1.0, 3.0], [6.0, 9.0]]))
    4.0
    """

    # Losses whose targets are class ids take integers as they come (their functions say so by an attribute
    # `takes_class_ids`); for all others targets are cast to `dtype`.
    _keeps_integer_targets = False

    def __init__(self, name: str | None = None, reduction: str | None = "sum_over_batch_size", dtype: Any = None):
        self.name = name or auto_name(type(self).__name__)
        self.reduction = checked_reduction(reduction)
        self._dtype = compute_dtype(dtype)

    @property
    def dtype(self) -> str:
        """Name of the dtype that the loss is computed in."""
        return self._dtype

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The loss of a batch.

        Arguments:
            y_true: targets, a tensor or a structure of tensors.
            y_pred: predictions, of the same structure.
            sample_weight: weights that broadcast to the values of `call`: `(batch,)` or `(batch, steps)`.

        Returns:
            A scalar tensor, or the values of `call` if `reduction` is `"none"`.
        """
        mask = get_keras_mask(y_pred)
        y_pred = _map_tensors(lambda x: ops.convert_to_tensor(x, dtype=self._dtype), y_pred)
        y_true = _map_tensors(self._target, y_true)
        values = self.call(y_true, y_pred)
        own_mask = get_keras_mask(values)
        if own_mask is not None:
            mask = own_mask if mask is None else ops.logical_and(mask, own_mask)
        return reduce_weighted_values(values, sample_weight, mask, self.reduction, self._dtype)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss per sample: shape `(batch, ...)`, without the axes that the loss sums or averages over."""
        raise NotImplementedError(
            f"[{self.name}] expected {type(self).__name__} to implement `call(y_true, y_pred)`, found none."
        )

    def _target(self, y: Any) -> Any:
        if self._keeps_integer_targets:
            y = ops.convert_to_tensor(y)
            if backend.is_int_dtype(y.dtype):
                return y
        return ops.convert_to_tensor(y, dtype=self._dtype)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as plain Python values."""
        return {"name": self.name, "reduction": self.reduction}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Loss:
        """Rebuilds the loss from `get_config()`'s result."""
        return cls(**config)


class LossFunctionWrapper(Loss):
    """A loss made of a function `fn(y_true, y_pred, **kwargs)` that returns one value per sample."""

    def __init__(
        self,
        fn: Callable,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.fn = fn
        self._fn_kwargs = kwargs
        self._keeps_integer_targets = getattr(fn, "takes_class_ids", False)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_true, y_pred = _same_ranks(y_true, y_pred)
        return self.fn(y_true, y_pred, **self._fn_kwargs)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config["fn"] = serialize_keras_object(self.fn)
        config.update(serialize_keras_object(self._fn_kwargs))
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Loss:
        if "fn" in config:
            config = deserialize_keras_object(config)
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


class FunctionLoss(LossFunctionWrapper):
    """Base of the named losses: the function is the class's own, its arguments are attributes and make the config."""

    def __init__(self, fn: Callable, reduction: str | None, name: str | None, dtype: Any, **kwargs: Any):
        super().__init__(fn, reduction=reduction, name=name, dtype=dtype, **kwargs)
        for key, value in kwargs.items():
            setattr(self, key, value)

    def get_config(self) -> dict[str, Any]:
        return {**Loss.get_config(self), **self._fn_kwargs}


def compute_dtype(dtype: Any) -> str:
    """The dtype that losses and metrics compute in, from a dtype, a dtype policy, or `None`."""
    if dtype is None:
        return backend.floatx()
    from tahr.keras import dtype_policies

    return dtype_policies.get(dtype).compute_dtype


def checked_reduction(reduction: str | None) -> str | None:
    """`reduction`, or an error if it is not one of `REDUCTIONS`."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"[loss] Invalid value for argument `reduction`: {reduction!r}. It is one of {REDUCTIONS}.")
    return reduction


def _map_tensors(fn: Callable, x: Any) -> Any:
    """`fn` on `x`, or on each tensor of a structure. A nested list of Python numbers is one tensor, not a structure."""
    if not isinstance(x, (list, tuple, dict)):
        return fn(x)
    first = x
    while isinstance(first, (list, tuple)) and first:
        first = first[0]
    return fn(x) if isinstance(first, (bool, int, float)) else tree.map_structure(fn, x)


def _same_ranks(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    if not isinstance(y_pred, (list, tuple, dict)):
        return squeeze_or_expand_to_same_rank(y_true, y_pred)
    pairs = tree.map_structure(lambda t, p: _Pair(squeeze_or_expand_to_same_rank(t, p)), y_true, y_pred)
    return tree.map_structure(lambda pair: pair.first, pairs), tree.map_structure(lambda pair: pair.second, pairs)


class _Pair:
    """A leaf holding two tensors, so that one walk over a structure can give two structures."""

    def __init__(self, both: tuple[Any, Any]):
        self.first, self.second = both


def squeeze_or_expand_to_same_rank(x1: Any, x2: Any, expand_rank_1: bool = True) -> tuple[Any, Any]:
    """Drops or adds a last axis of size 1 where two tensors differ in rank by one: `(n, 1)` with `(n,)`."""
    rank1, rank2 = len(x1.shape), len(x2.shape)
    if rank1 == rank2 + 1 and x1.shape[-1] == 1:
        if rank2 == 1 and expand_rank_1:
            return x1, ops.expand_dims(x2, -1)
        return ops.squeeze(x1, -1), x2
    if rank2 == rank1 + 1 and x2.shape[-1] == 1:
        if rank1 == 1 and expand_rank_1:
            return ops.expand_dims(x1, -1), x2
        return x1, ops.squeeze(x2, -1)
    return x1, x2


def reduce_weighted_values(
    values: Any,
    sample_weight: Any = None,
    mask: Any = None,
    reduction: str | None = "sum_over_batch_size",
    dtype: Any = None,
) -> Any:
    """Weights values, leaves masked ones out, and reduces what remains to a scalar (see `Loss`).

    Arguments:
        values: tensor of values.
        sample_weight: `None` or weights that broadcast to `values`.
        mask: `None` or a tensor that broadcasts to `values`; where it is false a value does not count.
        reduction: one of `REDUCTIONS`.
        dtype: dtype of the result; that of `values` if `None`.
    """
    reduction = checked_reduction(reduction)
    values = ops.convert_to_tensor(values, dtype=dtype)
    if sample_weight is not None:
        sample_weight = ops.convert_to_tensor(sample_weight, dtype=values.dtype)
    sample_weight = apply_mask(sample_weight, mask, values.dtype, reduction)
    if sample_weight is not None:
        values, sample_weight = squeeze_or_expand_to_same_rank(values, sample_weight)
        values = values * sample_weight
    if reduction in (None, "none") or len(values.shape) == 0:
        return values
    if reduction == "mean_with_sample_weight" and sample_weight is not None:
        return ops.divide_no_nan(ops.sum(values), ops.sum(sample_weight))
    if reduction == "sum" or 0 in tuple(values.shape):
        return ops.sum(values)
    return ops.mean(values)


def apply_mask(sample_weight: Any, mask: Any, dtype: Any, reduction: str | None) -> Any:
    """Sample weights with a mask folded in. For means the mask is scaled so that dividing by the number of all values
    gives the mean over the unmasked ones."""
    if mask is None:
        return sample_weight
    mask = ops.cast(mask, dtype)
    if reduction in ("mean", "sum_over_batch_size"):
        total = math.prod(tuple(mask.shape))
        mask = mask * ops.divide_no_nan(ops.convert_to_tensor(float(total), dtype=dtype), ops.sum(mask))
    if sample_weight is None:
        return mask
    mask, sample_weight = squeeze_or_expand_to_same_rank(mask, ops.cast(sample_weight, dtype))
    return sample_weight * mask


def targets_like(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Both as tensors of the prediction's dtype and of equal rank."""
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.convert_to_tensor(y_true, dtype=y_pred.dtype)
    return squeeze_or_expand_to_same_rank(y_true, y_pred)


def l2_normalized(x: Any, axis: Any) -> Any:
    """`x` scaled to an L2 norm of one along `axis`; vectors shorter than epsilon stay short."""
    return x * ops.rsqrt(ops.maximum(ops.sum(ops.square(x), axis=axis, keepdims=True), backend.epsilon() ** 2))
