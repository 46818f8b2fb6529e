"""Losses on sets and embeddings: region overlap (Dice, Tversky) and metric learning (circle loss)."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras import backend
from tahr.keras.backend.masking import set_keras_mask
from tahr.keras.losses.base import FunctionLoss


def dice(y_true: Any, y_pred: Any, axis: Any = None) -> Any:
    """`1 - 2 |t p| / (|t| + |p|)` for targets `t` and predictions `p`, `|.|` a sum: 0 where they coincide.

    Arguments:
        y_true: targets in [0, 1].
        y_pred: predictions, same shape.
        axis: axes summed over; all if `None`.

    Source: Milletari et al., "V-Net", 2016.

    Example:

    >>> from tahr.keras import losses
    >>> round(float(losses.dice([1.0, 1.0, 0.0], [0.5, 1.0, 0.5])), 4)
    0.25
    """
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.convert_to_tensor(y_true, dtype=y_pred.dtype)
    overlap = ops.sum(y_true * y_pred, axis=axis)
    total = ops.sum(y_true, axis=axis) + ops.sum(y_pred, axis=axis)
    return 1.0 - 2.0 * overlap / (total + backend.epsilon())


def tversky(y_true: Any, y_pred: Any, alpha: float = 0.5, beta: float = 0.5, axis: Any = None) -> Any:
    """`1 - tp / (tp + alpha fp + beta fn)`, with `tp = sum(y_true y_pred)`; `alpha = beta = 0.5` is the Dice loss.

    As in Keras, `alpha` weighs `sum(y_true (1 - y_pred))` and `beta` weighs `sum(y_pred (1 - y_true))`.

    Arguments:
        y_true: targets in [0, 1].
        y_pred: predictions, same shape.
        alpha, beta: weights of the two kinds of error.
        axis: axes summed over; all if `None`.

    Source: Salehi et al., "Tversky loss function for image segmentation using 3D fully convolutional deep networks", 2017.

    Example:

    >>> from tahr.keras import losses
    >>> round(float(losses.tversky([1.0, 1.0, 0.0], [0.5, 1.0, 0.5], alpha=0.25, beta=0.75)), 4)
    0.25
    """
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.convert_to_tensor(y_true, dtype=y_pred.dtype)
    overlap = ops.sum(y_true * y_pred, axis=axis)
    missed = ops.sum(y_true * (1.0 - y_pred), axis=axis)
    invented = ops.sum((1.0 - y_true) * y_pred, axis=axis)
    return 1.0 - overlap / (overlap + alpha * missed + beta * invented + backend.epsilon())


def circle(
    y_true: Any,
    y_pred: Any,
    ref_labels: Any = None,
    ref_embeddings: Any = None,
    remove_diagonal: bool = True,
    gamma: float = 80,
    margin: float = 0.4,
) -> Any:
    """Circle loss of embeddings: pulls those of one class together and pushes classes apart, each pair at its own pace.

    With cosine similarities `s` (at most 1): `softplus(lse(-gamma (1 + margin - s)+ (s - 1 + margin)) +
    lse(gamma (s + margin)+ (s - margin)))`, the first log-sum-exp over pairs of one class, the second over the others.

    Arguments:
        y_true: class ids, shape `(batch,)` or `(batch, 1)`.
        y_pred: embeddings of L2 norm one, shape `(batch, d)`.
        ref_labels: class ids of the embeddings compared with, shape `(m,)`; those of the batch if `None`.
        ref_embeddings: these embeddings, shape `(m, d)`; those of the batch if `None`.
        remove_diagonal: whether to leave out the pairs of an embedding with itself.
        gamma: scale.
        margin: how strict the boundary is, in [0, 1].

    Returns:
        Values of shape `(batch,)`; zeros are masked out of a mean.

    Source: Sun et al., "Circle Loss: A Unified Perspective of Pair Similarity Optimization", 2020.
    """
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.reshape(ops.cast(y_true, "int32"), (-1, 1))
    ref_embeddings = y_pred if ref_embeddings is None else ops.convert_to_tensor(ref_embeddings)
    ref_labels = y_true if ref_labels is None else ops.reshape(ops.cast(ref_labels, "int32"), (-1, 1))

    similarity = ops.minimum(ops.matmul(y_pred, ops.transpose(ref_embeddings)), 1.0)
    same = ops.equal(y_true, ops.transpose(ref_labels))
    different = ops.logical_not(same)
    if remove_diagonal:
        same = ops.logical_and(same, ops.logical_not(ops.eye(*tuple(same.shape), dtype="bool")))

    positive = -gamma * ops.maximum(1.0 + margin - similarity, 0.0) * (similarity - 1.0 + margin)
    negative = gamma * ops.maximum(similarity + margin, 0.0) * (similarity - margin)
    # Finite, so that a row without pairs has gradient zero and not NaN.
    nothing = ops.convert_to_tensor(-3e4, dtype=y_pred.dtype)
    positive = ops.logsumexp(ops.where(same, positive, nothing), axis=1)
    negative = ops.logsumexp(ops.where(different, negative, nothing), axis=1)
    values = ops.softplus(positive + negative)
    set_keras_mask(values, ops.greater(values, 0))
    return values


circle.takes_class_ids = True  # type: ignore[attr-defined]


class Dice(FunctionLoss):
    """One minus the Dice coefficient (see `dice`).

    Arguments:
        reduction, name: as in `Loss`.
        axis: axes summed over; all if `None`.
        dtype: as in `Loss`.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "dice",
        axis: Any = None,
        dtype: Any = None,
    ):
        super().__init__(dice, reduction, name, dtype, axis=axis)


class Tversky(FunctionLoss):
    """One minus the Tversky index (see `tversky`).

    Arguments:
        alpha, beta: weights of the two kinds of error.
        reduction, name: as in `Loss`.
        axis: axes summed over; all if `None`.
        dtype: as in `Loss`.
    """

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str = "tversky",
        axis: Any = None,
        dtype: Any = None,
    ):
        super().__init__(tversky, reduction, name, dtype, alpha=alpha, beta=beta, axis=axis)


class Circle(FunctionLoss):
    """Circle loss of the embeddings of a batch (see `circle`).

    Arguments:
        gamma: scale.
        margin: how strict the boundary is, in [0, 1].
        remove_diagonal: whether to leave out the pairs of an embedding with itself.
        reduction, name, dtype: as in `Loss`.
    """

    def __init__(
        self,
        gamma: float = 80.0,
        margin: float = 0.4,
        remove_diagonal: bool = True,
        reduction: str | None = "sum_over_batch_size",
        name: str = "circle",
        dtype: Any = None,
    ):
        super().__init__(circle, reduction, name, dtype, gamma=gamma, margin=margin, remove_diagonal=remove_diagonal)
