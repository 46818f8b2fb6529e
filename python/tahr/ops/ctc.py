"""Connectionist temporal classification: the loss of label sequences without an alignment, and reading them off scores.

Source: Graves et al., "Connectionist Temporal Classification", 2006; the beam search: Hannun et al., "First-pass large
vocabulary continuous speech recognition using bi-directional recurrent DNNs", 2014.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tahr import _C
from tahr.ops import control, host
from tahr.tensor import Tensor

__all__ = ["ctc_decode", "ctc_loss"]

# Log-probability of what cannot happen: finite, so that gradients stay numbers.
_IMPOSSIBLE = -1e5


def ctc_loss(target: Any, output: Any, target_length: Any, output_length: Any, mask_index: int = 0) -> Tensor:
    """``-log p(target | output)``: the probability of all alignments that read as the labels once repeats and blanks go.

    The forward recursion over the labels interleaved with blanks, in log space, one round of a loop per frame.

    Args:
        target: labels, integers (batch, max_length).
        output: scores before a softmax, (batch, frames, classes).
        target_length: how many labels count, (batch,).
        output_length: how many frames count, (batch,).
        mask_index: the class that stands for the blank.

    Returns:
        (batch,); float32 for halves.

    Raises:
        ValueError: if ranks or batches do not fit.

    Example:
        >>> import tahr
        >>> loss = tahr.ops.ctc_loss([[1]], tahr.ops.zeros((1, 1, 2)), [1], [1])
        >>> round(float(loss[0]), 4)
        0.6931

    Source: Graves et al. 2006, section 4.1.
    """
    labels = _C.ops.cast(_C.to_tensor(target, None, "[ctc_loss]"), "int32")
    scores = host.widened(host.floating(output, "ctc_loss", 1))
    if len(labels.shape) != 2 or len(scores.shape) != 3:
        raise ValueError(
            "[ctc_loss] expected target (batch, max_length) and output (batch, frames, classes), received shapes "
            f"{tuple(labels.shape)} and {tuple(scores.shape)}."
        )
    if scores.is_symbolic and not _C.tracing():  # the shape is all there is to know
        return scores[:, 0, 0]
    lengths = _C.ops.cast(_C.to_tensor(target_length, None, "[ctc_loss]"), "int32")
    ends_at = _C.ops.cast(_C.to_tensor(output_length, None, "[ctc_loss]"), "int32")
    length = labels.shape[1]
    log_probs = _C.ops.log_softmax(scores, axis=-1)

    # blank, l1, blank, l2, ..., blank
    blanks = _C.ops.full_like(labels, mask_index)
    first = _C.ops.zeros_like(_C.ops.expand_dims(lengths, 1)) + mask_index
    states = first
    if length:
        pairs = _C.ops.reshape(_C.ops.stack([labels, blanks], axis=-1), (-1, 2 * length))
        states = _C.ops.concatenate([first, pairs], axis=1)
    # A state may be entered from two back if it is a label that differs from the one before.
    zero = _C.ops.zeros_like(_C.ops.cast(states, scores.dtype))
    skips = _C.ops.logical_and(
        _C.ops.not_equal(states[:, 2:], mask_index), _C.ops.not_equal(states[:, 2:], states[:, :-2])
    )
    outside = zero[:, :1] + _IMPOSSIBLE
    skip_cost = _C.ops.where(skips, zero[:, 2:], zero[:, 2:] + _IMPOSSIBLE)
    skip_cost = _C.ops.concatenate([outside, outside, skip_cost], axis=1) if length else outside

    def emitted(frame: Tensor) -> Tensor:
        return _C.ops.take_along_axis(frame, states, axis=1)

    def step(carry: Any, frame: Tensor) -> Any:
        alpha, t = carry
        parts = [alpha, _C.ops.concatenate([outside, alpha[:, :-1]], axis=1)]
        if length:
            parts.append(_C.ops.concatenate([outside, outside, alpha[:, :-2]], axis=1) + skip_cost)
        new = _C.ops.logsumexp(_C.ops.stack(parts), axis=0) + emitted(frame)
        return (_C.ops.where(_C.ops.expand_dims(t < ends_at, 1), new, alpha), t + 1), None

    frames = _C.ops.transpose(log_probs, (1, 0, 2))
    # Before the first frame all of the probability lies before the first blank and the first label.
    alpha = _C.ops.concatenate([emitted(frames[0])[:, :2], zero[:, 2:] + _IMPOSSIBLE], axis=1)
    if frames.shape[0] != 1:
        (alpha, _), _ = control.scan(step, (alpha, _C.to_tensor(1, "int32", "[ctc_loss]")), frames[1:])

    # The last frame ends in the last label or the blank behind it.
    ends = _C.ops.expand_dims(2 * lengths, 1)
    final = _C.ops.take_along_axis(alpha, ends, axis=1)
    before = _C.ops.take_along_axis(alpha, _C.ops.maximum(ends - 1, 0), axis=1)
    before = _C.ops.where(ends > 0, before, outside)
    return -_C.ops.squeeze(_C.ops.logaddexp(final, before), 1)


def ctc_decode(
    inputs: Any,
    sequence_lengths: Any,
    strategy: str = "greedy",
    beam_width: int = 100,
    top_paths: int = 1,
    merge_repeated: bool = True,
    mask_index: int = 0,
) -> tuple[Tensor, Tensor]:
    """The label sequences that scores read as. There is no gradient.

    Args:
        inputs: scores, (batch, frames, classes).
        sequence_lengths: how many frames count, (batch,).
        strategy: ``"greedy"``: the best class of each frame, or ``"beam_search"``: the most probable sequences, summed over
            alignments.
        beam_width: how many sequences the beam search keeps.
        top_paths: how many sequences it gives.
        merge_repeated: whether the greedy strategy takes a class repeated in successive frames as one.
        mask_index: the class that stands for the blank.

    Returns:
        Labels (top_paths, batch, frames), int32, -1 after the end; and scores (batch, top_paths): log-probabilities from the
        beam search, minus the sum of the best scores from the greedy strategy (then top_paths is 1).

    Raises:
        ValueError: for another strategy or rank, and a beam narrower than `top_paths`.

    Example:
        >>> import tahr
        >>> scores = tahr.ops.one_hot([[1, 1, 0, 1, 2]], 3)
        >>> tahr.ops.ctc_decode(scores, [5])[0].numpy()
        array([[[ 1,  1,  2, -1, -1]]], dtype=int32)
    """
    scores = host.widened(host.floating(inputs, "ctc_decode", 1))
    lengths = _C.ops.cast(_C.to_tensor(sequence_lengths, None, "[ctc_decode]"), "int32")
    if len(scores.shape) != 3:
        raise ValueError(f"[ctc_decode] expected shape (batch, frames, classes), received {tuple(scores.shape)}.")
    if strategy == "greedy":
        return _greedy(scores, lengths, merge_repeated, mask_index)
    if strategy != "beam_search":
        raise ValueError(f"[ctc_decode] expected strategy 'greedy' or 'beam_search', received {strategy!r}.")
    if not 1 <= top_paths <= beam_width:
        raise ValueError(
            f"[ctc_decode] expected 1 <= top_paths <= beam_width, received top_paths={top_paths} and "
            f"beam_width={beam_width}."
        )
    paths, found = host.call(
        "ctc_beam_search",
        [_C.ops.log_softmax(scores, axis=-1), lengths],
        beam_width=int(beam_width),
        top_paths=int(top_paths),
        mask_index=int(mask_index),
    )
    return paths, found


def _greedy(scores: Tensor, lengths: Tensor, merge_repeated: bool, blank: int) -> tuple[Tensor, Tensor]:
    labels = _C.ops.cast(_C.ops.argmax(scores, axis=-1), "int32")
    at = _C.ops.cumsum(_C.ops.ones_like(labels), axis=1) - 1
    beyond = at >= _C.ops.expand_dims(lengths, 1)
    best = _C.ops.max(scores, axis=-1)
    total = _C.ops.sum(_C.ops.where(beyond, _C.ops.zeros_like(best), best), axis=1, keepdims=True)
    gone = _C.ops.logical_or(beyond, _C.ops.equal(labels, blank))
    if merge_repeated:
        repeated = _C.ops.equal(labels[:, 1:], labels[:, :-1])
        first = _C.ops.zeros_like(gone[:, :1])
        gone = _C.ops.logical_or(gone, _C.ops.concatenate([first, repeated], axis=1))
    order = _C.ops.argsort(_C.ops.where(gone, at + scores.shape[1], at), axis=-1)
    labels = _C.ops.where(gone, _C.ops.zeros_like(labels) - 1, labels)
    return _C.ops.expand_dims(_C.ops.take_along_axis(labels, order, axis=1), 0), -total


def _beam_search(
    log_probs: np.ndarray, lengths: np.ndarray, beam_width: int, top_paths: int, mask_index: int
) -> list[np.ndarray]:
    batch, frames, classes = log_probs.shape
    paths = np.full((top_paths, batch, frames), -1, np.int32)
    scores = np.full((batch, top_paths), -np.inf, log_probs.dtype)
    none = -np.inf
    for b in range(batch):
        # Per sequence: log-probabilities of the alignments that end in a blank, and of those that end in its last label.
        beam: dict[tuple[int, ...], tuple[float, float]] = {(): (0.0, none)}
        for frame in log_probs[b, : lengths[b]].astype(np.float64):
            new: dict[tuple[int, ...], tuple[float, float]] = {}

            def add(path: tuple[int, ...], blank: float, label: float, into: dict = new) -> None:
                had = into.get(path, (none, none))
                into[path] = (float(np.logaddexp(had[0], blank)), float(np.logaddexp(had[1], label)))

            for path, (blank, label) in beam.items():
                both = float(np.logaddexp(blank, label))
                add(path, both + frame[mask_index], label + frame[path[-1]] if path else none)
                for c in range(classes):
                    if c != mask_index:  # a label repeated needs a blank between
                        add((*path, c), none, (blank if path and c == path[-1] else both) + frame[c])
            ranked = sorted(new.items(), key=lambda item: -np.logaddexp(*item[1]))
            beam = dict(ranked[:beam_width])
        ranked = sorted(beam.items(), key=lambda item: -np.logaddexp(*item[1]))
        for k, (path, ends) in enumerate(ranked[:top_paths]):
            paths[k, b, : len(path)] = path
            scores[b, k] = np.logaddexp(*ends)
    return [paths, scores]


def _beam_specs(scores: host.Spec, lengths: host.Spec, top_paths: int, **_: Any) -> list[host.Spec]:
    (batch, frames, _classes), dtype = scores
    return [((top_paths, batch, frames), "int32"), ((batch, top_paths), dtype)]


host.define("ctc_beam_search", _beam_specs, _beam_search)
