"""Rows of the cross-entropies."""

from __future__ import annotations

from typing import Any

import numpy as np

from .reduce import RANGE_ERROR, log_softmax, softmax
from .row import Bad, Case, In, Row

CLASSES = 4
LABELS = In(dtype="int32", make=lambda rng, shape: rng.integers(0, CLASSES, size=shape))
LOGITS = In(-4.0, 4.0)
WEIGHTS = In(-1.0, 1.0)
PROBABILITIES = In(0.1, 0.9)
EPSILON = 1e-7  # Keras clips probabilities this far from 0 and 1

SCORES = np.zeros((2, 3), np.float32)


def onehot(labels: np.ndarray, classes: int) -> np.ndarray:
    return np.eye(classes)[labels]


def pick(x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.take_along_axis(x, labels[..., None].astype(np.int64), -1)[..., 0]


def sparse_loss(x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return -pick(log_softmax(x), labels)


def dense_loss(x: np.ndarray, t: np.ndarray) -> np.ndarray:
    return -np.sum(t * log_softmax(x), -1)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def sigmoid_loss(x: np.ndarray, t: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, x) - x * t


def spread(dy: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    return onehot(labels, classes) * dy[..., None]


def binary_crossentropy(target: np.ndarray, output: np.ndarray, from_logits: bool = False) -> np.ndarray:
    if from_logits:
        return sigmoid_loss(output, target)
    p = np.clip(output, EPSILON, 1 - EPSILON)
    return -(target * np.log(p) + (1 - target) * np.log(1 - p))


def categorical_crossentropy(target: np.ndarray, output: np.ndarray, from_logits: bool = False, axis: int = -1) -> Any:
    if from_logits:
        return -np.sum(target * log_softmax(output, axis), axis)
    p = np.clip(output / np.sum(output, axis, keepdims=True), EPSILON, 1 - EPSILON)
    return -np.sum(target * np.log(p), axis)


def sparse_categorical_crossentropy(target: np.ndarray, output: np.ndarray, **attrs: Any) -> np.ndarray:
    if target.ndim == output.ndim:
        target = target[..., 0]
    return categorical_crossentropy(onehot(target, output.shape[-1]), output, **attrs)


ROWS_AND_LABELS = (
    Case([(3, CLASSES), (3,)]),
    Case([(CLASSES,), ()]),
    Case([(2, 3, 40), (2, 3)]),
    Case([(0, CLASSES), (0,)]),
    Case([(20, 1100), (20,)]),
)
DENSE = (
    Case([(3, CLASSES)] * 2),
    Case([(CLASSES,)] * 2),
    Case([(2, 3, 40)] * 2),
    Case([(0, CLASSES)] * 2),
    Case([(20, 1100)] * 2),
)
WIDE = Case([(1000, 1000), (1000,)])


def weighted(cases: tuple[Case, ...]) -> tuple[Case, ...]:
    return tuple(Case([*c.shapes, c.shapes[0][:-1]], c.attrs) for c in cases)


def label_errors(op: str, named: str) -> tuple[Bad, ...]:
    """The calls that fail for `op`; a label out of range is reported by the op `named`."""
    return (
        Bad(
            (SCORES, np.array([0, 3])),
            {},
            ValueError,
            rf"\[{named}\] expected labels in \[0, 3\), received 3 at position 1",
        ),
        Bad(
            (SCORES, np.array([-1, 0])),
            {},
            ValueError,
            rf"\[{named}\] expected labels in \[0, 3\), received -1 at position 0",
        ),
        Bad(
            (SCORES, np.array([0, 1, 2])),
            {},
            ValueError,
            rf"\[{op}\] .* labels of shape \(3,\) for scores of shape \(2, 3\)",
        ),
        Bad((SCORES, np.zeros(2, np.float32)), {}, TypeError, rf"\[{op}\] expected integer labels, received float32"),
    )


def swapped(errors: tuple[Bad, ...], attrs: dict[str, Any]) -> tuple[Bad, ...]:
    return tuple(Bad(b.args[::-1], attrs, b.error, b.match) for b in errors)


# exp(x - max) is rounded at magnitude 8, and the loss at the magnitude of the logits.
ULP, TERMS = 8, (lambda case: 8)

ROWS = [
    Row(
        "sparse_softmax_cross_entropy",
        sparse_loss,
        [LOGITS, LABELS],
        cases=ROWS_AND_LABELS,
        ulp=ULP,
        terms=TERMS,
        errors=label_errors("sparse_softmax_cross_entropy", "sparse_softmax_cross_entropy"),
        bench=WIDE,
    ),
    Row(
        "sparse_softmax_cross_entropy_grad",
        lambda x, labels, dy: (softmax(x) - onehot(labels, x.shape[-1])) * dy[..., None],
        [LOGITS, LABELS, WEIGHTS],
        cases=weighted(ROWS_AND_LABELS),
        ulp=ULP,
        terms=TERMS,
        grad=(0, 2),
        bench=weighted((WIDE,))[0],
    ),
    Row(
        "softmax_cross_entropy",
        dense_loss,
        [LOGITS, In(0.0, 1.0)],
        cases=DENSE,
        ulp=ULP,
        terms=lambda case: case.shapes[0][-1],  # so many terms of the magnitude of the logits
        grad=(0, 1),
        errors=(
            Bad(
                (SCORES, SCORES[:1]),
                {},
                ValueError,
                r"\[softmax_cross_entropy\] expected logits and labels of the same shape, received \(2, 3\)",
            ),
            Bad(
                (np.float32(1), np.float32(1)),
                {},
                ValueError,
                r"\[softmax_cross_entropy\] expected scores with a class axis, received a scalar",
            ),
        ),
        bench=Case([(1000, 1000)] * 2),
    ),
    Row(
        "softmax_cross_entropy_grad",
        lambda x, t, dy: (softmax(x) * t.sum(-1, keepdims=True) - t) * dy[..., None],
        [LOGITS, In(0.0, 1.0), WEIGHTS],
        cases=weighted(DENSE),
        ulp=ULP,
        terms=TERMS,
        grad=(0, 1, 2),
        bench=weighted((Case([(1000, 1000)] * 2),))[0],
    ),
    Row(
        "sigmoid_cross_entropy",
        sigmoid_loss,
        [LOGITS, In(0.0, 1.0)],
        cases=(Case([(7,), (7,)]), Case([(), ()]), Case([(3, 50), (3, 50)]), Case([(0,), (0,)])),
        ulp=4,
        terms=lambda case: 2,
        grad=(0, 1),
        errors=(
            Bad(
                (SCORES, SCORES[:1]),
                {},
                ValueError,
                r"\[sigmoid_cross_entropy\] expected logits and targets of the same shape",
            ),
        ),
        bench=Case([(1000, 1000)] * 2),
    ),
    Row(
        "sigmoid_cross_entropy_grad",
        lambda x, t, dy: (sigmoid(x) - t) * dy,
        [LOGITS, In(0.0, 1.0), WEIGHTS],
        cases=(Case([(7,)] * 3), Case([(3, 50)] * 3)),
        ulp=4,
        terms=lambda case: 4,
        grad=(0, 1, 2),
        bench=Case([(1000, 1000)] * 3),
    ),
    Row(
        "pick_labels",
        pick,
        [LOGITS, LABELS],
        cases=ROWS_AND_LABELS,
        ulp=0,
        errors=label_errors("pick_labels", "sparse_categorical_crossentropy"),
        bench=WIDE,
    ),
    Row(
        "spread_labels",
        spread,
        [LOGITS, LABELS],
        cases=(Case([(3,), (3,)], {"classes": CLASSES}), Case([(2, 2), (2, 2)], {"classes": 7})),
        ulp=0,
        errors=(
            Bad(
                (np.ones(2), np.zeros(3, np.int32)),
                {"classes": 2},
                ValueError,
                r"expected values and labels of the same shape",
            ),
        ),
        bench=Case([(1000,), (1000,)], {"classes": 1000}),
    ),
    Row(
        "binary_crossentropy",
        binary_crossentropy,
        [In(0.0, 1.0), PROBABILITIES],
        cases=(Case([(7,), (7,)]), Case([(2, 3), (2, 3)], {"from_logits": True}), Case([(), ()])),
        ulp=4,
        terms=lambda case: 8,  # 1 - p at p = 0.9
        grad=(0, 1),
        errors=(
            Bad(
                (SCORES, SCORES[:1]),
                {},
                ValueError,
                r"\[binary_crossentropy\] expected target and output of the same shape",
            ),
        ),
        bench=Case([(1000, 1000)] * 2),
    ),
    Row(
        "categorical_crossentropy",
        categorical_crossentropy,
        [In(0.0, 1.0), PROBABILITIES],
        cases=(
            Case([(3, CLASSES)] * 2),
            Case([(3, 2)] * 2, {"axis": 0}),
            Case([(3, CLASSES)] * 2, {"from_logits": True}),
            Case([(2, 3, 2)] * 2, {"from_logits": True, "axis": 1}),
        ),
        ulp=4,
        terms=lambda case: 16,
        grad=(0, 1),
        errors=(
            Bad(
                (SCORES, SCORES[:1]),
                {},
                ValueError,
                r"\[categorical_crossentropy\] expected target and output of the same shape",
            ),
            Bad((SCORES, SCORES), {"axis": 2}, ValueError, RANGE_ERROR.match),
        ),
        bench=Case([(1000, 1000)] * 2),
    ),
    Row(
        "sparse_categorical_crossentropy",
        sparse_categorical_crossentropy,
        [LABELS, PROBABILITIES],
        cases=(
            Case([(3,), (3, CLASSES)]),
            Case([(3, 1), (3, CLASSES)]),
            Case([(2, 3), (2, 3, 5)], {"from_logits": True}),
            Case([(), (CLASSES,)]),
        ),
        ulp=4,
        terms=lambda case: 8,
        grad=(1,),
        errors=(
            *swapped(label_errors("sparse_categorical_crossentropy", "sparse_categorical_crossentropy")[:3], {}),
            *swapped(label_errors("", "sparse_softmax_cross_entropy")[:2], {"from_logits": True}),
        ),
        bench=Case([(1000,), (1000, 1000)]),
    ),
]
