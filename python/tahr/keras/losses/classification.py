"""Losses for classes: cross-entropies with their focal forms, hinge losses, Kullback-Leibler divergence.

Where a loss has `from_logits`, `True` means that predictions are scores before a softmax or sigmoid; this is computed in
one stable op and is the better choice. With `False` they are probabilities, kept epsilon away from 0 and 1.
"""

from __future__ import annotations

import warnings
from typing import Any

from tahr import ops
from tahr.keras import backend
from tahr.keras.backend.masking import set_keras_mask
from tahr.keras.losses.base import FunctionLoss


def _smoothed(y_true: Any, label_smoothing: float, classes: int) -> Any:
    if not label_smoothing:
        return y_true
    return y_true * (1.0 - label_smoothing) + label_smoothing / classes


def _check_axis(name: str, axis: Any) -> None:
    if isinstance(axis, bool):
        raise ValueError(f"[{name}] expected `axis` to be an integer, received {axis}.")


def _check_one_hot(op: str, y_true: Any, y_pred: Any) -> None:
    target, output = tuple(y_true.shape), tuple(y_pred.shape)
    if len(target) == len(output) and all(a is None or b is None or a == b for a, b in zip(target, output)):
        return
    if target in (output[:-1], (*output[:-1], 1)):
        advice = f"For class ids use sparse_{op}, or pass to_categorical(y, {output[-1]})."
        advice = advice if op == "categorical_crossentropy" else f"Pass to_categorical(y, {output[-1]}) for class ids."
    else:
        advice = "Give the last layer one unit per class of the targets."
    raise ValueError(f"[{op}] target and output must have the same shape, received {target} and {output}. {advice}")


def _warn_single_class(name: str, y_pred: Any) -> None:
    if len(y_pred.shape) and y_pred.shape[-1] == 1:
        warnings.warn(
            f"[{name}] expected predictions for two or more classes, received shape {tuple(y_pred.shape)}: with one "
            "class this loss is always 0. Use 'binary_crossentropy' for one output per sample.",
            SyntaxWarning,
            stacklevel=3,
        )


def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Any:
    """`-sum(y_true log(p))` over `axis`, for targets that are distributions (one-hot rows, usually).

    Arguments:
        y_true: targets, shape `(..., classes)`.
        y_pred: predictions, same shape. Without `from_logits` they are divided by their sum over `axis`.
        from_logits: whether predictions are scores before a softmax.
        label_smoothing: share `s` of each target spread evenly: `(1 - s) y_true + s / classes`.
        axis: the axis of the classes.

    Returns:
        Values of shape `(...)`.

    Example:

    >>> from tahr.keras import losses
    >>> round(float(losses.categorical_crossentropy([[0.0, 1.0]], [[0.5, 0.5]])[0]), 4)
    0.6931
    """
    _check_axis("categorical_crossentropy", axis)
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.convert_to_tensor(y_true, dtype=y_pred.dtype)
    _warn_single_class("categorical_crossentropy", y_pred)
    _check_one_hot("categorical_crossentropy", y_true, y_pred)
    y_true = _smoothed(y_true, label_smoothing, y_true.shape[-1])
    return ops.categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)


def categorical_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    alpha: Any = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Any:
    """Cross-entropy that weighs well-classified samples down: `-sum(alpha (1 - p)^gamma y_true log(p))`.

    Arguments:
        y_true: targets, shape `(..., classes)`.
        y_pred: predictions, same shape.
        alpha: weight, one number or one per class.
        gamma: how strongly confident predictions are weighed down; 0 gives the plain cross-entropy times `alpha`.
        from_logits, label_smoothing, axis: as in `categorical_crossentropy`.

    Source: Lin et al., "Focal Loss for Dense Object Detection", 2017.

    Example:

    >>> from tahr.keras import losses
    >>> round(float(losses.categorical_focal_crossentropy([[0.0, 1.0]], [[0.5, 0.5]])[0]), 4)
    0.0433
    """
    _check_axis("categorical_focal_crossentropy", axis)
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.convert_to_tensor(y_true, dtype=y_pred.dtype)
    _warn_single_class("categorical_focal_crossentropy", y_pred)
    _check_one_hot("categorical_focal_crossentropy", y_true, y_pred)
    y_true = _smoothed(y_true, label_smoothing, y_true.shape[-1])
    p = ops.softmax(y_pred, axis=axis) if from_logits else y_pred
    p = ops.divide(p, ops.sum(p, axis=axis, keepdims=True))
    p = ops.clip(p, backend.epsilon(), 1.0 - backend.epsilon())
    weight = ops.multiply(ops.power(1.0 - p, gamma), alpha)
    return ops.sum(weight * (-y_true * ops.log(p)), axis=axis)


def sparse_categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, ignore_class: int | None = None, axis: int = -1
) -> Any:
    """`-log(p[y_true])`, for targets that are class ids.

    Arguments:
        y_true: class ids, shape `(...)` or `(..., 1)`.
        y_pred: predictions, shape `(..., classes)`.
        from_logits: whether predictions are scores before a softmax.
        ignore_class: id of targets that do not count: their value is 0, and they are masked out of a mean.
        axis: the axis of the classes.

    Returns:
        Values of shape `(...)`.

    Example:

    >>> from tahr.keras import losses
    >>> round(float(losses.sparse_categorical_crossentropy([1], [[0.5, 0.5]])[0]), 4)
    0.6931
    """
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    if len(y_true.shape) == len(y_pred.shape) and y_true.shape[axis] == 1:
        y_true = ops.squeeze(y_true, axis)
    if len(y_true.shape) == len(y_pred.shape):
        raise ValueError(
            f"[sparse_categorical_crossentropy] expected class ids of shape {tuple(y_pred.shape[:-1])} for predictions "
            f"of shape {tuple(y_pred.shape)}, received targets of shape {tuple(y_true.shape)}. Use "
            "categorical_crossentropy for one-hot targets, or pass argmax(y, axis=-1)."
        )
    if ignore_class is None:
        return ops.sparse_categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)
    valid = ops.not_equal(y_true, ignore_class)
    y_true = ops.where(valid, y_true, ops.zeros_like(y_true))
    y_pred = ops.where(ops.expand_dims(valid, axis), y_pred, ops.zeros_like(y_pred))
    values = ops.sparse_categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)
    valid = ops.reshape(valid, tuple(values.shape))
    values = ops.where(valid, values, ops.zeros_like(values))
    set_keras_mask(values, valid)
    return values


sparse_categorical_crossentropy.takes_class_ids = True  # type: ignore[attr-defined]


def binary_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Any:
    """`-(y_true log(p) + (1 - y_true) log(1 - p))`, mean over `axis`.

    Arguments:
        y_true: targets in [0, 1], shape `(..., d)`.
        y_pred: predictions, same shape.
        from_logits: whether predictions are scores before a sigmoid.
        label_smoothing: share of each target moved to 0.5.
        axis: the axis that is averaged.

    Returns:
        Values of shape `(...)`.

    Example:

    >>> from tahr.keras import losses
    >>> round(float(losses.binary_crossentropy([[1.0]], [[0.5]])[0]), 4)
    0.6931
    """
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = _smoothed(ops.convert_to_tensor(y_true, dtype=y_pred.dtype), label_smoothing, 2)
    return ops.mean(ops.binary_crossentropy(y_true, y_pred, from_logits=from_logits), axis=axis)


def binary_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Any:
    """Binary cross-entropy times `(1 - p_t)^gamma`, where `p_t` is the probability given to the true class.

    Arguments:
        y_true: targets in [0, 1], shape `(..., d)`.
        y_pred: predictions, same shape.
        apply_class_balancing: whether to weigh class 1 by `alpha` and class 0 by `1 - alpha`.
        alpha: weight of class 1.
        gamma: how strongly confident predictions are weighed down.
        from_logits, label_smoothing, axis: as in `binary_crossentropy`.

    Source: Lin et al., "Focal Loss for Dense Object Detection", 2017.

    Example:

    >>> from tahr.keras import losses
    >>> round(float(losses.binary_focal_crossentropy([[1.0]], [[0.5]])[0]), 4)
    0.1733
    """
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = _smoothed(ops.convert_to_tensor(y_true, dtype=y_pred.dtype), label_smoothing, 2)
    p = ops.sigmoid(y_pred) if from_logits else y_pred
    value = ops.binary_crossentropy(y_true, p, from_logits=False)
    p_true = y_true * p + (1.0 - y_true) * (1.0 - p)
    value = ops.power(1.0 - p_true, gamma) * value
    if apply_class_balancing:
        value = (y_true * alpha + (1.0 - y_true) * (1.0 - alpha)) * value
    return ops.mean(value, axis=axis)


def categorical_generalized_cross_entropy(y_true: Any, y_pred: Any, q: float) -> Any:
    """`(1 - p[y_true]^q) / q`: between cross-entropy (`q` towards 0) and absolute error (`q = 1`), for noisy labels.

    Arguments:
        y_true: class ids, shape `(...)`.
        y_pred: probabilities, shape `(..., classes)`.
        q: in (0, 1].

    Source: Zhang and Sabuncu, "Generalized Cross Entropy Loss for Training Deep Neural Networks with Noisy Labels", 2018.

    Example:

    >>> from tahr.keras import losses
    >>> float(losses.categorical_generalized_cross_entropy([0], [[0.25, 0.75]], q=0.5)[0])
    1.0
    """
    y_pred = ops.convert_to_tensor(y_pred)
    ids = ops.cast(y_true, "int32")
    p = ops.sum(y_pred * ops.one_hot(ids, y_pred.shape[-1], dtype=y_pred.dtype), axis=-1)
    return (1.0 - ops.power(p, q)) / q


categorical_generalized_cross_entropy.takes_class_ids = True  # type: ignore[attr-defined]


def kl_divergence(y_true: Any, y_pred: Any) -> Any:
    """`sum(y_true log(y_true / y_pred))` over the last axis, both kept within [epsilon, 1].

    Example:

    >>> from tahr.keras import losses
    >>> round(float(losses.kl_divergence([[0.5, 0.5]], [[0.25, 0.75]])[0]), 4)
    0.1438
    """
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.clip(ops.convert_to_tensor(y_true, dtype=y_pred.dtype), backend.epsilon(), 1.0)
    y_pred = ops.clip(y_pred, backend.epsilon(), 1.0)
    return ops.sum(y_true * ops.log(y_true / y_pred), axis=-1)


def _signs(y_true: Any) -> Any:
    """Targets in {-1, 1}: those in {0, 1} are mapped there if all are."""
    is_binary = ops.all(ops.logical_or(ops.equal(y_true, 0), ops.equal(y_true, 1)))
    return ops.where(is_binary, 2.0 * y_true - 1.0, y_true)


def hinge(y_true: Any, y_pred: Any) -> Any:
    """`mean(max(1 - y_true y_pred, 0))` over the last axis, for targets -1 and 1 (or 0 and 1, which are mapped).

    Example:

    >>> from tahr.keras import losses
    >>> float(losses.hinge([[1.0, -1.0]], [[0.5, 0.5]])[0])
    1.0
    """
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = _signs(ops.convert_to_tensor(y_true, dtype=y_pred.dtype))
    return ops.mean(ops.maximum(1.0 - y_true * y_pred, 0.0), axis=-1)


def squared_hinge(y_true: Any, y_pred: Any) -> Any:
    """`mean(max(1 - y_true y_pred, 0)^2)` over the last axis, for targets as in `hinge`.

    Example:

    >>> from tahr.keras import losses
    >>> float(losses.squared_hinge([[1.0, -1.0]], [[0.5, 0.5]])[0])
    1.25
    """
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = _signs(ops.convert_to_tensor(y_true, dtype=y_pred.dtype))
    return ops.mean(ops.square(ops.maximum(1.0 - y_true * y_pred, 0.0)), axis=-1)


def categorical_hinge(y_true: Any, y_pred: Any) -> Any:
    """`max(neg - pos + 1, 0)`: `pos` is the score of the true class, `neg` the highest score of the others.

    Arguments:
        y_true: one-hot targets, shape `(..., classes)`.
        y_pred: scores, same shape.

    Example:

    >>> from tahr.keras import losses
    >>> float(losses.categorical_hinge([[0.0, 1.0]], [[0.5, 1.0]])[0])
    0.5
    """
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.convert_to_tensor(y_true, dtype=y_pred.dtype)
    pos = ops.sum(y_true * y_pred, axis=-1)
    neg = ops.max((1.0 - y_true) * y_pred, axis=-1)
    return ops.maximum(neg - pos + 1.0, 0.0)


class CategoricalCrossentropy(FunctionLoss):
    """Cross-entropy of one-hot targets (see `categorical_crossentropy`).

    Arguments:
        from_logits: whether predictions are scores before a softmax.
        label_smoothing: share of each target spread evenly over the classes.
        axis: the axis of the classes.
        reduction, name, dtype: as in `Loss`.

    Example:

    >>> from tahr.keras import losses
    >>> round(float(losses.CategoricalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]])), 4)
    0.6931
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "categorical_crossentropy",
        dtype: Any = None,
    ):
        super().__init__(
            categorical_crossentropy,
            reduction,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class CategoricalFocalCrossentropy(FunctionLoss):
    """Focal cross-entropy of one-hot targets (see `categorical_focal_crossentropy`).

    Arguments:
        alpha: weight, one number or one per class.
        gamma: how strongly confident predictions are weighed down.
        from_logits, label_smoothing, axis: as in `CategoricalCrossentropy`.
        reduction, name, dtype: as in `Loss`.
    """

    def __init__(
        self,
        alpha: Any = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "categorical_focal_crossentropy",
        dtype: Any = None,
    ):
        super().__init__(
            categorical_focal_crossentropy,
            reduction,
            name,
            dtype,
            alpha=alpha,
            gamma=gamma,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class SparseCategoricalCrossentropy(FunctionLoss):
    """Cross-entropy of class ids (see `sparse_categorical_crossentropy`).

    Arguments:
        from_logits: whether predictions are scores before a softmax.
        ignore_class: id of targets that do not count, or `None`.
        reduction: as in `Loss`.
        axis: the axis of the classes.
        name, dtype: as in `Loss`.

    Example:

    >>> from tahr.keras import losses
    >>> round(float(losses.SparseCategoricalCrossentropy()([1], [[0.5, 0.5]])), 4)
    0.6931
    """

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        axis: int = -1,
        name: str = "sparse_categorical_crossentropy",
        dtype: Any = None,
    ):
        super().__init__(
            sparse_categorical_crossentropy,
            reduction,
            name,
            dtype,
            from_logits=from_logits,
            ignore_class=ignore_class,
            axis=axis,
        )


class BinaryCrossentropy(FunctionLoss):
    """Cross-entropy of targets in [0, 1] (see `binary_crossentropy`).

    Arguments:
        from_logits: whether predictions are scores before a sigmoid.
        label_smoothing: share of each target moved to 0.5.
        axis: the axis that is averaged.
        reduction, name, dtype: as in `Loss`.

    Example:

    >>> from tahr.keras import losses
    >>> round(float(losses.BinaryCrossentropy()([[1.0]], [[0.5]])), 4)
    0.6931
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "binary_crossentropy",
        dtype: Any = None,
    ):
        super().__init__(
            binary_crossentropy,
            reduction,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class BinaryFocalCrossentropy(FunctionLoss):
    """Focal cross-entropy of targets in [0, 1] (see `binary_focal_crossentropy`).

    Arguments:
        apply_class_balancing: whether to weigh class 1 by `alpha` and class 0 by `1 - alpha`.
        alpha: weight of class 1.
        gamma: how strongly confident predictions are weighed down.
        from_logits, label_smoothing, axis: as in `BinaryCrossentropy`.
        reduction, name, dtype: as in `Loss`.
    """

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "binary_focal_crossentropy",
        dtype: Any = None,
    ):
        super().__init__(
            binary_focal_crossentropy,
            reduction,
            name,
            dtype,
            apply_class_balancing=apply_class_balancing,
            alpha=alpha,
            gamma=gamma,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class CategoricalGeneralizedCrossEntropy(FunctionLoss):
    """Cross-entropy that tolerates wrong labels (see `categorical_generalized_cross_entropy`).

    Arguments:
        q: in (0, 1): robustness; towards 0 it is the plain cross-entropy.
        reduction, name, dtype: as in `Loss`.
    """

    def __init__(
        self,
        q: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str = "categorical_generalized_cross_entropy",
        dtype: Any = None,
    ):
        if not 0 < q < 1:
            raise ValueError(f"[CategoricalGeneralizedCrossEntropy] expected `q` to lie between 0 and 1, received {q}.")
        super().__init__(categorical_generalized_cross_entropy, reduction, name, dtype, q=q)


class KLDivergence(FunctionLoss):
    """Kullback-Leibler divergence of predictions from targets (see `kl_divergence`).

    Arguments:
        reduction, name, dtype: as in `Loss`.
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str = "kl_divergence", dtype: Any = None):
        super().__init__(kl_divergence, reduction, name, dtype)


class Hinge(FunctionLoss):
    """The hinge loss of support vector machines (see `hinge`).

    Arguments:
        reduction, name, dtype: as in `Loss`.
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str = "hinge", dtype: Any = None):
        super().__init__(hinge, reduction, name, dtype)


class SquaredHinge(FunctionLoss):
    """The squared hinge loss (see `squared_hinge`).

    Arguments:
        reduction, name, dtype: as in `Loss`.
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str = "squared_hinge", dtype: Any = None):
        super().__init__(squared_hinge, reduction, name, dtype)


class CategoricalHinge(FunctionLoss):
    """The hinge loss of several classes (see `categorical_hinge`).

    Arguments:
        reduction, name, dtype: as in `Loss`.
    """

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "categorical_hinge", dtype: Any = None
    ):
        super().__init__(categorical_hinge, reduction, name, dtype)
