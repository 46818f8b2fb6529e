"""Connectionist temporal classification: the loss of a sequence of labels without an alignment."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras.losses.base import FunctionLoss

# Log-probability of what cannot happen: finite, so that gradients stay numbers.
_IMPOSSIBLE = -1e5


def ctc(y_true: Any, y_pred: Any) -> Any:
    """`-log p(y_true | y_pred)`: the probability of all alignments that read as the labels once repeats and blanks go.

    The forward recursion over the labels interleaved with blanks, in log space, one step of ops per frame. Label 0 is
    the blank, and also fills up label sequences shorter than the longest.

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
    labels = ops.cast(y_true, "int32")
    batch, length = tuple(labels.shape)
    frames = y_pred.shape[1]
    dtype = y_pred.dtype
    log_probs = ops.log_softmax(y_pred, axis=-1)

    # blank, l1, blank, l2, ..., blank
    blanks = ops.zeros_like(labels)
    states = ops.reshape(ops.stack([blanks, labels], axis=-1), (batch, 2 * length))
    states = ops.concatenate([states, blanks[:, :1]], axis=1)
    # emitted[b, t, s]: log-probability of the label of state s at frame t
    indices = ops.broadcast_to(ops.expand_dims(states, 1), (batch, frames, 2 * length + 1))
    emitted = ops.take_along_axis(log_probs, indices, axis=2)

    # A state may be entered from two back if it is a label that differs from the one before.
    skips = ops.logical_and(
        ops.not_equal(states[:, 2:], 0),
        ops.not_equal(states[:, 2:], states[:, :-2]),
    )
    skip_cost = ops.where(skips, ops.zeros((), dtype), ops.full((), _IMPOSSIBLE, dtype))
    skip_cost = ops.concatenate([ops.full((batch, 2), _IMPOSSIBLE, dtype), skip_cost], axis=1)

    outside = ops.full((batch, 2), _IMPOSSIBLE, dtype)
    alpha = ops.concatenate([emitted[:, 0, :2], ops.full((batch, 2 * length - 1), _IMPOSSIBLE, dtype)], axis=1)
    for t in range(1, frames):
        one_back = ops.concatenate([outside[:, :1], alpha[:, :-1]], axis=1)
        two_back = ops.concatenate([outside, alpha[:, :-2]], axis=1) + skip_cost
        alpha = ops.logsumexp(ops.stack([alpha, one_back, two_back]), axis=0) + emitted[:, t]

    # The last frame ends in the last label or the blank behind it.
    ends = ops.expand_dims(2 * ops.sum(ops.cast(ops.not_equal(labels, 0), "int32"), axis=1), 1)
    final = ops.take_along_axis(alpha, ends, axis=1)
    before = ops.take_along_axis(alpha, ops.maximum(ends - 1, 0), axis=1)
    before = ops.where(ops.greater(ends, 0), before, ops.full((), _IMPOSSIBLE, dtype))
    return -ops.squeeze(ops.logaddexp(final, before), 1)


ctc.takes_class_ids = True  # type: ignore[attr-defined]


class CTC(FunctionLoss):
    """Loss of label sequences without an alignment (see `ctc`).

    Arguments:
        reduction, name, dtype: as in `Loss`.
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str = "ctc", dtype: Any = None):
        super().__init__(ctc, reduction, name, dtype)
