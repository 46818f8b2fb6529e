"""CTC: the loss against all alignments written out and against PyTorch, decoding against all sequences written out."""

import itertools

import numpy as np
import pytest
import tahr
from tahr import keras, ops
from test_linalg_host import check_gradients, matrices


def reads_as(alignment, blank=0):
    return tuple(c for i, c in enumerate(alignment) if c != blank and (i == 0 or alignment[i - 1] != c))


def probabilities(scores, blank=0):
    """All label sequences of one example and their log-probabilities, by enumeration."""
    p = scores - np.log(np.exp(scores).sum(-1, keepdims=True))
    total = {}
    for alignment in itertools.product(range(scores.shape[1]), repeat=len(scores)):
        path = reads_as(alignment, blank)
        total[path] = np.logaddexp(total.get(path, -np.inf), sum(p[t, c] for t, c in enumerate(alignment)))
    return total


@pytest.mark.parametrize("blank", [0, 2])
def test_loss_is_the_sum_over_alignments(blank):
    scores = matrices(2, 5, 3)
    labels = [c for c in range(3) if c != blank]
    targets = np.array([[labels[0], labels[0], labels[1]], [labels[1], labels[0], 0]])
    loss = ops.ctc_loss(targets, scores, [3, 2], [5, 4], mask_index=blank).numpy()
    expected = [
        -probabilities(scores[0], blank)[tuple(targets[0])],
        -probabilities(scores[1, :4], blank)[tuple(targets[1, :2])],
    ]
    np.testing.assert_allclose(loss, expected, rtol=1e-12)


def test_loss_against_torch_and_gradients():
    torch = pytest.importorskip("torch")
    scores, targets = matrices(3, 12, 6), np.array([[1, 2, 2, 5], [3, 1, 0, 0], [4, 4, 4, 4]])
    lengths, frames = np.array([4, 2, 4]), np.array([12, 7, 11])
    t = torch.tensor(scores, requires_grad=True)
    log_probs = torch.log_softmax(t, -1).transpose(0, 1)
    expected = torch.nn.functional.ctc_loss(
        log_probs, torch.tensor(targets), torch.tensor(frames), torch.tensor(lengths), reduction="none"
    )
    expected.sum().backward()
    x = tahr.constant(scores)
    with tahr.GradientTape() as tape:
        tape.watch(x)
        loss = ops.ctc_loss(targets, x, lengths, frames)
    np.testing.assert_allclose(loss.numpy(), expected.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(tape.gradient(loss, x).numpy(), t.grad.numpy(), atol=1e-12)
    check_gradients(lambda s: ops.ctc_loss(targets, s, lengths, frames), scores)
    traced = tahr.function(lambda s: ops.ctc_loss(targets, s, lengths, frames))
    np.testing.assert_allclose(traced(x).numpy(), loss.numpy(), rtol=1e-13)


def test_empty_targets_are_all_blanks():
    scores = matrices(2, 3, 4)
    log_probs = scores - np.log(np.exp(scores).sum(-1, keepdims=True))
    loss = ops.ctc_loss(np.zeros((2, 2), int), scores, [0, 0], [3, 3]).numpy()
    np.testing.assert_allclose(loss, -log_probs[..., 0].sum(-1), rtol=1e-12)
    loss = ops.ctc_loss(np.zeros((2, 0), int), scores, [0, 0], [3, 3]).numpy()
    np.testing.assert_allclose(loss, -log_probs[..., 0].sum(-1), rtol=1e-12)


def test_greedy():
    best = np.array([[1, 1, 0, 1, 2, 2], [3, 0, 3, 3, 1, 2]])
    scores = np.eye(4)[best] * np.arange(1, 7)[:, None]
    labels, total = ops.ctc_decode(scores, [6, 4])
    assert labels.numpy().tolist() == [[[1, 1, 2, -1, -1, -1], [3, 3, -1, -1, -1, -1]]]
    np.testing.assert_allclose(total.numpy(), [[-21.0], [-10.0]])
    labels, _ = ops.ctc_decode(scores, [6, 4], merge_repeated=False)
    assert labels.numpy().tolist() == [[[1, 1, 1, 2, 2, -1], [3, 3, 3, -1, -1, -1]]]
    labels, _ = ops.ctc_decode(scores, [6, 6], mask_index=3)
    assert labels.numpy().tolist()[0][1] == [0, 1, 2, -1, -1, -1]


def test_wide_beam_finds_the_most_probable():
    scores, lengths = matrices(2, 5, 3), [5, 4]
    paths, found = ops.ctc_decode(scores, lengths, strategy="beam_search", beam_width=500, top_paths=3)
    assert paths.shape == (3, 2, 5)
    assert found.shape == (2, 3)
    for b in range(2):
        best = sorted(probabilities(scores[b, : lengths[b]]).items(), key=lambda item: -item[1])[:3]
        for k, (path, p) in enumerate(best):
            assert tuple(c for c in paths.numpy()[k, b] if c >= 0) == path
            assert found.numpy()[b, k] == pytest.approx(p, rel=1e-12)
    f = tahr.function(lambda s: ops.ctc_decode(s, lengths, strategy="beam_search", beam_width=500, top_paths=3))
    np.testing.assert_array_equal(f(scores)[0].numpy(), paths.numpy())


def test_symbolic_and_errors():
    x = keras.Input((7, 4))
    n = keras.Input((), dtype="int32")
    assert keras.ops.ctc_loss(keras.Input((3,), dtype="int32"), x, n, n).shape == (None,)
    paths, scores = keras.ops.ctc_decode(x, n, strategy="beam_search", top_paths=2)
    assert (paths.shape, scores.shape) == ((2, None, 7), (None, 2))
    paths, scores = keras.ops.ctc_decode(x, n)
    assert (paths.shape, scores.shape) == ((1, None, 7), (None, 1))
    with pytest.raises(ValueError, match=r"\[ctc_loss\] expected target"):
        ops.ctc_loss([1], np.ones((1, 2, 3)), [1], [1])
    with pytest.raises(ValueError, match=r"\[ctc_decode\] expected strategy"):
        ops.ctc_decode(np.ones((1, 2, 3)), [2], strategy="best")
    with pytest.raises(ValueError, match=r"\[ctc_decode\] expected 1 <= top_paths"):
        ops.ctc_decode(np.ones((1, 2, 3)), [2], strategy="beam_search", beam_width=1, top_paths=2)
