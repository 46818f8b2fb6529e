"""Connectionist temporal classification: the loss of a sequence of labels without an alignment."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras.losses.base import FunctionLoss


def ctc(y_true: Any, y_pred: Any) -> Any:
    """`-log p(y_true | y_pred)`: the probability of all alignments that read as the labels once repeats and blanks go.

    Label 0 is the blank, and also fills up label sequences shorter than the longest.

    Arguments:
        y_true: labels, integers of shape `(batch, max_length)`, 0 after the end.
        y_pred: scores before a softmax, shape `(batch, frames, classes)`.

    Returns:
        Values of shape `(batch,)`.

    Raises:
        ValueError: a rank is wrong.

    Source: Graves et al., "Connectionist Temporal Classification", 2006, section 4.1.

    Example:

    >>> from tahr import ops
    >>> from tahr.keras import losses
    >>> round(float(losses.ctc([[1]], ops.zeros((1, 1, 2)))[0]), 4)
    0.6931
    """
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    if len(y_true.shape) != 2:
        raise ValueError(f"[ctc] expected labels of shape (batch, max_length), received shape {tuple(y_true.shape)}.")
    if len(y_pred.shape) != 3:
        raise ValueError(
            f"[ctc] expected scores of shape (batch, frames, classes), received shape {tuple(y_pred.shape)}."
        )
    lengths = ops.sum(ops.cast(ops.not_equal(y_true, 0), "int32"), axis=1)
    frames = ops.zeros_like(lengths) + ops.sum(ops.cast(ops.ones_like(y_pred[0, :, 0]), "int32"))
    return ops.ctc_loss(y_true, y_pred, lengths, frames)


ctc.takes_class_ids = True  # type: ignore[attr-defined]


class CTC(FunctionLoss):
    """Loss of label sequences without an alignment (see `ctc`).

    Arguments:
        reduction, name, dtype: as in `Loss`.
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str = "ctc", dtype: Any = None):
        super().__init__(ctc, reduction, name, dtype)
